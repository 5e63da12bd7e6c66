//! A pod is lost under load, in every way in which a pod can be lost: no GET fails. Only the users of that pod move,
//! each of them once.

use std::net::SocketAddr;
use std::time::Duration;

use harness::client::Client;
use harness::config::{Bootstrap, stateful_session};
use harness::pod::{Pod, RefusingAddress};
use serde_json::json;

use super::fleet::{Fleet, endpoint, endpoints, pin_endpoint, route_with_retries};
use super::users::Users;
use crate::availability::load::alone;
use crate::ecds::eventually;
use crate::support::pods;
use crate::workers::assert_no_vm_failed;

/// Enough sessions that each of four pods has some. One pod without a session happens once in ten million runs.
const SESSIONS: usize = 60;
/// The number of sessions on each pod that send requests.
const USERS: usize = 5;
/// The number of responses that each user gets before and after a loss.
const ANSWERS: u64 = 10;

fn with_retries(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.http_filter(stateful_session(false)).route(route_with_retries())
}

/// Users that send requests to every pod of the fleet.
async fn users(fleet: &Fleet) -> Users {
    let users = Users::begin(&fleet.envoy.url(), &fleet.begin(SESSIONS).await.some_of_each(USERS));
    users.go_on_for(ANSWERS).await;
    users
}

/// After the loss, the pod's users move, and all users go on and stay on their pods.
async fn assert_only_those_move_once(fleet: &Fleet, users: Users, lost: &str) {
    users.go_on_until_none_is_on(lost).await;
    users.go_on_for(ANSWERS).await;
    let sessions = users.end_after_only_those_moved_once(lost).await;
    sessions.assert_all_stay(&fleet.envoy.url()).await;
    assert_no_vm_failed(&fleet.envoy).await;
}

/// The endpoint list shows the pod in this way, or omits it, and later shows it as before.
async fn eds_says(health: Option<&str>) {
    let _alone = alone().await;
    let pods = pods(4);
    let healthy = endpoints(&pods);
    let mut fleet = Fleet::start(&healthy, &pin_endpoint(), with_retries, |_| {}).await;
    let users = users(&fleet).await;
    let mut listed = healthy.clone();
    let lost = listed.remove(1);
    listed.extend(health.map(|health| endpoint(pods[1].address(), health)));
    fleet.publish(&listed).await;
    users.go_on_until_none_is_on(pods[1].name()).await;
    users.go_on_for(ANSWERS).await;
    // When the pod is back, no session returns.
    listed.truncate(3);
    listed.push(lost);
    fleet.publish(&listed).await;
    assert_only_those_move_once(&fleet, users, pods[1].name()).await;
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_eds_removes_move_once_and_no_get_fails() {
    eds_says(None).await;
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_eds_marks_unhealthy_move_once_and_no_get_fails() {
    eds_says(Some("UNHEALTHY")).await;
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_eds_marks_draining_move_once_and_no_get_fails() {
    eds_says(Some("DRAINING")).await;
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_is_killed_with_requests_in_flight_move_once_and_no_get_fails()
{
    let _alone = alone().await;
    let slow = |index: usize| {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Pod::slow_at(&format!("slow-{index}"), address, Duration::from_millis(300)).unwrap()
    };
    let mut pods: Vec<Pod> = (0..4).map(slow).collect();
    let fleet = Fleet::start(&endpoints(&pods), &pin_endpoint(), with_retries, |_| {}).await;
    let users = users(&fleet).await;
    let before = pods[1].requests().len();
    eventually("a request arrives", async || pods[1].requests().len() > before).await;
    pods.remove(1).stop();
    users.go_on_until_none_is_on("slow-1").await;
    let cut_off = "cluster.pods.upstream_cx_destroy_remote_with_active_rq";
    assert!(fleet.envoy.stat(cut_off).await.unwrap() > 0, "no request was in flight");
    assert_only_those_move_once(&fleet, users, "slow-1").await;
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_fails_its_health_check_move_once_and_no_get_fails() {
    let _alone = alone().await;
    let pods = pods(4);
    // The health check uses another port, so that requests still succeed while the pod is unhealthy.
    let health = RefusingAddress::new().unwrap();
    let well = Pod::start_at("well", health.address()).unwrap();
    let mut endpoints = endpoints(&pods);
    endpoints[1]["endpoint"]["health_check_config"] = json!({ "port_value": health.address().port() });
    let fleet = Fleet::start(&endpoints, &pin_endpoint(), with_retries, |cluster| {
        cluster["health_checks"] = json!([{
            "http_health_check": { "path": "/" },
            "timeout": "10s",
            "interval": "0.1s",
            "no_traffic_interval": "0.1s",
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
        }]);
    })
    .await;
    let users = users(&fleet).await;
    well.stop();
    assert_only_those_move_once(&fleet, users, pods[1].name()).await;
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_outlier_detection_ejects_move_once_and_no_get_fails() {
    let _alone = alone().await;
    let mut pods = pods(3);
    pods.push(Pod::obedient("failing").unwrap());
    // One failure ejects the pod, because successful requests of the users would reset the count.
    let fleet = Fleet::start(&endpoints(&pods), &pin_endpoint(), with_retries, |cluster| {
        cluster["outlier_detection"] =
            json!({ "consecutive_5xx": 1, "base_ejection_time": "300s", "max_ejection_percent": 50 });
    })
    .await;
    let sessions = fleet.begin(SESSIONS).await;
    let victim = sessions.on("failing").clone();
    let users = Users::begin(&fleet.envoy.url(), &sessions.some_of_each(USERS));
    users.go_on_for(ANSWERS).await;
    let headers = [("cookie", victim.cookie.as_bytes()), ("x-answer-status", b"500")];
    let reply = Client::http1().fetch(&fleet.envoy.url(), &headers).await.unwrap();
    assert_eq!((reply.status.as_u16(), &*reply.pod), (500, "failing"));
    assert_only_those_move_once(&fleet, users, "failing").await;
    assert_eq!(fleet.envoy.stat("cluster.pods.outlier_detection.ejections_active").await.unwrap(), 1);
}

#[tokio::test]
async fn under_load_the_sessions_of_a_pod_that_falls_silent_move_once_and_no_get_fails() {
    let _alone = alone().await;
    let pods = pods(4);
    let fleet = Fleet::start(&endpoints(&pods), &pin_endpoint(), with_retries, |_| {}).await;
    let users = users(&fleet).await;
    pods[1].freeze();
    assert_only_those_move_once(&fleet, users, pods[1].name()).await;
}
