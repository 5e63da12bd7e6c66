//! 200 users send requests one after another as fast as the machine allows, and one backend is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::json;
use tokio::task::JoinSet;

use super::failover::{USERS, bootstrap};
use super::fleet::{Fleet, SECOND};
use super::load::alone;
use crate::workers::assert_no_vm_failed;

const RUNS: usize = 10;

/// The state that controls the users.
const GO_ON: u8 = 0;
const END: u8 = 1;

/// What one user observed.
struct Seen {
    /// The pods that served the user's session, in order.
    homes: Vec<String>,
    requests: usize,
    /// Responses that are not 200, or that come from a pod other than the session's pod.
    wrong: Vec<String>,
}

/// Begins a session and sends requests until the user is told to end.
async fn user(url: String, phase: Arc<AtomicU8>) -> Seen {
    let client = Client::http1();
    let first = client.fetch(&url, &[]).await.unwrap();
    let mut cookie = first.cookie_pair("GCLB").unwrap().to_owned();
    let mut seen = Seen { homes: vec![first.pod], requests: 1, wrong: Vec::new() };
    while phase.load(Ordering::Relaxed) == GO_ON {
        let reply = client.fetch_with_cookie(&url, &cookie).await.unwrap();
        seen.requests += 1;
        if let Some(new) = reply.cookie_pair("GCLB") {
            new.clone_into(&mut cookie);
            seen.homes.push(reply.pod.clone());
        }
        if reply.status != 200 || seen.homes.last() != Some(&reply.pod) {
            seen.wrong.push(format!("{} from {}", reply.status, reply.pod));
        }
    }
    seen
}

/// One of four backends is killed. Each of its sessions moves with the first request that reaches the dead backend. No
/// other session moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "goes on for a minute under load"]
async fn every_session_of_a_killed_backend_moves_exactly_once_and_no_get_fails() {
    let _alone = alone().await;
    for run in 1..=RUNS {
        let mut fleet = Fleet::start(4);
        let envoy = Envoy::start(&bootstrap(&fleet, &json!({}))).await.unwrap();
        let phase = Arc::new(AtomicU8::new(GO_ON));
        let mut users: JoinSet<Seen> = (0..USERS).map(|_| user(envoy.url(), Arc::clone(&phase))).collect();
        tokio::time::sleep(SECOND).await;
        fleet.down(1);
        tokio::time::sleep(SECOND * 2).await;
        phase.store(END, Ordering::Relaxed);
        let (mut moved, mut requests) = (0, 0);
        while let Some(seen) = users.join_next().await {
            let Seen { homes, requests: of_user, wrong } = seen.unwrap();
            assert_eq!(wrong, [""; 0], "run {run}: {homes:?}");
            let expected = usize::from(homes[0] == "app-1");
            assert_eq!(homes.len(), 1 + expected, "run {run}: {homes:?}");
            assert_ne!(homes[expected], "app-1", "run {run}: {homes:?}");
            moved += expected;
            requests += of_user;
        }
        assert!(moved > 0, "run {run}: no session was on the killed backend");
        assert_no_vm_failed(&envoy).await;
        eprintln!("run {run}: {requests} requests, {moved} of {USERS} sessions moved once");
    }
}
