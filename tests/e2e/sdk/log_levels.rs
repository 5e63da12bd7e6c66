//! The level of Envoy's `wasm` logger, which operators change at run time. The SDK's enum has no value for Envoy's
//! "off".

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::json;
use tokio::task::JoinSet;

use crate::ecds::{SOON, eventually};
use crate::support::{bootstrap, generated_cookie, outcome, pods};
use crate::workers::{Workers, assert_no_vm_failed};

/// The counter of requests that belong to a session.
const PINNED: &str = "wasmcustom.session_affinity.service.default.outcome.pinned";
/// The counter of requests with an invalid token in the cookie.
const INVALID: &str = "wasmcustom.session_affinity.service.default.outcome.invalid";

/// Clients with a session each, which send requests until [`Self::end`].
struct Load {
    clients: JoinSet<()>,
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Load {
    /// This many clients. A client panics if it gets no response, or a response from a pod other than that of its
    /// session.
    fn start(envoy: &Envoy, count: usize) -> Self {
        let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..count).map(|_| {
            let (url, ends, answered) = (envoy.url(), Arc::clone(&ends), Arc::clone(&answered));
            async move {
                let client = Client::http1();
                let first = client.fetch(&url, &[]).await.unwrap();
                let cookie = first.cookie_pair("GCLB").unwrap();
                while !ends.load(Ordering::Relaxed) {
                    let reply = client.fetch_with_cookie(&url, cookie).await.unwrap();
                    assert_eq!((reply.status.as_u16(), &reply.pod), (200, &first.pod));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { clients: clients.collect(), ends, answered }
    }

    /// Returns the number of responses to requests of sessions.
    async fn end(mut self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// Waits until every worker logs its requests of this session. `since` is the length of the log before these requests.
async fn every_worker_logs(envoy: &Envoy, workers: &Workers, cookie: &str, since: usize) {
    let threads = || {
        let log = envoy.log();
        let lines = log[since..].lines().filter(|line| line.contains(": pinned to neg-demo-"));
        lines.filter_map(|line| Some(line.split(']').nth(1)?.to_owned())).collect::<BTreeSet<_>>().len()
    };
    eventually("every worker logs its requests", async || {
        workers.fetch("/", &[("cookie", cookie.as_bytes())]).await;
        threads() == 2
    })
    .await;
}

/// Begins a session.
async fn session(workers: &Workers) -> String {
    workers.fetch_from(0, "/", &[]).await.cookie_pair("GCLB").expect("a session begins").to_owned()
}

/// Waits for a tick of each worker. On a tick a worker adopts the level of the logger, and then passes its counts to
/// Envoy. Only this function sends requests that count as invalid.
async fn every_worker_ticks(envoy: &Envoy, workers: &Workers) {
    for worker in 0..2 {
        let before = envoy.stat(INVALID).await.unwrap();
        let reply = workers.fetch_from(worker, "/", &[("cookie", b"GCLB=x")]).await;
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "invalid"));
        envoy.wait_for_stat(INVALID, |count| count == before + 1, SOON).await.unwrap();
    }
}

#[tokio::test]
async fn the_log_level_changes_between_off_and_debug_while_every_request_is_answered() {
    let pods = pods(3);
    let plugin = generated_cookie(&pods, &json!({}));
    let envoy = Envoy::start(&bootstrap(&pods).filter(&plugin).build()).await.unwrap();
    let workers = Workers::of(&envoy).await;
    let cookie = session(&workers).await;
    for _ in 0..3 {
        envoy.admin_post("/logging?wasm=off").await.unwrap();
        every_worker_ticks(&envoy, &workers).await;
        let since = envoy.log().len();
        let load = Load::start(&envoy, 8);
        every_worker_ticks(&envoy, &workers).await;
        assert!(!envoy.log()[since..].contains("][wasm]"), "a line at off");

        // The requests continue.
        let since = envoy.log().len();
        envoy.admin_post("/logging?wasm=debug").await.unwrap();
        every_worker_logs(&envoy, &workers, &cookie, since).await;

        envoy.admin_post("/logging?wasm=off").await.unwrap();
        every_worker_ticks(&envoy, &workers).await;
        let since = envoy.log().len();
        every_worker_ticks(&envoy, &workers).await;
        assert!(load.end().await > 0);
        assert!(!envoy.log()[since..].contains("][wasm]"), "a line at off");
    }
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn a_filter_that_starts_while_the_log_level_is_off_serves_and_logs_once_the_level_is_debug() {
    let pods = pods(2);
    let plugin = generated_cookie(&pods, &json!({}));
    let options = Envoy::options().argument("--component-log-level").argument("wasm:off");
    let envoy = options.start(&bootstrap(&pods).filter(&plugin).build()).await.unwrap();
    let workers = Workers::of(&envoy).await;
    let cookie = session(&workers).await;
    let load = Load::start(&envoy, 8);
    envoy.wait_for_stat(PINNED, |count| count > 100, SOON).await.unwrap();
    assert!(!envoy.log().contains("][wasm]"), "a line at off");
    envoy.admin_post("/logging?wasm=debug").await.unwrap();
    every_worker_logs(&envoy, &workers, &cookie, 0).await;
    load.end().await;
    assert_no_vm_failed(&envoy).await;
}
