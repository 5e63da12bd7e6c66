//! Backends that go down and come back at the same address.

use std::time::Duration;

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::{Pod, RefusingAddress, SilentAddress};
use harness::shipped::Shipped;
use serde_json::{Value, json};

use crate::support::outcome;

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);

/// The response time of a pod, so that a dying pod has requests in flight.
const DELAY: Duration = Duration::from_millis(5);

/// Backends with one pod each, of the same name.
pub struct Fleet(Vec<Member>);

struct Member {
    name: String,
    address: RefusingAddress,
    pod: Option<Pod>,
    silence: Option<SilentAddress>,
}

impl Fleet {
    /// This many backends, all up: `app-0`, `app-1` and so on.
    pub fn start(count: usize) -> Self {
        let members = (0..count).map(|index| Member {
            name: format!("app-{index}"),
            address: RefusingAddress::new().unwrap(),
            pod: None,
            silence: None,
        });
        let mut fleet = Self(members.collect());
        for index in 0..count {
            fleet.up(index);
        }
        fleet
    }

    /// The backend serves requests from now on.
    pub fn up(&mut self, index: usize) {
        let member = &mut self.0[index];
        member.silence = None;
        let pod = Pod::slow_at(&member.name, member.address.address(), DELAY).unwrap();
        member.pod = Some(pod);
    }

    /// The backend refuses connections from now on. Its open connections are closed.
    pub fn down(&mut self, index: usize) {
        self.0[index].pod.take().expect("it was up").stop();
    }

    /// Packets to the backend's address are lost from now on. Open connections are closed.
    pub async fn fall_silent(&mut self, index: usize) {
        self.down(index);
        let member = &mut self.0[index];
        member.silence = Some(SilentAddress::start_at(member.address.address()).await.unwrap());
    }

    /// The pod of a backend that is up.
    pub fn pod(&self, index: usize) -> &Pod {
        self.0[index].pod.as_ref().expect("it is up")
    }

    /// The name of a backend.
    pub fn name(&self, index: usize) -> &str {
        &self.0[index].name
    }

    /// All names, as a list of backends.
    pub fn names(&self) -> Value {
        self.0.iter().map(|member| member.name.as_str()).collect()
    }

    /// A bootstrap with a plain cluster for each backend.
    pub fn bootstrap(&self) -> Bootstrap {
        self.0.iter().fold(Bootstrap::new(), |bootstrap, member| {
            bootstrap.cluster(&member.name, &[member.address.address()])
        })
    }

    /// The addresses of the pods, for a shipped file.
    pub fn shipped(&self) -> Shipped {
        self.0
            .iter()
            .fold(Shipped::new(), |shipped, member| shipped.host(&member.name, member.address.address()))
    }

    /// Generated cookies over all backends, with these additional fields of the service.
    pub fn plugin(&self, fields: &Value) -> Value {
        let mut plugin = json!({
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE" },
            "backends": self.names(),
            "debugHeader": "x-debug",
        });
        for (name, value) in fields.as_object().unwrap() {
            plugin[name] = value.clone();
        }
        plugin
    }

    /// An Envoy with plain clusters and [`Self::plugin`].
    pub async fn envoy(&self, fields: &Value) -> Envoy {
        Envoy::start(&self.bootstrap().filter(&self.plugin(fields)).build()).await.unwrap()
    }
}

/// Begins sessions until one is on this pod. Returns the cookie of that session.
pub async fn session_on(envoy: &Envoy, pod: &str) -> String {
    let client = Client::http1();
    for _ in 0..500 {
        let reply = client.fetch(&envoy.url(), &[]).await.unwrap();
        if reply.pod == pod {
            return reply.cookie_pair("GCLB").unwrap().to_owned();
        }
    }
    panic!("none of 500 sessions began on {pod}");
}

/// Status, outcome and body of a reply.
pub fn told(reply: &Reply) -> (u16, String, &str) {
    (reply.status.as_u16(), outcome(reply), &reply.pod)
}
