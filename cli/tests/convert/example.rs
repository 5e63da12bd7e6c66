//! The four manifests of the example, verbatim.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Conversion, EXAMPLE, KEY_ENV, example_directory, run};

/// The affinity of the example.
pub const LIFE: Duration = Duration::from_secs(50);
/// The filter's clock moves in steps of 200 ms, or longer on a busy machine. So a session may begin and end later by
/// this time.
const STEP: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_secs(2);

/// Runs the converter as in the README.
fn converted(arguments: &[&str]) -> Conversion {
    run(copy_of_the_example(), &[&EXAMPLE, arguments].concat(), Stdio::null())
}

/// A directory with the manifests of the example.
pub fn copy_of_the_example() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in EXAMPLE {
        fs::copy(example_directory().join(name), directory.path().join(name)).unwrap();
    }
    directory
}

#[tokio::test]
async fn the_example_becomes_one_service_with_a_cookie_of_50_seconds_and_a_backend_for_each_replica() {
    let written = converted(&["--endpoints", "neg-demo-app=10.0.0.1,10.0.0.2"]).written().await;
    let wanted = json!({
        "name": "neg-demo-svc",
        "routes": ["neg-demo-svc"],
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50 },
        "backends": ["neg-demo-app-0", "neg-demo-app-1"],
        "healthCheck": {
            "requestPath": "/",
            "checkIntervalSec": 15,
            "timeoutSec": 15,
            "healthyThreshold": 1,
            "unhealthyThreshold": 2,
        },
    });
    assert_eq!(written.service(), &wanted);
    let pods = [("neg-demo-app-0", "10.0.0.1:9376"), ("neg-demo-app-1", "10.0.0.2:9376")];
    assert_eq!(written.pods(), pods.map(|(name, address)| (name.to_owned(), address.to_owned())));
    assert_eq!(written.said, "", "nothing of the example is lost");
}

#[test]
fn without_addresses_the_example_is_refused_with_the_options_that_give_them() {
    let wanted = "deployment.yaml:6: metadata.name: error: the addresses of the pods of this Deployment are unknown: they have \
                  no names in DNS; give --endpoints neg-demo-app=ADDRESS,…, --dns neg-demo-svc=HOST of a headless \
                  Service, or --eds DIR; --to kubernetes needs none of them";
    assert_eq!(converted(&[]).errors(), [wanted]);
}

/// This number of pods, with the names of the replicas.
fn pods() -> Vec<Pod> {
    (0..2).map(|index| Pod::start(&format!("neg-demo-app-{index}")).unwrap()).collect()
}

fn endpoints(pods: &[Pod]) -> String {
    let addresses: Vec<String> = pods.iter().map(|pod| pod.address().to_string()).collect();
    format!("neg-demo-svc={}", addresses.join(","))
}

/// A client that keeps one cookie, like a browser that ignores `Max-Age`.
pub struct Visitor {
    client: Client,
    url: String,
    cookie: String,
    pod: String,
    earliest_start: Instant,
    latest_start: Instant,
}

impl Visitor {
    /// Begins a session.
    pub async fn begin(url: &str) -> Self {
        let client = Client::http1();
        let earliest_start = Instant::now();
        let reply = client.fetch(url, &[]).await.unwrap();
        assert_eq!(reply.status, 200);
        let line = reply.set_cookie("GCLB").expect("a session begins");
        assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=50"), "{line}");
        let cookie = reply.cookie_pair("GCLB").unwrap().to_owned();
        let latest_start = Instant::now();
        Self { client, url: url.to_owned(), cookie, pod: reply.pod, earliest_start, latest_start }
    }

    /// The pod of the session.
    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// Sends another request of the session.
    pub async fn visit(&self) -> Reply {
        self.client.fetch_with_cookie(&self.url, &self.cookie).await.unwrap()
    }

    /// Sends requests until the session ends. Until then, every response must come from the same pod. Then a new
    /// session begins. Returns the pod of the new session.
    pub async fn visit_until_the_end(self) -> (String, String) {
        loop {
            let reply = self.visit().await;
            assert_eq!(reply.status, 200);
            if reply.set_cookies.is_empty() {
                assert_eq!(reply.pod, self.pod);
                assert!(self.latest_start.elapsed() < LIFE + SLACK, "the session never ends");
            } else {
                let life = self.earliest_start.elapsed();
                assert!(life + STEP >= LIFE, "over after {life:?}");
                return (self.pod, reply.pod);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_a_real_envoy_sticks_for_50_seconds_and_then_does_not() {
    let pods = pods();
    let written = converted(&["--endpoints", &endpoints(&pods), "--key-env", KEY_ENV]).written().await;
    let envoy = written.start().await;
    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..40 {
        visits.spawn(Visitor::begin(&envoy.url()).await.visit_until_the_end());
    }
    let moves = visits.join_all().await;
    let on = |pod: &str| moves.iter().filter(|(first, _)| first == pod).count();
    assert!(on("neg-demo-app-0") > 0 && on("neg-demo-app-1") > 0, "40 sessions on both pods: {moves:?}");
    let changed = moves.iter().filter(|(first, second)| first != second).count();
    // Each of the 40 requests reaches one of two pods at random. All reach the same pod once in 10^12 runs.
    assert!(changed > 0 && changed < 40, "{changed} of 40 have another pod now");
    let counter = "wasmcustom.session_affinity.service.neg-demo-svc.outcome.expired";
    envoy.wait_for_stat(counter, |count| count == 40, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn without_its_cookie_a_client_of_the_example_reaches_both_pods() {
    let pods = pods();
    let written = converted(&["--endpoints", &endpoints(&pods)]).written().await;
    let envoy = written.start().await;
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..60 {
        met.insert(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().pod);
    }
    assert_eq!(met.len(), 2);
}

#[tokio::test]
async fn a_websocket_of_the_example_goes_where_its_cookie_says() {
    let pods = pods();
    let written = converted(&["--endpoints", &endpoints(&pods)]).written().await;
    let envoy = written.start().await;
    let visitor = Visitor::begin(&envoy.url()).await;
    for _ in 0..10 {
        let url = format!("{}/ws", envoy.url());
        let (headers, _) =
            harness::client::websocket(&url, &[("cookie", visitor.cookie.as_bytes())]).await.unwrap();
        assert_eq!(headers["x-pod"], visitor.pod.as_str());
    }
}

#[tokio::test]
async fn a_client_cannot_choose_a_pod_of_the_example() {
    let pods = pods();
    let written = converted(&["--endpoints", &endpoints(&pods)]).written().await;
    let envoy = written.start().await;
    let header: [(&str, &[u8]); 1] = [("x-affinity-cluster", b"neg-demo-app-1")];
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..60 {
        met.insert(Client::http1().fetch(&envoy.url(), &header).await.unwrap().pod);
    }
    assert_eq!(met.len(), 2);
    assert!(
        pods.iter()
            .all(|pod| pod.requests().iter().all(|request| !request.headers.contains_key(header[0].0)))
    );
}

#[tokio::test]
async fn the_example_survives_a_dead_pod_and_keeps_the_sessions_of_the_other() {
    let mut pods = pods();
    let written = converted(&["--endpoints", &endpoints(&pods)]).written().await;
    let envoy = written.start().await;
    let survivor = session_on(&envoy, "neg-demo-app-1").await;
    let orphan = session_on(&envoy, "neg-demo-app-0").await;
    let address: SocketAddr = pods[0].address();
    pods.remove(0).stop();
    let mut failed = 0;
    while orphan.visit().await.status != 200 {
        failed += 1;
        assert!(failed <= 3, "{address} is dead: three requests in a row find out");
    }
    assert_eq!(survivor.visit().await.pod, "neg-demo-app-1");
}

async fn session_on(envoy: &Envoy, pod: &str) -> Visitor {
    loop {
        let visitor = Visitor::begin(&envoy.url()).await;
        if visitor.pod == pod {
            return visitor;
        }
    }
}
