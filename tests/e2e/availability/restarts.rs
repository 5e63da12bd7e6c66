//! envoy/restarts.yaml: requests wait for their own backend while it restarts.

use std::time::Duration;

use harness::envoy::Envoy;

use super::failover::USERS;
use super::fleet::{Fleet, SECOND, session_on};
use super::load::{Load, alone, users};
use crate::support::outcome;
use crate::workers::assert_no_vm_failed;

/// How long a backend is away for a restart.
const RESTART: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_that_takes_1500_ms_for_each_backend_moves_no_session_and_costs_no_get() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let envoy = Envoy::start(&fleet.shipped().load("restarts.yaml").unwrap()).await.unwrap();
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    let before = load.now();
    for index in 0..4 {
        fleet.down(index);
        tokio::time::sleep(RESTART).await;
        fleet.up(index);
        load.go_on_for(1).await;
    }
    load.go_on_for(1).await;
    let record = load.end().await;
    for failure in record.failures() {
        assert!(failure.post && failure.had_been_sent(), "{failure:?}");
    }
    let homes = record.until(before).homes();
    for answer in record.answers().iter().filter(|answer| answer.is_good()) {
        assert_eq!(answer.body, homes[&answer.user], "{answer:?}");
    }
    assert!(record.moves().values().all(Vec::is_empty), "no session moves");
    assert_no_vm_failed(&envoy).await;
}

/// After the first request that waited in vain, the sessions move.
#[tokio::test]
async fn a_backend_that_does_not_come_back_is_left_after_one_request_waited_in_vain() {
    let mut fleet = Fleet::start(4);
    let mut bootstrap = fleet.shipped().load("restarts.yaml").unwrap();
    crate::shipped_files::plugin(&mut bootstrap)["debugHeader"] = "x-debug".into();
    let envoy = Envoy::start(&bootstrap).await.unwrap();
    let cookie = session_on(&envoy, "app-1").await;
    fleet.down(1);
    let client = harness::client::Client::http1();
    assert_eq!(client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap().status, 503);
    envoy.wait_for_log("app-1 ejected for 30 s", SECOND * 5).await.unwrap();
    let moved = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
}
