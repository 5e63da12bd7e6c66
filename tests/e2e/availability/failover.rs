//! envoy/failover.yaml under load: a backend dies, and no user notices.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::chi_squared;
use harness::client::Client;
use harness::envoy::Envoy;
use harness::shipped::Shipped;
use serde_json::{Value, json};

use super::fleet::{Fleet, SECOND};
use super::load::{Load, PATIENCE, alone, users};
use super::record::{Move, Record};
use crate::shipped_files::plugin;
use crate::workers::assert_no_vm_failed;

/// As many users as the machine of a build server can carry.
pub const USERS: usize = 200;
/// A random spread is less even than this once in 10,000 runs.
const UNLIKELY: f64 = 0.0001;

/// The shipped file, with these fields in the filter's configuration.
pub fn bootstrap(fleet: &Fleet, fields: &Value) -> Value {
    adapted(&fleet.shipped(), fields)
}

/// The shipped file with pods at these addresses. A null field is left out.
pub fn adapted(shipped: &Shipped, fields: &Value) -> Value {
    let mut bootstrap = shipped.load("failover.yaml").unwrap();
    let plugin = plugin(&mut bootstrap);
    plugin["debugHeader"] = json!("x-debug");
    for (name, value) in fields.as_object().unwrap() {
        plugin[name] = value.clone();
    }
    plugin.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    // Longer than in the shipped file, so that a busy machine does not eject a backend.
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
        if !cluster["health_checks"].is_null() {
            cluster["health_checks"][0]["timeout"] = json!("3s");
        }
    }
    bootstrap
}

/// The connection manager of the file.
pub fn manager(bootstrap: &mut Value) -> &mut Value {
    bootstrap.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config").unwrap()
}

/// Health checks with this interval and timeout. Three in a row must fail, so that a busy machine does not eject a
/// backend.
pub fn checks(seconds: u32) -> Value {
    json!({
        "checkIntervalSec": seconds, "timeoutSec": seconds, "healthyThreshold": 1, "unhealthyThreshold": 3
    })
}

/// The shipped file, but with short ejections.
pub fn detection() -> Value {
    json!({ "outlierDetection": {
        "consecutiveLocalOriginFailure": 0, "consecutiveGatewayErrors": 5, "baseEjectionTimeSec": 5,
    } })
}

/// Runs `die` and later `revive` on one of four backends. Returns the whole record, the time of the loss, and the time
/// at which the filter reported it.
pub async fn death_and_return(
    fleet: &mut Fleet,
    envoy: &Envoy,
    die: impl Fn(&mut Fleet),
    revive: impl Fn(&mut Fleet),
) -> (Record, Duration, Duration) {
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    let death = load.now();
    die(fleet);
    let noticed = loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if envoy.log().contains("app-1 ejected for") {
            break load.now();
        }
        assert!(load.now() < death + PATIENCE, "nobody noticed");
    };
    // Wait until POSTs that the backend still received have timed out and all sessions have settled.
    load.go_on_for(2).await;
    tokio::time::sleep((noticed + SECOND).saturating_sub(load.now())).await;
    load.go_on_for(1).await;
    revive(fleet);
    let back = Instant::now();
    let client = Client::http1();
    while client.fetch(&envoy.url(), &[]).await.unwrap().pod != "app-1" {
        assert!(back.elapsed() < PATIENCE, "nobody begins a session there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!("noticed after {:?}, back after {:?}", noticed.saturating_sub(death), back.elapsed());
    load.go_on_for(2).await;
    let record = load.end().await;
    (record, death, noticed)
}

/// The sessions of `app-1` moved once, or twice if their requests were sent before the sessions had `settled`. The
/// sessions are spread over the other backends and do not move again. No other session moved or got a response from
/// another backend.
pub fn assert_moved_once(record: &Record, death: Duration, settled: Duration) {
    let homes = record.until(death).homes();
    assert_eq!(homes.len(), USERS);
    // Requests of one round run in parallel. One of them may return before another has moved the session.
    for answer in record.strayed() {
        assert!(homes[&answer.user] == "app-1" && answer.sent < settled, "{answer:#?}");
    }
    let mut moved_to: BTreeMap<&str, u64> = ["app-0", "app-2", "app-3"].map(|pod| (pod, 0)).into();
    let mut in_two_steps = 0;
    let moves = record.moves();
    for (user, answers) in record.by_user() {
        let moves = &moves[&user];
        if homes[&user] != "app-1" {
            assert!(moves.is_empty(), "user {user} of {}: {moves:#?}", homes[&user]);
            continue;
        }
        assert_no_bounce(user, moves, settled);
        let last = answers.last().unwrap();
        *moved_to.get_mut(last.body.as_str()).unwrap_or_else(|| panic!("user {user}: {last:?}")) += 1;
        in_two_steps += usize::from(moves.len() == 2);
    }
    let counts: Vec<u64> = moved_to.into_values().collect();
    let (requests, strayed) = (record.answers().len(), record.strayed().len());
    eprintln!(
        "{requests} requests; {counts:?} moved, {in_two_steps} in two steps; {strayed} did not at once"
    );
    assert!(chi_squared(&counts, &[1.0, 1.0, 1.0]) > UNLIKELY, "{counts:?}");
}

/// All these moves belong to a session that had one reason to move. Only requests in parallel with the first move may
/// move the session again, because not every worker knew the new backend yet.
pub fn assert_no_bounce(user: usize, moves: &[Move], settled: Duration) {
    let late = moves.iter().filter(|step| step.sent >= settled).count();
    assert!(moves.len() <= 2, "user {user} moved again and again: {moves:#?}");
    assert!(late == 0 || moves.len() == 1, "user {user} moved on after {settled:?}: {moves:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_killed_costs_no_get_and_moves_its_sessions_once() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let envoy = Envoy::start(&bootstrap(&fleet, &detection())).await.unwrap();
    let (record, death, _) =
        death_and_return(&mut fleet, &envoy, |fleet| fleet.down(1), |fleet| fleet.up(1)).await;
    for failure in record.failures() {
        assert!(failure.post && failure.had_been_sent(), "{failure:?}");
        assert!(failure.sent < death + SECOND, "{failure:?}");
    }
    assert_moved_once(&record, death, death + SECOND);
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_falls_silent_costs_no_get_and_moves_its_sessions_once() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let mut bootstrap = bootstrap(&fleet, &detection());
    // Prevents the test from waiting for a POST forever.
    let routes = &mut manager(&mut bootstrap)["route_config"]["virtual_hosts"][0]["routes"];
    routes[1]["route"]["timeout"] = json!("10s");
    let envoy = Envoy::start(&bootstrap).await.unwrap();
    let (record, death, noticed) =
        death_and_return(&mut fleet, &envoy, |fleet| fleet.pod(1).freeze(), |fleet| fleet.pod(1).thaw())
            .await;
    for failure in record.failures() {
        assert!(failure.post && failure.had_been_sent(), "{failure:?}");
        assert!(failure.sent < noticed + SECOND, "{failure:?} after it was noticed at {noticed:?}");
    }
    assert_moved_once(&record, death, noticed + SECOND);
    assert_no_vm_failed(&envoy).await;
}
