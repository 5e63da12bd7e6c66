//! Backends that go down and come back at the same address.

use std::time::Duration;

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::{Pod, RefusingAddress, SilentAddress};
use harness::shipped::Shipped;
use serde_json::{Value, json};

use crate::support::outcome;

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);

/// So long a pod takes for an answer: a pod that dies has requests in hand.
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
    /// So many, all up: `app-0`, `app-1` and so on.
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

    /// From now on it answers.
    pub fn up(&mut self, index: usize) {
        let member = &mut self.0[index];
        member.silence = None;
        let pod = Pod::slow_at(&member.name, member.address.address(), DELAY).unwrap();
        member.pod = Some(pod);
    }

    /// From now on it refuses connections; those that were open are closed.
    pub fn down(&mut self, index: usize) {
        self.0[index].pod.take().expect("it was up").stop();
    }

    /// From now on whatever is sent to its address is lost; connections that were open are closed.
    pub async fn fall_silent(&mut self, index: usize) {
        self.down(index);
        let member = &mut self.0[index];
        member.silence = Some(SilentAddress::start_at(member.address.address()).await.unwrap());
    }

    /// The pod of one that is up.
    pub fn pod(&self, index: usize) -> &Pod {
        self.0[index].pod.as_ref().expect("it is up")
    }

    /// The name of one.
    pub fn name(&self, index: usize) -> &str {
        &self.0[index].name
    }

    /// All names, as a list of backends.
    pub fn names(&self) -> Value {
        self.0.iter().map(|member| member.name.as_str()).collect()
    }

    /// A bootstrap with a plain cluster for each.
    pub fn bootstrap(&self) -> Bootstrap {
        self.0.iter().fold(Bootstrap::new(), |bootstrap, member| {
            bootstrap.cluster(&member.name, &[member.address.address()])
        })
    }

    /// Where their pods are, for a shipped file.
    pub fn shipped(&self) -> Shipped {
        self.0
            .iter()
            .fold(Shipped::new(), |shipped, member| shipped.host(&member.name, member.address.address()))
    }

    /// Generated cookies over all of them, with these fields of the service beside.
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

/// Begins sessions until one is on this pod; returns its cookie.
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
