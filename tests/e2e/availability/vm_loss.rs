//! A VM that fails. Only a build of the filter made for this test can fail.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::workspace_root;
use serde_json::{Value, json};

use super::fleet::{Fleet, SECOND, session_on, told};
use crate::support::{fetch_each, outcome, with_cookie};
use crate::workers::{Workers, assert_no_vm_failed};

const TRAP: (&str, &[u8]) = ("x-trap", b"1");

/// The module that a request with the header kills: built by `cargo xtask test`, or built now.
fn trap_module() -> PathBuf {
    if let Some(path) = std::env::var_os("SESSION_AFFINITY_TRAP_WASM") {
        return path.into();
    }
    let mut build = Command::new(env!("CARGO"));
    let output = build.args(["xtask", "build", "--trap-for-tests"]).current_dir(workspace_root()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    workspace_root().join("target/session_affinity_trap.wasm")
}

async fn with_trap(fleet: &Fleet, fields: &Value) -> Envoy {
    let module = tokio::task::spawn_blocking(trap_module).await.unwrap();
    let config = fleet.bootstrap().filter(&fleet.plugin(fields)).module(module).build();
    Envoy::start(&config).await.unwrap()
}

/// Sends requests to the worker until it serves again.
async fn serves_again(workers: &Workers, worker: usize, cookie: &str) -> Reply {
    let began = Instant::now();
    loop {
        let reply = workers.fetch_from(worker, "/", &[("cookie", cookie.as_bytes())]).await;
        if reply.status == 200 {
            return reply;
        }
        // Envoy's reply while it has no VM.
        assert_eq!(reply.status, 503, "{}", reply.pod);
        assert!(began.elapsed() < SECOND * 5, "out of service for {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_worker_whose_vm_fails_serves_again_and_knows_sessions_and_dead_backends() {
    let mut fleet = Fleet::start(3);
    let keys = json!([{ "id": "k1", "secret": "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=" }]);
    let envoy = with_trap(&fleet, &json!({ "keys": keys })).await;
    let cookie = session_on(&envoy, "app-0").await;
    let lost = session_on(&envoy, "app-2").await;
    let workers = Workers::of(&envoy).await;
    fleet.down(2);
    for _ in 0..3 {
        assert_eq!(workers.fetch_from(0, "/", &[("cookie", lost.as_bytes())]).await.status, 503);
    }
    for round in 1..=3 {
        let failed = workers.fetch_from(1, "/", &[("cookie", cookie.as_bytes()), TRAP]).await;
        assert_eq!(failed.status, 503);
        let other = workers.fetch_from(0, "/", &[("cookie", cookie.as_bytes())]).await;
        assert_eq!(told(&other), (200, "pinned".to_owned(), "app-0"), "the other worker serves on");
        let again = serves_again(&workers, 1, &cookie).await;
        assert_eq!(told(&again), (200, "pinned".to_owned(), "app-0"));
        assert!(again.set_cookies.is_empty());
        let moved = workers.fetch_from(1, "/", &[("cookie", lost.as_bytes())]).await;
        assert_eq!(
            (moved.status.as_u16(), &*outcome(&moved)),
            (200, "repinned"),
            "it knows what others learnt"
        );
        let reloads = envoy.stats("wasm.").await.unwrap();
        let count = reloads.iter().find(|(name, _)| name.ends_with("vm_reload_success")).unwrap().1;
        assert_eq!(*count, round);
    }
}

/// This holds for whichever worker sent the probes before.
#[tokio::test]
async fn probing_goes_on_when_every_worker_loses_its_vm() {
    let fleet = Fleet::start(2);
    let envoy = with_trap(&fleet, &json!({ "healthCheck": { "checkIntervalSec": 1 } })).await;
    let cookie = session_on(&envoy, "app-1").await;
    let workers = Workers::of(&envoy).await;
    for reply in workers.fetch("/", &[TRAP]).await {
        assert_eq!(reply.status, 503);
    }
    fleet.pod(1).freeze();
    envoy.wait_for_log("app-1 fails its health checks", SECOND * 20).await.unwrap();
    for worker in 0..2 {
        let moved = serves_again(&workers, worker, &cookie).await;
        assert_eq!(told(&moved), (200, "repinned".to_owned(), "app-0"));
    }
}

#[tokio::test]
async fn the_module_that_is_shipped_knows_no_trap() {
    let fleet = Fleet::start(2);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-1").await;
    let requests = with_cookie(&cookie, 20).into_iter().map(|mut headers| {
        headers.push((TRAP.0, TRAP.1.to_vec()));
        headers
    });
    for reply in fetch_each(Client::http1_fresh, &envoy.url(), requests.collect()).await {
        assert_eq!(told(&reply), (200, "pinned".to_owned(), "app-1"));
    }
    assert_no_vm_failed(&envoy).await;
    let module = std::fs::read(harness::module_path().unwrap()).unwrap();
    assert!(!module.windows(TRAP.0.len()).any(|bytes| bytes == TRAP.0.as_bytes()));
}
