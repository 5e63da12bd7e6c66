//! Plain clusters under load: which requests are refused, which sessions stay, and which sessions return.

use std::time::Duration;

use harness::envoy::Envoy;
use serde_json::json;

use super::failover::{USERS, assert_no_bounce, bootstrap, checks};
use super::fleet::{Fleet, SECOND};
use super::load::{Load, PATIENCE, alone, users};
use super::record::{Answer, Move, pods};
use crate::workers::assert_no_vm_failed;

/// How long a flapping backend stays up, and how long it stays down.
const FLAP: Duration = Duration::from_millis(300);

/// A service's count of an outcome.
async fn count(envoy: &Envoy, outcome: &str) -> u64 {
    envoy.stat(&format!("wasmcustom.session_affinity.service.default.outcome.{outcome}")).await.unwrap()
}

/// Waits until Envoy has logged this text.
async fn logged(envoy: &Envoy, line: &str) {
    envoy.wait_for_log(line, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_reject_only_the_sessions_of_a_dead_backend_are_refused_and_go_on_there_when_it_returns() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let reject = json!({
        "onUnavailable": "REJECT",
        "rejectStatus": 410,
        "outlierDetection": { "baseEjectionTimeSec": 5 },
        "healthCheck": checks(1),
    });
    let envoy = fleet.envoy(&reject).await;
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    let death = load.now();
    fleet.down(1);
    logged(&envoy, "app-1 ejected for").await;
    let noticed = load.now();
    logged(&envoy, "app-1 fails its").await;
    load.go_on_for(1).await;
    let returns = load.now();
    fleet.up(1);
    logged(&envoy, "app-1 passes its").await;
    let back = load.now() + SECOND;
    load.go_on_for(3).await;
    let record = load.end().await;

    let homes = record.until(death).homes();
    let mut refused = 0;
    for answer in record.answers() {
        if homes[&answer.user] != "app-1" {
            assert!(answer.is_good() && answer.body == homes[&answer.user], "{answer:?}");
        } else if answer.sent > noticed + SECOND && answer.done < returns {
            assert_eq!((answer.status, &*answer.outcome), (410, "rejected"), "{answer:?}");
        } else if answer.done < death || answer.sent > back {
            assert!(answer.is_good() && answer.body == "app-1", "{answer:?}");
        }
        assert!(answer.told.is_none() || answer.with.is_none(), "no session moves: {answer:?}");
        refused += u64::from(answer.status == 410);
    }
    assert!(refused > 0);
    // Counters lag by up to a second.
    let name = "wasmcustom.session_affinity.service.default.outcome.rejected";
    envoy.wait_for_stat(name, |rejected| rejected == refused, SECOND * 5).await.unwrap();
    assert_eq!(count(&envoy, "repinned").await, 0);
    assert_no_vm_failed(&envoy).await;
}

/// Goes down and up again every 300 ms.
async fn flap(envoy: &Envoy, fleet: &mut Fleet) {
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    let first = load.now();
    let mut ejected = None;
    for _ in 0..6 {
        fleet.down(1);
        tokio::time::sleep(FLAP).await;
        fleet.up(1);
        tokio::time::sleep(FLAP).await;
        if ejected.is_none() && envoy.log().contains("app-1 ejected for 30 s") {
            ejected = Some(load.now());
        }
    }
    let last = load.now();
    load.go_on_for(2).await;
    let record = load.end().await;
    let ejected = ejected.expect("it is ejected");
    assert!(!envoy.log().contains("app-1 answers again"));

    let homes = record.until(first).homes();
    for answer in record.strayed() {
        assert!(homes[&answer.user] == "app-1" && answer.sent < ejected + SECOND, "{answer:#?}");
    }
    let mut sessions_there = 0;
    let moves = record.moves();
    for (user, answers) in record.by_user() {
        let (home, moves) = (&homes[&user], &moves[&user]);
        if home == "app-1" {
            assert_no_bounce(user, moves, ejected + SECOND);
            let after: Vec<&Answer> = answers.iter().copied().filter(|answer| answer.sent > last).collect();
            assert!(!pods(&after).contains("app-1"), "user {user} is still there");
            sessions_there += 1;
        } else {
            assert!(moves.is_empty(), "user {user} of {home}: {moves:#?}");
        }
    }
    for failure in record.failures() {
        assert!(homes[&failure.user] == "app-1", "{failure:?}");
        assert!(failure.sent < ejected + SECOND, "{failure:?}");
    }
    let (requests, failures) = (record.answers().len(), record.failures().len());
    eprintln!("{requests} requests, {sessions_there} sessions moved, {failures} failures");
    assert_no_vm_failed(envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flapping_backend_is_ejected_and_no_session_bounces() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    flap(&envoy, &mut fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_failover_too_a_flapping_backend_is_ejected_and_no_session_bounces() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let envoy = Envoy::start(&bootstrap(&fleet, &json!({}))).await.unwrap();
    flap(&envoy, &mut fleet).await;
}

/// All backends go down at once and come back at once. No user sends a request during the return. Otherwise the first
/// backend to return would count as the only one.
async fn everything_down_and_up(envoy: &Envoy, fleet: &mut Fleet, has_noticed: &str, may_follow: bool) {
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    let death = load.now();
    for index in 0..4 {
        fleet.down(index);
    }
    let dead = load.now();
    for index in 0..4 {
        logged(envoy, &format!("app-{index} {has_noticed}")).await;
    }
    load.go_on_for(1).await;
    load.pause().await;
    let returning = load.now();
    for index in 0..4 {
        fleet.up(index);
    }
    if may_follow {
        // The backends count as unavailable until Envoy's own health checks have found them healthy.
        for index in 0..4 {
            let healthy = format!("cluster.app-{index}-own.membership_healthy");
            envoy.wait_for_stat(&healthy, |healthy| healthy == 3, PATIENCE).await.unwrap();
        }
    }
    load.resume();
    load.go_on_for(3).await;
    let record = load.end().await;

    for answer in record.answers() {
        if answer.sent > returning {
            assert!(answer.is_good() && answer.told.is_none() && !answer.strayed(), "{answer:?}");
        } else if answer.sent > dead {
            assert_eq!((answer.status, &answer.told), (503, &None), "{answer:?}");
            assert!(answer.body.starts_with("upstream connect error"), "Envoy's own reason: {answer:?}");
        }
    }
    for (user, moves) in record.moves() {
        // While some backends are still up, they serve the sessions of the others.
        let while_dying = |step: &Move| may_follow && step.sent < dead && step.done > death;
        assert!(moves.iter().all(while_dying), "user {user}: {moves:#?}");
    }
    assert_no_vm_failed(envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_backend_is_down_envoy_says_why_and_sessions_are_where_they_were_when_all_return() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    everything_down_and_up(&envoy, &mut fleet, "ejected for", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_health_checks_too_sessions_are_where_they_were_when_all_return() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({ "healthCheck": checks(1) })).await;
    everything_down_and_up(&envoy, &mut fleet, "fails its health checks", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_failover_too_sessions_are_where_they_were_when_all_return() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    // Backends are to be ejected for Envoy's own replies while all backends are down.
    let detection = json!({ "consecutiveLocalOriginFailure": 3, "consecutiveGatewayErrors": 5 });
    let envoy = Envoy::start(&bootstrap(&fleet, &json!({ "outlierDetection": detection }))).await.unwrap();
    everything_down_and_up(&envoy, &mut fleet, "ejected for", true).await;
}
