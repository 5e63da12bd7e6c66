//! `--eds`: sessions on endpoints while the list of endpoints changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::{shipped, xds};
use serde_json::json;

use crate::manifests::{
    all, backend_config, configured, ingress, path, rule, service, service_with_config, stateful_set,
};
use crate::support::{Written, convert_with, run};

const SOON: Duration = Duration::from_secs(30);
const COOKIE: &str =
    "{sessionAffinity: {affinityType: GENERATED_COOKIE}, healthCheck: {checkIntervalSec: 1}}";

fn pods(count: usize) -> Vec<Pod> {
    (0..count).map(|index| Pod::start(&format!("pod-{index}")).unwrap()).collect()
}

fn given(name: &str, pods: &[Pod]) -> String {
    let addresses: Vec<_> = pods.iter().map(|pod| pod.address().to_string()).collect();
    format!("{name}={}", addresses.join(","))
}

async fn started(written: &Written, service: &str, count: u64) -> Envoy {
    let envoy = written.start().await;
    let healthy = format!("cluster.{service}.membership_healthy");
    envoy.wait_for_stat(&healthy, |healthy| healthy == count, SOON).await.unwrap();
    envoy
}

async fn fetch(envoy: &Envoy, cookie: &str) -> Reply {
    let reply = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    assert_eq!(reply.status, 200);
    reply
}

#[tokio::test]
async fn sessions_stay_on_their_endpoints_until_these_are_removed() {
    let pods = pods(3);
    let written =
        convert_with(&configured(COOKIE), &["--eds", "endpoints", "--endpoints", &given("app", &pods)]);
    let written = written.written().await;
    assert_eq!(written.service()["pin"], "ENDPOINT");
    assert_eq!(
        written.filter_configuration()["keys"],
        json!([{ "id": "k1", "env": "SESSION_AFFINITY_KEY" }])
    );
    let envoy = started(&written, "app", 3).await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        let reply = fetch(&envoy, "").await;
        assert_eq!(reply.header("x-affinity-endpoint"), None);
        sessions.push((reply.cookie_pair("GCLB").unwrap().to_owned(), reply.pod));
    }
    assert_eq!(sessions.iter().map(|(_, pod)| pod).collect::<BTreeSet<_>>().len(), 3);
    for (cookie, pod) in &sessions {
        let reply = fetch(&envoy, cookie).await;
        assert_eq!((&reply.pod, reply.set_cookies.len()), (pod, 0));
    }
    // Replaces the file by renaming, as the comment in the file says.
    let file = written.directory.path().join("endpoints/app.yaml");
    let mut endpoints = shipped::read(&file).unwrap();
    endpoints["version_info"] = json!("2");
    endpoints["resources"][0]["endpoints"][0]["lb_endpoints"].as_array_mut().unwrap().remove(0);
    xds::write(&file, endpoints.to_string()).unwrap();
    envoy.wait_for_stat("cluster.app.membership_total", |total| total == 2, SOON).await.unwrap();
    let deadline = Instant::now() + SOON;
    for (cookie, pod) in &sessions {
        let mut reply = fetch(&envoy, cookie).await;
        while pod == "pod-0" && reply.pod == *pod {
            assert!(Instant::now() < deadline, "workers learn of it");
            reply = fetch(&envoy, cookie).await;
        }
        assert_eq!(reply.pod == *pod, pod != "pod-0", "only its sessions move");
    }
}

#[tokio::test]
async fn no_request_fails_when_a_pod_is_gone() {
    let mut pods = pods(3);
    let arguments = ["--eds", "endpoints", "--endpoints", &given("app", &pods)];
    let written = convert_with(&configured(COOKIE), &arguments).written().await;
    let envoy = started(&written, "app", 3).await;
    let mut sessions = Vec::new();
    while sessions.len() < 10 {
        let reply = fetch(&envoy, "").await;
        if reply.pod == "pod-0" {
            sessions.push(reply.cookie_pair("GCLB").unwrap().to_owned());
        }
    }
    pods.remove(0).stop();
    for cookie in sessions {
        let moved = fetch(&envoy, &cookie).await;
        assert_ne!(moved.pod, "pod-0");
        let again = fetch(&envoy, moved.cookie_pair("GCLB").expect("the client is told")).await;
        assert_eq!((again.pod, again.set_cookies.len()), (moved.pod, 0));
    }
}

#[tokio::test]
async fn services_without_a_cookie_have_endpoints_too() {
    let [a, b] = [pods(2), pods(2)];
    let rules = rule("", &[path("/ip", "Prefix", "ip"), path("/", "Prefix", "none")]);
    let spec = "{sessionAffinity: {affinityType: CLIENT_IP}, healthCheck: {checkIntervalSec: 1}}";
    let manifests = all(&[
        stateful_set("ip", 2),
        stateful_set("none", 2),
        service_with_config("ip"),
        service("none"),
        backend_config("ip", spec),
        ingress(&format!("{{rules: [{rules}]}}")),
    ]);
    let (ip, none) = (given("ip", &a), given("none", &b));
    let arguments = ["--eds", "endpoints", "--endpoints", &ip, "--endpoints", &none];
    let written = convert_with(&manifests, &arguments).written().await;
    assert_eq!(written.filter_configuration()["keys"], json!(null), "there is no token to encrypt");
    let envoy = started(&written, "ip", 2).await;
    let mut met = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..40 {
        for (path, met) in ["/ip", "/"].iter().zip(&mut met) {
            let reply = Client::http1_fresh().fetch(&format!("{}{path}", envoy.url()), &[]).await.unwrap();
            assert_eq!((reply.status.as_u16(), reply.set_cookies.len()), (200, 0));
            met.insert(reply.pod);
        }
    }
    assert_eq!(met.map(|met| met.len()), [1, 2], "one client: one pod, and all pods");
    for (service, outcome) in [("ip", "hashed"), ("none", "none")] {
        let name = format!("wasmcustom.session_affinity.service.{service}.outcome.{outcome}");
        envoy.wait_for_stat(&name, |count| count == 40, Duration::from_secs(10)).await.unwrap();
    }
}

#[tokio::test]
async fn existing_files_stay_unchanged_unless_addresses_are_given() {
    let file = |directory: &Path| fs::read_to_string(directory.join("eds/app.yaml")).unwrap();
    let empty = convert_with(&configured(COOKIE), &["--eds", "eds"]).written().await;
    let listed = shipped::read(&empty.directory.path().join("eds/app.yaml")).unwrap();
    assert_eq!(listed["resources"][0]["endpoints"], json!([]));
    let warning = "warning: eds/app.yaml is written without an endpoint: Envoy answers 503";
    assert!(empty.said.contains(warning), "{}", empty.said);

    let Written { directory, .. } = empty;
    fs::write(directory.path().join("eds/app.yaml"), "# mine\n").unwrap();
    let again = run(directory, &["all.yaml", "--eds", "eds"], std::process::Stdio::null());
    assert!(
        again.succeeded && again.said.contains("note: eds/app.yaml exists and stays unchanged"),
        "{}",
        again.said
    );
    assert_eq!(file(again.directory.path()), "# mine\n");

    let arguments = ["all.yaml", "--eds", "eds", "--endpoints", "app=10.0.0.1,10.0.0.2:81"];
    let written = run(again.directory, &arguments, std::process::Stdio::null());
    assert!(written.said.contains("note: eds/app.yaml is written\n"), "{}", written.said);
    for address in ["{address: 10.0.0.1, port_value: 8080}", "{address: 10.0.0.2, port_value: 81}"] {
        assert!(file(written.directory.path()).contains(address));
    }
}

#[test]
fn endpoints_have_no_names() {
    let arguments = ["--eds", "eds", "--endpoints", "app=pod.example"];
    let conversion = convert_with(&configured(COOKIE), &arguments);
    assert!(!conversion.directory.path().join("eds").exists(), "nothing is written");
    let wanted = "--endpoints:1: error: pod.example is not an IP address: EDS allows only IP addresses; write an IP address";
    assert_eq!(conversion.errors(), [wanted]);
}
