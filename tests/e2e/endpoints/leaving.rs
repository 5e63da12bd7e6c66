//! A pod leaves, in every way in which a pod can leave: exactly its sessions move, once, and no GET fails.

use harness::client::Client;
use harness::config::{Bootstrap, stateful_session};
use harness::pod::{Pod, RefusingAddress};
use serde_json::json;

use super::fleet::{Fleet, Sessions, endpoint, endpoints, pin_endpoint, route_with_retries};
use crate::support::pods;

/// Enough sessions that each of four pods has some. One pod without a session happens once in ten million runs.
const SESSIONS: usize = 60;

fn with_retries(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.http_filter(stateful_session(false)).route(route_with_retries())
}

async fn begin(fleet: &Fleet) -> Sessions {
    let sessions = fleet.begin(SESSIONS).await;
    sessions.assert_all_stay(&fleet.envoy.url()).await;
    sessions
}

#[tokio::test]
async fn a_pod_that_eds_marks_unhealthy_or_draining_or_lists_no_more_loses_exactly_its_sessions() {
    let pods = pods(4);
    let mut fleet = Fleet::start(&endpoints(&pods), &pin_endpoint(), with_retries, |_| {}).await;
    let url = fleet.envoy.url();
    let mut sessions = begin(&fleet).await;
    let healthy = endpoints(&pods);
    for (index, health) in [(0, "UNHEALTHY"), (1, "DRAINING"), (2, "")] {
        let gone = pods[index].name();
        let probe = sessions.on(gone).clone();
        let mut endpoints = healthy.clone();
        if health.is_empty() {
            endpoints.remove(index);
        } else {
            endpoints[index] = endpoint(pods[index].address(), health);
        }
        fleet.publish(&endpoints).await;
        fleet.until_it_moves(&probe).await;
        sessions.assert_only_those_move(&url, gone).await;
        // When the pod is back, no session returns.
        fleet.publish(&healthy).await;
        sessions.assert_all_stay(&url).await;
    }
}

#[tokio::test]
async fn a_pod_that_is_killed_or_falls_silent_loses_exactly_its_sessions_and_no_get_fails() {
    let mut pods = pods(4);
    let fleet = Fleet::start(&endpoints(&pods), &pin_endpoint(), with_retries, |_| {}).await;
    let url = fleet.envoy.url();
    let mut sessions = begin(&fleet).await;
    let killed = pods.pop().unwrap();
    let name = killed.name().to_owned();
    killed.stop();
    sessions.assert_only_those_move(&url, &name).await;
    let silent = &pods[0];
    silent.freeze();
    sessions.assert_only_those_move(&url, silent.name()).await;
    silent.thaw();
    sessions.assert_all_stay(&url).await;
}

#[tokio::test]
async fn a_pod_that_fails_its_health_check_loses_exactly_its_sessions() {
    let pods = pods(4);
    let sick = &pods[1];
    // The health check uses another port, so that requests still succeed while the pod is unhealthy.
    let health = RefusingAddress::new().unwrap();
    let well = Pod::start_at("well", health.address()).unwrap();
    let mut endpoints = endpoints(&pods);
    endpoints[1]["endpoint"]["health_check_config"] = json!({ "port_value": health.address().port() });
    let fleet = Fleet::start(&endpoints, &pin_endpoint(), with_retries, |cluster| {
        cluster["health_checks"] = json!([{
            "http_health_check": { "path": "/" },
            "timeout": "10s",
            "interval": "0.05s",
            "no_traffic_interval": "0.05s",
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
        }]);
    })
    .await;
    let url = fleet.envoy.url();
    let mut sessions = begin(&fleet).await;
    let probe = sessions.on(sick.name()).clone();
    well.stop();
    fleet.until_it_moves(&probe).await;
    sessions.assert_only_those_move(&url, sick.name()).await;
    let _well = Pod::start_at("well", health.address()).unwrap();
    fleet.until_it_returns(&probe).await;
    sessions.assert_all_stay(&url).await;
}

#[tokio::test]
async fn a_pod_that_envoys_outlier_detection_ejects_loses_exactly_its_sessions() {
    let mut pods = pods(3);
    pods.push(Pod::obedient("failing").unwrap());
    let fleet = Fleet::start(&endpoints(&pods), &pin_endpoint(), with_retries, |cluster| {
        cluster["outlier_detection"] = json!({
            "consecutive_5xx": 3,
            "interval": "0.1s",
            "base_ejection_time": "60s",
            "max_ejection_percent": 50,
        });
    })
    .await;
    let url = fleet.envoy.url();
    let mut sessions = begin(&fleet).await;
    let probe = sessions.on("failing").clone();
    let client = Client::http1();
    for _ in 0..3 {
        let headers = [("cookie", probe.cookie.as_bytes()), ("x-answer-status", b"500")];
        assert_eq!(client.fetch(&url, &headers).await.unwrap().status, 500);
    }
    fleet.until_it_moves(&probe).await;
    sessions.assert_only_those_move(&url, "failing").await;
}
