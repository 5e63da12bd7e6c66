//! Clients that close the connection before the backend has responded.

use std::collections::BTreeMap;
use std::fs;

use harness::client::Client;
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::json;
use tokio::task::JoinSet;

use crate::ecds::{SOON, eventually};
use crate::endpoints::fleet::keys;
use crate::workers::{Workers, assert_no_vm_failed};

/// Aborted requests in each round.
const REQUESTS: usize = 200;
/// The length of the value that a request leaves in the memory of its stream.
const VALUE_LEN: usize = 4096;
/// After this many rounds, the VMs have the memory that a round needs.
const WARM_UP: usize = 4;
/// The number of rounds after which the VMs must not have more memory.
const ROUNDS: usize = 10;

/// The outcomes that Envoy has counted.
async fn outcomes(envoy: &Envoy) -> BTreeMap<String, u64> {
    const PREFIX: &str = "wasmcustom.session_affinity.service.default.outcome.";
    let stats = envoy.stats(PREFIX).await.unwrap();
    let outcomes = stats.into_iter().map(|(name, count)| (name[PREFIX.len()..].to_owned(), count));
    outcomes.filter(|(_, count)| *count > 0).collect()
}

/// Sends requests to which the backend never responds, each on its own connection. When all requests have arrived,
/// closes the connections and waits until Envoy has no request left. Half of the requests belong to the session of this
/// token.
async fn abort(envoy: &Envoy, pod: &Pod, token: &str) {
    pod.clear_requests();
    let mut requests = JoinSet::new();
    for index in 0..REQUESTS {
        let (url, token) = (format!("{}/silent", envoy.url()), token.to_owned());
        requests.spawn(async move {
            let token = if index % 2 == 0 { token.as_bytes() } else { b"no-envelope" };
            let headers = [("x-session", token), ("x-answer-after-ms", b"600000")];
            Client::http1().fetch(&url, &headers).await
        });
    }
    eventually("all requests arrive", async || pod.requests().len() == REQUESTS).await;
    requests.shutdown().await;
    envoy.wait_for_stat("http.http.downstream_rq_active", |active| active == 0, SOON).await.unwrap();
    envoy.wait_for_stat("cluster.silent.upstream_rq_active", |active| active == 0, SOON).await.unwrap();
}

/// The bytes of Wasm memory that the VMs of this process use. V8 reserves several GiB for each memory, and makes the
/// part accessible that the module has requested. That part is at the beginning.
fn wasm_memory(envoy: &Envoy) -> u64 {
    const RESERVED: u64 = 1 << 30;
    let maps = fs::read_to_string(format!("/proc/{}/maps", envoy.pid())).unwrap();
    let mappings: Vec<(u64, u64, &str)> = maps
        .lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            (start, end, &rest[..4])
        })
        .collect();
    let is_memory = |pair: &&[(u64, u64, &str)]| {
        let [(_, end, access), (start, reserved_end, reserved_access)] = **pair else {
            return false;
        };
        access == "rw-p" && reserved_access == "---p" && start == end && reserved_end - start > RESERVED
    };
    let sizes = mappings.windows(2).filter(is_memory).map(|pair| pair[0].1 - pair[0].0);
    sizes.sum()
}

#[tokio::test]
async fn each_aborted_request_counts_once_and_leaves_nothing_in_the_memory_of_the_vm() {
    let pod = Pod::obedient("silent").unwrap();
    let affinity = json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "x-session" } });
    let plugin = json!({ "sessionAffinity": affinity, "backends": ["silent"], "keys": keys() });
    // All connections of a round are opened at once, which fills the accept queue of the pod's listener.
    let mut cluster = config::cluster("silent", &[pod.address()]);
    cluster["connect_timeout"] = json!("20s");
    let bootstrap = Bootstrap::new().cluster_json(cluster).filter(&plugin);
    let envoy = Envoy::start(&bootstrap.build()).await.unwrap();
    let workers = Workers::of(&envoy).await;
    let value = "v".repeat(VALUE_LEN);
    let begin = format!("x-session: {value}");
    let first = workers.fetch_from(0, "/", &[("x-answer-header", begin.as_bytes())]).await;
    let token = first.header("x-session").unwrap();
    assert!(token.len() > VALUE_LEN, "{token}");

    for _ in 0..WARM_UP {
        abort(&envoy, &pod, &token).await;
    }
    let memory = wasm_memory(&envoy);
    assert!(memory > 0, "no mapping of the process looks like the memory of a VM");
    for _ in 0..ROUNDS {
        abort(&envoy, &pod, &token).await;
    }
    // The temporary memory of a round varies a little, because the system spreads the connections over the workers.
    let grown = wasm_memory(&envoy) - memory;
    let kept_if_leaked = u64::try_from(ROUNDS * REQUESTS / 2 * VALUE_LEN).unwrap();
    assert!(grown < kept_if_leaked / 4, "{grown} bytes more after {ROUNDS} rounds");

    // A worker passes all its counts to Envoy at once. If these two requests are counted, all requests are counted.
    let before = outcomes(&envoy).await["assigned"];
    for worker in 0..2 {
        workers.fetch_from(worker, "/", &[]).await;
    }
    let counted = async || outcomes(&envoy).await["assigned"] == before + 2;
    eventually("requests after the aborted ones are counted", counted).await;
    let aborted = u64::try_from((WARM_UP + ROUNDS) * REQUESTS / 2).unwrap();
    let all = async || {
        let outcomes = outcomes(&envoy).await;
        ["pinned", "invalid"].map(|outcome| outcomes.get(outcome).copied()) == [Some(aborted); 2]
    };
    eventually("each aborted request is counted, once", all).await;
    assert_no_vm_failed(&envoy).await;
}
