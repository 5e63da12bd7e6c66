//! deploy/istio: a gateway as Istio configures it, with the patches in the files.

mod generated;
mod metrics;
mod patches;

use std::path::Path;

use harness::envoy::{Envoy, Options};
use harness::pod::Pod;
use harness::{config, xds};
use serde_json::{Value, json};

use crate::manifests::{load, name};
use crate::safety::assert_safe;
use crate::sessions::{self, SECRET, begin, moves, stay};
use generated::Generated;

/// The objects in these files. An object in a later file replaces the same object in an earlier file.
fn applied(files: &[&str]) -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for object in files.iter().flat_map(|file| load(file)) {
        objects.retain(|earlier| name(earlier) != name(&object));
        objects.push(object);
    }
    objects
}

fn options() -> Options {
    Envoy::options().env("SESSION_AFFINITY_KEY", SECRET)
}

/// The bootstrap that represents the configuration from Istio. The gateway reads the filter by discovery, as from
/// Istio, from a file in this directory.
fn bootstrap(objects: &[Value], pods: &[(&Pod, &str)], directory: &Path) -> Value {
    let mut generated = Generated::from(objects, pods);
    let discovery = directory.join("filter.json");
    let filter = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": generated.filter["name"],
        "typed_config": generated.filter["typed_config"],
    });
    xds::write(&discovery, xds::resources(&[filter])).unwrap();
    generated.discover_from(&discovery);
    patches::apply(objects, &mut generated);
    let Generated { mut manager, routes, clusters, .. } = generated;
    if objects.iter().any(|object| object["kind"] == "EnvoyFilter") {
        assert_safe(&manager, &routes);
    }
    manager["route_config"] = routes;
    json!({
        "node": { "id": "gateway", "cluster": "gateway" },
        "static_resources": {
            "listeners": [{
                "name": "0.0.0.0_8080",
                "address": config::socket_address(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager,
                }] }],
            }],
            "clusters": clusters,
        },
    })
}

#[tokio::test]
async fn at_an_istio_gateway_sessions_stay_on_their_pods_and_move_when_those_go() {
    let objects = applied(&["istio/gateway.yaml", "istio/session-affinity.yaml"]);
    let mut pods = sessions::pods(3);
    let labelled: Vec<_> = pods.iter().map(|pod| (pod, "")).collect();
    let directory = tempfile::tempdir().unwrap();
    let bootstrap = bootstrap(&objects, &labelled, directory.path());
    assert_eq!(options().validate(&bootstrap).await, Ok(()));
    let envoy = options().start(&bootstrap).await.unwrap();
    let began = begin(&envoy, 60, 3).await;
    stay(&envoy, &began).await;
    sessions::long_answers_pass(&envoy).await;
    sessions::headers_of_clients_count_for_nothing(&envoy, &pods).await;

    let gone = pods.remove(0);
    let (on_gone, others): (Vec<_>, Vec<_>) =
        began.into_iter().partition(|session| session.pod == gone.name());
    gone.stop();
    for session in on_gone {
        moves(&envoy, &session).await;
    }
    stay(&envoy, &others).await;
}

#[tokio::test]
async fn at_an_istio_gateway_a_session_keeps_its_version_and_its_pod() {
    let objects = applied(&["istio/gateway.yaml", "istio/canary.yaml"]);
    let pods = sessions::pods(4);
    let labelled: Vec<_> = pods.iter().zip(["stable", "stable", "canary", "canary"]).collect();
    let directory = tempfile::tempdir().unwrap();
    let bootstrap = bootstrap(&objects, &labelled, directory.path());
    assert_eq!(options().validate(&bootstrap).await, Ok(()));
    let envoy = options().start(&bootstrap).await.unwrap();
    // By chance, the sessions miss one of the canary's pods with a probability of 2 × 0.95⁴⁰⁰, about 1 in 400 million.
    let began = begin(&envoy, 400, 4).await;
    stay(&envoy, &began).await;
    sessions::long_answers_pass(&envoy).await;
    sessions::headers_of_clients_count_for_nothing(&envoy, &pods).await;
    let on_canary = began.iter().filter(|session| [pods[2].name(), pods[3].name()].contains(&&*session.pod));
    // 40 are expected; 80 are more than six standard deviations away.
    assert!(on_canary.count() < 80);
}

#[tokio::test]
async fn without_the_patches_a_session_has_no_pod() {
    let objects = applied(&["istio/gateway.yaml", "istio/session-affinity.yaml"]);
    let objects: Vec<Value> = objects.into_iter().filter(|object| object["kind"] != "EnvoyFilter").collect();
    let pods = sessions::pods(3);
    let labelled: Vec<_> = pods.iter().map(|pod| (pod, "")).collect();
    let directory = tempfile::tempdir().unwrap();
    let envoy = options().start(&bootstrap(&objects, &labelled, directory.path())).await.unwrap();
    let reply = sessions::fetch(&envoy, "").await;
    assert_eq!((reply.status.as_u16(), reply.set_cookies.len()), (200, 0));
}
