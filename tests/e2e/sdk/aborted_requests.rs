//! Clients that close the connection before the backend has answered.

use std::collections::BTreeMap;
use std::fs;

use harness::client::Client;
use harness::config::Bootstrap;
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
/// A page of Wasm memory.
const PAGE: u64 = 64 * 1024;

/// The outcomes that Envoy has counted.
async fn outcomes(envoy: &Envoy) -> BTreeMap<String, u64> {
    const PREFIX: &str = "wasmcustom.session_affinity.service.default.outcome.";
    let stats = envoy.stats(PREFIX).await.unwrap();
    let outcomes = stats.into_iter().map(|(name, count)| (name[PREFIX.len()..].to_owned(), count));
    outcomes.filter(|(_, count)| *count > 0).collect()
}

/// Sends requests that the backend never answers, each on a connection of its own. When all have arrived, closes the
/// connections, and waits until Envoy has no request left. Half of the requests belong to the session of this token.
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

/// The bytes of Wasm memory that the VMs of this process use. V8 reserves some GiB for each memory, and makes
/// accessible what the module has asked for, which stands at the beginning.
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
    let envoy =
        Envoy::start(&Bootstrap::new().cluster("silent", &[pod.address()]).filter(&plugin).build()).await;
    let envoy = envoy.unwrap();
    let workers = Workers::of(&envoy).await;
    let value = "v".repeat(VALUE_LEN);
    let begin = format!("x-session: {value}");
    let begun = workers.fetch_from(0, "/", &[("x-answer-header", begin.as_bytes())]).await;
    let token = begun.header("x-session").unwrap();
    assert!(token.len() > VALUE_LEN, "{token}");

    let mut expected = outcomes(&envoy).await;
    // TODO
    for round in 0..12 {
        abort(&envoy, &pod, &token).await;
        eprintln!("{round} {} {:?}", wasm_memory(&envoy), outcomes(&envoy).await);
    }
    assert_no_vm_failed(&envoy).await;
}
