//! Health checks of the filter's own: `healthCheck`.

use std::time::{Duration, Instant};

use harness::client::Client;
use harness::config;
use harness::envoy::Envoy;
use harness::pod::{Pod, RawPod, RefusingAddress, Request};
use serde_json::{Value, json};

use super::fleet::{Fleet, SECOND, session_on, told};
use crate::support::outcome;
use crate::workers::{Workers, assert_no_vm_failed};

/// Only health checks, every second.
fn only_checks(fields: &Value) -> Value {
    let mut checks = json!({ "checkIntervalSec": 1, "requestPath": "/healthz?full=1" });
    for (name, value) in fields.as_object().unwrap() {
        checks[name] = value.clone();
    }
    let off = json!({ "consecutiveLocalOriginFailure": 0 });
    json!({ "healthCheck": checks, "outlierDetection": off })
}

fn is_probe(request: &Request) -> bool {
    request.uri.path() == "/healthz"
}

/// How many probes have reached the pod.
fn probes(pod: &Pod) -> usize {
    pod.requests().iter().filter(|request| is_probe(request)).count()
}

/// Nobody asks the silent backend anything but the filter; every worker acts on what it finds.
#[tokio::test]
async fn a_silent_backend_is_found_by_probes_and_comes_back_by_probes() {
    let fleet = Fleet::start(3);
    let envoy = fleet.envoy(&only_checks(&json!({}))).await;
    let cookie = session_on(&envoy, "app-1").await;
    let workers = Workers::of(&envoy).await;
    fleet.pod(1).freeze();
    let frozen = Instant::now();
    envoy.wait_for_log("app-1 fails its health checks", SECOND * 20).await.unwrap();
    // Two checks have failed, each after its timeout of a second, and the last began a second after the first.
    assert!(frozen.elapsed() > SECOND, "found after {:?}", frozen.elapsed());
    tokio::time::sleep(SECOND).await;
    for reply in workers.fetch("/", &[("cookie", cookie.as_bytes())]).await {
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "repinned"));
    }

    fleet.pod(1).thaw();
    envoy.wait_for_log("app-1 passes its health checks", SECOND * 20).await.unwrap();
    tokio::time::sleep(SECOND).await;
    for reply in workers.fetch("/", &[("cookie", cookie.as_bytes())]).await {
        assert_eq!(told(&reply), (200, "pinned".to_owned(), "app-1"));
    }
    let probe = fleet.pod(0).requests().into_iter().find(is_probe).unwrap();
    assert_eq!(probe.uri.path_and_query().unwrap(), "/healthz?full=1");
    assert_eq!(probe.header("host"), [b"app-0"]);
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn one_worker_probes_for_all() {
    let fleet = Fleet::start(2);
    let config = fleet.bootstrap().filter(&fleet.plugin(&only_checks(&json!({})))).build();
    let envoy = Envoy::options().concurrency(8).start(&config).await.unwrap();
    Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    let began = Instant::now();
    tokio::time::sleep(SECOND * 4).await;
    for index in 0..2 {
        let count = probes(fleet.pod(index));
        let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
        assert!(count >= 2 && count <= most, "{count} probes in {:?}", began.elapsed());
    }
}

/// As at GKE: the application says itself that it is not well, with any other status.
#[tokio::test]
async fn anything_but_200_fails_a_check_and_three_in_a_row_take_it_out_where_so_configured() {
    let fleet = Fleet::start(1);
    let sick = RawPod::start(*b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
    let mut plugin = fleet.plugin(&only_checks(&json!({ "unhealthyThreshold": 3 })));
    plugin["backends"] = json!(["app-0", "sick"]);
    let bootstrap = fleet.bootstrap().cluster("sick", &[sick.address()]).filter(&plugin);
    let envoy = Envoy::start(&bootstrap.build()).await.unwrap();
    let cookie = session_on(&envoy, "").await;
    let client = Client::http1();
    while sick.requests().iter().filter(|head| head.starts_with(b"GET /healthz?full=1 ")).count() < 3 {
        let status = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap().status.as_u16();
        assert!(status == 204 || envoy.log().contains("sick fails its health checks"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    envoy.wait_for_log("sick fails its health checks", SECOND * 5).await.unwrap();
    tokio::time::sleep(SECOND).await;
    for _ in 0..20 {
        assert_eq!(client.fetch(&envoy.url(), &[]).await.unwrap().status, 200);
    }
}

/// Envoy's own health checks find it dead. A probe is refused by Envoy, and does not wait for its timeout.
#[tokio::test]
async fn a_probe_of_a_cluster_without_a_healthy_host_fails_at_once() {
    let fleet = Fleet::start(2);
    let gone = RefusingAddress::new().unwrap();
    let mut cluster = config::cluster("unhealthy", &[gone.address()]);
    cluster["health_checks"] = json!([{
        "tcp_health_check": {}, "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1,
    }]);
    let mut plugin = fleet
        .plugin(&only_checks(&json!({ "unhealthyThreshold": 1, "checkIntervalSec": 60, "timeoutSec": 30 })));
    plugin["backends"] = json!(["unhealthy", "app-0", "app-1"]);
    let envoy = Envoy::start(&fleet.bootstrap().cluster_json(cluster).filter(&plugin).build()).await.unwrap();
    envoy.wait_for_log("unhealthy fails its health checks", SECOND * 10).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let client = Client::http1();
    for _ in 0..30 {
        assert_eq!(client.fetch(&envoy.url(), &[]).await.unwrap().status, 200);
    }
    assert_no_vm_failed(&envoy).await;
}
