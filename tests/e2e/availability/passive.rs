//! What requests themselves tell of a backend.

use std::time::Duration;

use harness::client::Client;
use serde_json::json;

use super::fleet::{Fleet, session_on, told};
use crate::support::outcome;
use crate::workers::{Workers, assert_no_vm_failed};

#[tokio::test]
async fn after_three_refused_requests_the_session_moves_for_good() {
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-1").await;
    let client = Client::http1();
    let fetch = async |cookie: &str| client.fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    fleet.down(1);
    for _ in 0..3 {
        let reply = fetch(&cookie).await;
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (503, "pinned"));
        assert!(reply.pod.contains("connect"), "Envoy's own words: {}", reply.pod);
        assert!(reply.set_cookies.is_empty());
    }
    let moved = fetch(&cookie).await;
    assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
    let new = moved.cookie_pair("GCLB").expect("a new token").to_owned();
    let stays = async || {
        let reply = fetch(&new).await;
        assert_eq!(told(&reply), (200, "pinned".to_owned(), &*moved.pod));
        assert!(reply.set_cookies.is_empty());
    };
    stays().await;
    fleet.up(1);
    stays().await;
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn what_one_worker_learns_the_other_acts_on_within_a_second() {
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-2").await;
    let workers = Workers::of(&envoy).await;
    fleet.down(2);
    let headers = [("cookie", cookie.as_bytes())];
    for _ in 0..3 {
        assert_eq!(workers.fetch_from(0, "/", &headers).await.status, 503);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for reply in workers.fetch("/", &headers).await {
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "repinned"));
    }
}
