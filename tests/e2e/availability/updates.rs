//! envoy/live-update.yaml under load: backends are added, drained and removed while users notice nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::failover::USERS;
use super::load::{Load, alone, users};
use crate::ecds::{SOON, eventually};
use crate::shipped_files::File;
use crate::workers::{Workers, assert_no_vm_failed};

const FILTER: &str = "live-update/filter.yaml";
const CLUSTERS: &str = "live-update/clusters.yaml";

/// A change of the configuration.
enum Change {
    /// The new list of backends: the cluster and weight of each.
    Backends(&'static [(&'static str, u32)]),
    /// A cluster is added.
    Add(&'static str),
    /// A cluster is removed.
    Remove(&'static str),
}

use Change::{Add, Backends, Remove};

const CHANGES: [Change; 20] = [
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1), ("app-3", 1)]),
    Add("app-4"),
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1), ("app-3", 1), ("app-4", 1)]),
    Backends(&[("app-0", 0), ("app-1", 1), ("app-2", 1), ("app-3", 1), ("app-4", 1)]),
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1), ("app-3", 1), ("app-4", 1)]),
    Backends(&[("app-4", 7), ("app-3", 1), ("app-2", 100), ("app-1", 3), ("app-0", 0)]),
    Backends(&[("app-0", 1), ("app-2", 1), ("app-3", 1), ("app-4", 1)]),
    Remove("app-1"),
    Add("app-1"),
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1), ("app-3", 1), ("app-4", 1)]),
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1), ("app-3", 1), ("app-4", 0)]),
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1), ("app-3", 1)]),
    Remove("app-4"),
    Add("app-5"),
    Backends(&[("app-5", 1), ("app-3", 1), ("app-2", 1), ("app-1", 1), ("app-0", 1)]),
    Backends(&[("app-5", 1), ("app-3", 1), ("app-2", 0), ("app-1", 1), ("app-0", 0)]),
    Backends(&[("app-5", 1), ("app-3", 1), ("app-2", 1), ("app-1", 1), ("app-0", 1)]),
    Backends(&[("app-5", 1), ("app-3", 1), ("app-1", 1)]),
    Backends(&[("app-5", 1), ("app-3", 1), ("app-2", 1), ("app-1", 1), ("app-0", 1)]),
    Backends(&[("app-0", 1), ("app-1", 1), ("app-2", 1)]),
];

/// Writes `filter.yaml` with this list. Returns when every worker uses the list.
async fn set_backends(file: &File, workers: &Workers, backends: &[(&str, u32)], version: usize) {
    let mark = format!("x-version-{version}");
    let mut filter = file.companion(FILTER);
    let plugin = filter.pointer_mut("/resources/0/typed_config/config/configuration/value").unwrap();
    plugin["debugHeader"] = json!(mark);
    plugin["backends"] =
        backends.iter().map(|(cluster, weight)| json!({ "cluster": cluster, "weight": weight })).collect();
    file.replace(FILTER, &filter);
    eventually(&mark, async || {
        workers.fetch("/", &[]).await.iter().all(|reply| reply.headers.contains_key(&mark))
    })
    .await;
}

/// Writes `clusters.yaml`. Returns when Envoy uses it.
async fn set_clusters(file: &File, envoy: &Envoy, clusters: &Value) {
    file.replace(CLUSTERS, clusters);
    let count = u64::try_from(clusters["resources"].as_array().unwrap().len()).unwrap();
    envoy.wait_for_stat("cluster_manager.active_clusters", |active| active == count, SOON).await.unwrap();
}

/// A cluster like the others.
fn cluster(like: &Value, name: &str, pod: &Pod) -> Value {
    let mut cluster = like.clone();
    cluster["name"] = json!(name);
    cluster["load_assignment"]["cluster_name"] = json!(name);
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    *cluster.pointer_mut(address).unwrap() = harness::config::socket_address(pod.address());
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute under load: cargo xtask test --soak"]
async fn twenty_updates_fail_no_request_and_move_only_the_sessions_of_removed_backends() {
    let _alone = alone().await;
    let file = File::load("live-update.yaml");
    let pods = ["app-1", "app-4", "app-5"].map(|name| Pod::start(name).unwrap());
    let mut clusters = file.companion(CLUSTERS);
    let like = clusters["resources"][0].clone();
    let envoy = file.start().await;
    let workers = Workers::of(&envoy).await;
    let mut listed = vec!["app-0", "app-1", "app-2"];
    let mut removed: Vec<(&str, Duration)> = Vec::new();
    let load = Load::begin(&envoy.url(), users(USERS)).await;
    load.go_on_for(1).await;
    for (version, change) in CHANGES.iter().enumerate() {
        let resources = clusters["resources"].as_array_mut().unwrap();
        match change {
            Backends(backends) => {
                let now: Vec<&str> = backends.iter().map(|(name, _)| *name).collect();
                removed
                    .extend(listed.iter().filter(|name| !now.contains(name)).map(|name| (*name, load.now())));
                listed = now;
                set_backends(&file, &workers, backends, version).await;
            }
            Add(name) => {
                let pod = pods.iter().find(|pod| pod.name() == *name).unwrap();
                resources.push(cluster(&like, name, pod));
                set_clusters(&file, &envoy, &clusters).await;
            }
            Remove(name) => {
                resources.retain(|cluster| cluster["name"] != *name);
                set_clusters(&file, &envoy, &clusters).await;
            }
        }
        load.go_on_briefly().await;
    }
    load.go_on_for(1).await;
    let record = load.end().await;
    assert!(record.failures().is_empty(), "{:?}", record.failures());
    assert!(record.strayed().is_empty(), "{:?}", record.strayed());
    let mut moves = 0;
    for (user, of_user) in record.moves() {
        let mut left: BTreeMap<usize, u32> = BTreeMap::new();
        for step in &of_user {
            let removal = removed
                .iter()
                .rposition(|(name, at)| *name == step.from && *at < step.done && step.sent < *at + SOON);
            let removal = removal.unwrap_or_else(|| panic!("user {user} needlessly moved: {of_user:#?}"));
            let round = *left.entry(removal).or_insert(step.round);
            assert_eq!(round, step.round, "user {user} left {} twice: {of_user:#?}", step.from);
        }
        moves += of_user.len();
    }
    eprintln!("{} requests, {moves} moves", record.answers().len());
    assert!(moves > 0, "removed backends had sessions");
    assert_no_vm_failed(&envoy).await;
}
