//! Active health checks by the filter: `healthCheck`.

use std::time::{Duration, Instant};

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::{Pod, RawPod, Request};
use harness::xds;
use serde_json::{Value, json};

use super::fleet::{Fleet, SECOND, session_on, told};
use crate::ecds::{Live, SOON, eventually};
use crate::support::outcome;
use crate::workers::{Workers, assert_no_vm_failed};

/// Only health checks, one per second.
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

/// Whether the filter sent this request, and no client.
fn is_sent_by_filter(request: &Request) -> bool {
    request.header("user-agent") == [b"session-affinity-health-check"]
}

/// The number of probes that reached the pod.
fn probes(pod: &Pod) -> usize {
    pod.requests().iter().filter(|request| is_probe(request)).count()
}

/// Only the filter sends requests to the silent backend. Every worker acts on the result.
#[tokio::test]
async fn a_silent_backend_is_found_by_probes_and_comes_back_by_probes() {
    let fleet = Fleet::start(3);
    let envoy = fleet.envoy(&only_checks(&json!({}))).await;
    let cookie = session_on(&envoy, "app-1").await;
    let workers = Workers::of(&envoy).await;
    fleet.pod(1).freeze();
    let frozen = Instant::now();
    envoy.wait_for_log("app-1 fails its health checks", SECOND * 20).await.unwrap();
    // Two checks have failed. Each took its timeout of one second, and the last one began one second after the first.
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

/// An update may change the path of the probes because the old path fails. Streams that go on for hours keep
/// the old configuration alive on their worker.
#[tokio::test]
async fn an_update_ends_the_probes_of_the_old_configuration_although_old_streams_go_on() {
    let fleet = Fleet::start(1);
    let on_path = |path: &str| fleet.plugin(&only_checks(&json!({ "requestPath": path })));
    let probes = |path: &str| {
        fleet
            .pod(0)
            .requests()
            .iter()
            .filter(|request| request.uri.path() == path && is_sent_by_filter(request))
            .count()
    };
    let mut live = Live::start(fleet.bootstrap(), &on_path("/old")).await;
    eventually("the old configuration probes", async || probes("/old") > 0).await;
    let _websockets = live.open_websockets().await;
    live.update(&on_path("/new")).await;
    eventually("the new configuration probes", async || probes("/new") > 0).await;
    let before = probes("/old");
    eventually("the new configuration probes four times", async || probes("/new") > 3).await;
    assert_eq!(probes("/old"), before);
}

/// Like GKE: any other status means that the application is unhealthy.
#[tokio::test]
async fn anything_but_200_fails_a_check_and_three_in_a_row_take_it_out_where_so_configured() {
    let fleet = Fleet::start(1);
    let sick = sick();
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

/// Envoy sends no probe to an unknown cluster.
#[tokio::test]
async fn a_probe_of_an_unknown_cluster_fails_at_once() {
    let fleet = Fleet::start(2);
    let mut plugin = fleet
        .plugin(&only_checks(&json!({ "unhealthyThreshold": 1, "checkIntervalSec": 60, "timeoutSec": 30 })));
    plugin["backends"] = json!(["nowhere", "app-0", "app-1"]);
    let envoy = Envoy::start(&fleet.bootstrap().filter(&plugin).build()).await.unwrap();
    envoy.wait_for_log("nowhere fails its health checks", SECOND * 25).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let client = Client::http1();
    for _ in 0..30 {
        assert_eq!(client.fetch(&envoy.url(), &[]).await.unwrap().status, 200);
    }
    assert_no_vm_failed(&envoy).await;
}

/// A backend that always fails its health checks, because it has no content.
fn sick() -> RawPod {
    RawPod::start(*b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap()
}

/// The listener of a bootstrap, as a discovery resource.
fn listener(bootstrap: &Value) -> Value {
    let mut listener = bootstrap["static_resources"]["listeners"][0].clone();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener
}

/// The old listener and its filter live on while the listener drains, here for ten minutes.
#[tokio::test]
async fn backends_that_a_listener_update_adds_are_probed_at_once() {
    let fleet = Fleet::start(2);
    let sick = sick();
    let bootstrap = |backends: Value| {
        let mut plugin = fleet.plugin(&only_checks(&json!({})));
        plugin["backends"] = backends;
        fleet.bootstrap().cluster("sick", &[sick.address()]).filter(&plugin).build()
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lds.json");
    let mut config = bootstrap(json!(["app-0", "app-1"]));
    xds::write(&file, xds::resources(&[listener(&config)])).unwrap();
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({ "id": "test", "cluster": "test" });
    config["dynamic_resources"]["lds_config"] = json!({
        "path_config_source": { "path": file.display().to_string() }, "resource_api_version": "V3",
    });
    let envoy = Envoy::options().argument("--drain-time-s").argument("600").start(&config).await.unwrap();
    eventually("the old listener's filter probes", async || probes(fleet.pod(1)) > 1).await;
    assert!(sick.requests().is_empty());

    let updated = bootstrap(json!(["app-0", "app-1", "sick"]));
    xds::write(&file, xds::resources(&[listener(&updated)])).unwrap();
    envoy.wait_for_stat("listener_manager.lds.update_success", |count| count == 2, SOON).await.unwrap();
    envoy.wait_for_log("sick fails its health checks", SECOND * 15).await.unwrap();
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn two_listeners_with_a_filter_of_the_same_name_probe_each_its_own_backends() {
    let fleet = Fleet::start(1);
    let sick = [sick(), sick()];
    let bootstrap = |name: &str| {
        let mut plugin = fleet.plugin(&only_checks(&json!({})));
        plugin["name"] = json!(name);
        plugin["backends"] = json!(["app-0", format!("sick-{name}")]);
        let clusters = ["sick-one", "sick-two"].into_iter().zip(&sick);
        clusters
            .fold(fleet.bootstrap(), |bootstrap, (name, pod)| bootstrap.cluster(name, &[pod.address()]))
            .filter(&plugin)
            .build()
    };
    let mut config = bootstrap("one");
    let mut other = bootstrap("two")["static_resources"]["listeners"][0].take();
    other["name"] = json!("other");
    config["static_resources"]["listeners"].as_array_mut().unwrap().push(other);
    let envoy = Envoy::start(&config).await.unwrap();
    for name in ["one", "two"] {
        let line = format!("service {name}: backend sick-{name} fails its health checks");
        envoy.wait_for_log(&line, SECOND * 15).await.unwrap();
    }
    assert_eq!(
        envoy.log().matches(" configured: ").count(),
        2,
        "a line for each filter, not for each worker"
    );
    assert_no_vm_failed(&envoy).await;
}

/// No probe reached the backend while it was down.
#[tokio::test]
async fn a_backend_that_restarts_between_two_probes_is_back_after_so_many_that_pass() {
    let mut fleet = Fleet::start(2);
    let checks = json!({ "checkIntervalSec": 1, "healthyThreshold": 3, "unhealthyThreshold": 10, "requestPath": "/healthz" });
    let fields = json!({ "healthCheck": checks, "outlierDetection": { "baseEjectionTimeSec": 300 } });
    let envoy = fleet.envoy(&fields).await;
    let cookie = session_on(&envoy, "app-1").await;
    eventually("its checks pass", async || probes(fleet.pod(1)) > 3).await;
    let client = Client::http1();
    fleet.down(1);
    for _ in 0..3 {
        assert_eq!(client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap().status, 503);
    }
    envoy.wait_for_log("app-1 ejected for 300 s", SECOND * 5).await.unwrap();
    fleet.up(1);
    let began = async || client.fetch(&envoy.url(), &[]).await.unwrap().pod == "app-1";
    eventually("sessions begin there again", began).await;
    // The ejection began with a tick of the filter's clock. A probe sent in that tick counts as well.
    let since = probes(fleet.pod(1));
    assert!(since >= 2, "after {since} probes");
    assert!(!envoy.log().contains("fails its health checks"));
}
