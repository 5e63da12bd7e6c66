//! envoy/live-update.yaml and its two companions.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use harness::client::{self, Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::ecds::{DISCOVERY, SOON, eventually};
use crate::shipped_files::File;
use crate::workers::{Workers, assert_no_vm_failed};

const FILTER: &str = "live-update/filter.yaml";
const CLUSTERS: &str = "live-update/clusters.yaml";

/// filter.yaml with these backends, and a debug header that identifies the update.
fn filter(file: &File, backends: &Value, update: &str) -> Value {
    let mut filter = file.companion(FILTER);
    let plugin = filter.pointer_mut("/resources/0/typed_config/config/configuration/value").unwrap();
    plugin["backends"] = backends.clone();
    plugin["debugHeader"] = json!(update);
    filter
}

async fn served(workers: &Workers, update: &str) {
    eventually(update, async || {
        workers.fetch("/", &[]).await.iter().all(|reply| reply.headers.contains_key(update))
    })
    .await;
}

/// Begins sessions until one is on this pod. Returns the cookie of that session.
async fn session_on(envoy: &Envoy, pod: &str) -> String {
    for _ in 0..500 {
        let reply = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
        if reply.pod == pod {
            return reply.cookie_pair("GCLB").unwrap().to_owned();
        }
    }
    panic!("none of 500 sessions began on {pod}");
}

async fn fetch(envoy: &Envoy, cookie: &str) -> Reply {
    let reply = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    assert_eq!(reply.status, 200);
    reply
}

#[tokio::test]
async fn in_the_live_update_file_backends_come_and_go_as_its_comments_tell() {
    let file = File::load("live-update.yaml");
    let envoy = file.start().await;
    let workers = Workers::of(&envoy).await;
    let started = ["app-0", "app-1", "app-2"];
    let mut cookies = Vec::new();
    for pod in started {
        cookies.push(session_on(&envoy, pod).await);
    }
    let stay_but = async |gone: &str| {
        for (pod, cookie) in started.iter().zip(&cookies) {
            assert_eq!(fetch(&envoy, cookie).await.pod == *pod, *pod != gone, "{pod} without {gone:?}");
        }
    };
    let (_, mut socket) =
        client::websocket(&format!("{}/ws", envoy.url()), &[("cookie", cookies[0].as_bytes())])
            .await
            .unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "app-0");

    // app-3 is already in clusters.yaml. app-4 needs both steps.
    file.replace(FILTER, &filter(&file, &json!(["app-0", "app-1", "app-2", "app-3"]), "x-with-3"));
    served(&workers, "x-with-3").await;
    session_on(&envoy, "app-3").await;
    stay_but("").await;
    let new = Pod::start("app-4").unwrap();
    let mut clusters = file.companion(CLUSTERS);
    let mut cluster = clusters["resources"][0].clone();
    cluster["name"] = json!("app-4");
    cluster["load_assignment"]["cluster_name"] = json!("app-4");
    let address =
        cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address");
    address.unwrap()["port_value"] = json!(new.address().port());
    clusters["resources"].as_array_mut().unwrap().push(cluster);
    file.replace(CLUSTERS, &clusters);
    envoy.wait_for_stat("cluster_manager.active_clusters", |count| count == 5, SOON).await.unwrap();
    file.replace(FILTER, &filter(&file, &json!(["app-0", "app-1", "app-2", "app-3", "app-4"]), "x-with-4"));
    served(&workers, "x-with-4").await;
    session_on(&envoy, "app-4").await;
    stay_but("").await;

    // A draining backend keeps its sessions and gets no new ones.
    let drained = json!([{ "cluster": "app-0", "weight": 0 }, "app-1", "app-2", "app-3", "app-4"]);
    file.replace(FILTER, &filter(&file, &drained, "x-drained"));
    served(&workers, "x-drained").await;
    stay_but("").await;
    let client = Client::http1();
    for _ in 0..100 {
        assert_ne!(client.fetch(&envoy.url(), &[]).await.unwrap().pod, "app-0");
    }

    // Removed first from filter.yaml, then from clusters.yaml. Open requests on the backend continue.
    file.replace(FILTER, &filter(&file, &json!(["app-1", "app-2", "app-3", "app-4"]), "x-without-0"));
    served(&workers, "x-without-0").await;
    stay_but("app-0").await;
    clusters["resources"].as_array_mut().unwrap().remove(0);
    file.replace(CLUSTERS, &clusters);
    envoy.wait_for_stat("cluster_manager.active_clusters", |count| count == 4, SOON).await.unwrap();
    stay_but("app-0").await;
    socket.send("still there".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "app-0: still there");
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn in_the_live_update_file_what_envoy_cannot_accept_is_counted_and_changes_nothing() {
    let file = File::load("live-update.yaml");
    let envoy = file.start().await;
    let cookie = session_on(&envoy, "app-1").await;
    file.replace(FILTER, &filter(&file, &json!([]), "x-empty"));
    let rejected = format!("{DISCOVERY}.update_rejected");
    envoy.wait_for_stat(&rejected, |count| count == 1, SOON).await.unwrap();
    let mut clusters = file.companion(CLUSTERS);
    clusters["resources"][0]["type"] = json!("STATIC");
    clusters["resources"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        ["address"] = json!("a-name");
    file.replace(CLUSTERS, &clusters);
    envoy.wait_for_stat("cluster_manager.cds.update_rejected", |count| count == 1, SOON).await.unwrap();
    for _ in 0..10 {
        let reply = fetch(&envoy, &cookie).await;
        assert_eq!(reply.pod, "app-1");
        assert!(!reply.headers.contains_key("x-empty"));
    }
}

#[tokio::test]
async fn in_the_live_update_file_a_first_filter_that_is_refused_is_500_until_a_good_one_comes() {
    let file = File::load("live-update.yaml");
    let good = file.companion(FILTER);
    file.replace(FILTER, &filter(&file, &json!([]), "x-empty"));
    let envoy = file.start().await;
    let client = Client::http1();
    for _ in 0..5 {
        assert_eq!(client.fetch(&envoy.url(), &[]).await.unwrap().status, 500);
    }
    file.replace(FILTER, &good);
    eventually("a good filter serves", async || client.fetch(&envoy.url(), &[]).await.unwrap().status == 200)
        .await;
}

#[tokio::test]
async fn the_live_update_file_does_not_start_without_its_companions() {
    for companion in [FILTER, CLUSTERS] {
        let file = File::load("live-update.yaml");
        fs::remove_file(file.directory().join(companion)).unwrap();
        let log = Envoy::expect_refusal(&file.bootstrap).await.unwrap();
        assert!(log.contains(Path::new(companion).file_name().unwrap().to_str().unwrap()), "{log}");
    }
}

/// Kubernetes makes every file of a mounted `ConfigMap` a link through `..data`. An update is one rename of that link.
#[tokio::test]
async fn the_live_update_file_follows_a_config_map_mounted_as_its_directory() {
    let file = File::load("live-update.yaml");
    let mounted = file.directory().join("live-update");
    let publish = |version: &str| {
        symlink(version, mounted.join("..data_tmp")).unwrap();
        fs::rename(mounted.join("..data_tmp"), mounted.join("..data")).unwrap();
    };
    for version in ["..1", "..2"] {
        fs::create_dir(mounted.join(version)).unwrap();
        fs::copy(mounted.join("clusters.yaml"), mounted.join(version).join("clusters.yaml")).unwrap();
    }
    fs::copy(mounted.join("filter.yaml"), mounted.join("..1/filter.yaml")).unwrap();
    let updated = filter(&file, &json!(["app-3"]), "x-updated");
    fs::write(mounted.join("..2/filter.yaml"), updated.to_string()).unwrap();
    publish("..1");
    for name in ["clusters.yaml", "filter.yaml"] {
        fs::remove_file(mounted.join(name)).unwrap();
        symlink(Path::new("..data").join(name), mounted.join(name)).unwrap();
    }
    let envoy = file.start().await;
    let workers = Workers::of(&envoy).await;
    assert_ne!(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().pod, "app-3");
    publish("..2");
    served(&workers, "x-updated").await;
    assert_eq!(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().pod, "app-3");
}
