//! Restarts of all backends, one after another, repeatedly.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::envoy::Envoy;
use serde_json::json;

use super::failover::{USERS, bootstrap};
use super::fleet::{Fleet, SECOND};
use super::load::{Load, alone, users};
use super::record::{Answer, Move};
use crate::workers::assert_no_vm_failed;

/// The duration in seconds.
const FOR: &str = "SESSION_AFFINITY_ROLL_SEC";

fn duration() -> Duration {
    let seconds = std::env::var(FOR).map_or(60, |text| text.parse().expect(FOR));
    Duration::from_secs(seconds)
}

/// A backend, and when it was down.
struct Down {
    name: String,
    from: Duration,
    until: Duration,
}

/// The session left a backend that had gone down, and had not been on that backend since. No session leaves a backend
/// more than once per downtime.
fn assert_each_had_to(user: usize, answers: &[&Answer], moves: &[Move], downs: &[Down]) {
    let mut round_of: BTreeMap<usize, u32> = BTreeMap::new();
    for step in moves {
        let there = answers
            .iter()
            .filter(|answer| answer.round < step.round && answer.is_good() && answer.body == step.from);
        let last_there = there.map(|answer| answer.sent).max().unwrap_or_default();
        let down = downs
            .iter()
            .rposition(|down| down.name == step.from && down.from < step.done && last_there < down.until);
        let down = down.unwrap_or_else(|| panic!("user {user} needlessly moved: {step:?} of {moves:#?}"));
        let round = *round_of.entry(down).or_insert(step.round);
        assert_eq!(round, step.round, "user {user} left {} twice: {moves:#?}", step.from);
    }
}

/// Each backend goes down for a second and comes back, then the next one, for a minute or the duration in the variable.
/// Only requests in flight on a killed backend that cannot be repeated are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute under load: cargo xtask test --soak"]
async fn rolling_restarts_cost_no_get_and_move_a_session_only_when_its_backend_goes_down() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(4);
    let fields = json!({ "outlierDetection": { "consecutiveLocalOriginFailure": 0, "consecutiveGatewayErrors": 5, "baseEjectionTimeSec": 1 } });
    let envoy = Envoy::start(&bootstrap(&fleet, &fields)).await.unwrap();
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    let end = Instant::now() + duration();
    let mut downs: Vec<Down> = Vec::new();
    while Instant::now() < end {
        for index in 0..4 {
            let from = load.now();
            fleet.down(index);
            tokio::time::sleep(SECOND).await;
            fleet.up(index);
            downs.push(Down { name: fleet.name(index).to_owned(), from, until: load.now() });
            // As in Kubernetes, which waits until a new pod is ready: the next backend waits for this one, and until no
            // request that reached the old pod is in flight.
            load.go_on_for(1).await;
        }
    }
    load.go_on_for(1).await;
    let record = load.end().await;

    for failure in record.failures() {
        assert!(failure.post && failure.had_been_sent(), "{failure:?}");
        let dying = |down: &Down| failure.sent < down.from + SECOND && failure.done > down.from;
        assert!(downs.iter().any(dying), "{failure:?}");
    }
    let by_user = record.by_user();
    let mut moves = 0;
    for (user, of_user) in record.moves() {
        moves += of_user.len();
        assert_each_had_to(user, &by_user[&user], &of_user, &downs);
    }
    let (requests, failures) = (record.answers().len(), record.failures().len());
    eprintln!("{requests} requests, {} restarts: {moves} moves, {failures} POSTs lost", downs.len());
    assert!(moves > 0);
    assert_no_vm_failed(&envoy).await;
}
