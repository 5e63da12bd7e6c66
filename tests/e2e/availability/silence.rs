//! Backends that accept no connection and send no error: packets to them are lost.

use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use harness::config;
use harness::envoy::Envoy;
use http::Method;
use serde_json::json;

use super::failover::bootstrap;
use super::fleet::{Fleet, SECOND, session_on, told};
use crate::support::{fetch_each, outcome, with_cookie};
use crate::workers::{Workers, assert_no_vm_failed};

/// The number of concurrent requests of a session, each on its own connection.
async fn at_once(envoy: &Envoy, cookie: &str, count: usize) -> Vec<Reply> {
    fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(cookie, count)).await
}

async fn fetch(envoy: &Envoy, cookie: &str) -> Reply {
    Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap()
}

/// Every worker moves the session to the same other backend.
async fn assert_moves(envoy: &Envoy, cookie: &str) {
    let workers = Workers::of(envoy).await;
    // Within a second, all workers act on what one worker learns.
    tokio::time::sleep(SECOND).await;
    let replies = workers.fetch("/", &[("cookie", cookie.as_bytes())]).await;
    for reply in &replies {
        assert_eq!((reply.status.as_u16(), &*outcome(reply)), (200, "repinned"));
        assert_eq!(reply.pod, replies[0].pod);
    }
}

#[tokio::test]
async fn three_attempts_to_connect_that_time_out_eject_a_backend() {
    let mut fleet = Fleet::start(3);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-1").await;
    fleet.fall_silent(1).await;
    for reply in at_once(&envoy, &cookie, 3).await {
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (503, "pinned"));
        assert!(reply.pod.ends_with("connection timeout"), "Envoy's own words: {}", reply.pod);
    }
    envoy.wait_for_log("app-1 ejected for 30 s", SECOND * 5).await.unwrap();
    assert_moves(&envoy, &cookie).await;
    assert_no_vm_failed(&envoy).await;
}

/// An Envoy whose route times out after 300 ms, long before a connection attempt does.
async fn impatient(fleet: &Fleet) -> Envoy {
    let mut route = config::default_route();
    route["route"]["timeout"] = json!("0.3s");
    let bootstrap = fleet.bootstrap().route(route).filter(&fleet.plugin(&json!({})));
    Envoy::start(&bootstrap.build()).await.unwrap()
}

/// A request that times out does not show whether the backend accepts connections.
#[tokio::test]
async fn a_request_that_times_out_on_a_connection_neither_counts_as_one_that_met_none_nor_ends_their_row() {
    let mut fleet = Fleet::start(3);
    let envoy = impatient(&fleet).await;
    let cookie = session_on(&envoy, "app-1").await;
    let refused = async || assert_eq!(fetch(&envoy, &cookie).await.status, 503);
    fleet.down(1);
    refused().await;
    refused().await;
    fleet.up(1);
    fleet.pod(1).freeze();
    for _ in 0..2 {
        assert_eq!(fetch(&envoy, &cookie).await.status, 504);
    }
    assert!(!envoy.log().contains("ejected"));
    fleet.down(1);
    refused().await;
    envoy.wait_for_log("app-1 ejected for 30 s", SECOND * 5).await.unwrap();
    assert_moves(&envoy, &cookie).await;
}

/// The backend received nothing, so a POST is as safe to repeat as a GET.
#[tokio::test]
async fn with_failover_a_request_that_cannot_connect_is_answered_elsewhere_and_three_eject_the_backend() {
    let mut fleet = Fleet::start(4);
    let envoy = Envoy::start(&bootstrap(&fleet, &json!({ "outlierDetection": {} }))).await.unwrap();
    let cookie = session_on(&envoy, "app-2").await;
    let other = session_on(&envoy, "app-2").await;
    let stays = session_on(&envoy, "app-3").await;
    fleet.fall_silent(2).await;
    let client = Client::http1();
    for method in [Method::GET, Method::POST, Method::GET] {
        let request = client.request(method.clone(), &envoy.url()).header("cookie", &cookie);
        let reply = Reply::to(request.body("four")).await.unwrap();
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "repinned"), "{method}");
        assert!(reply.cookie_pair("GCLB").is_some(), "{method}: a new token");
    }
    envoy.wait_for_log("app-2 ejected for 30 s", SECOND * 5).await.unwrap();
    assert_moves(&envoy, &other).await;
    assert_eq!(told(&fetch(&envoy, &stays).await), (200, "pinned".to_owned(), "app-3"));
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn with_reject_a_session_is_refused_while_its_backend_is_silent_and_goes_on_there_after() {
    let mut fleet = Fleet::start(3);
    let detection = json!({ "baseEjectionTimeSec": 5 });
    let fields = json!({ "onUnavailable": "REJECT", "rejectStatus": 410, "outlierDetection": detection });
    let envoy = fleet.envoy(&fields).await;
    let cookie = session_on(&envoy, "app-1").await;
    fleet.fall_silent(1).await;
    at_once(&envoy, &cookie, 3).await;
    envoy.wait_for_log("app-1 ejected for 5 s", SECOND * 5).await.unwrap();
    let until = async |status: u16| {
        let began = Instant::now();
        loop {
            let reply = fetch(&envoy, &cookie).await;
            assert!(reply.set_cookies.is_empty());
            if reply.status.as_u16() == status {
                break reply;
            }
            assert!(began.elapsed() < SECOND * 15, "{} {}", reply.status, outcome(&reply));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(outcome(&until(410).await), "rejected");
    fleet.up(1);
    assert_eq!(told(&until(200).await), (200, "pinned".to_owned(), "app-1"));
}
