//! deploy/envoy-gateway: an Envoy as Envoy Gateway configures it, with the patches in the files.

mod generated;
mod patches;
pub mod types;

use std::net::SocketAddr;

use harness::config;
use harness::envoy::{Envoy, Options};
use harness::pod::Pod;
use serde_json::{Map, Value, json};

use crate::manifests::load;
use crate::safety::assert_safe;
use crate::sessions::{self, SECRET, begin, moves, stay};
use generated::Generated;
use types::{BootstrapType, EnvoyProxy};

fn objects() -> Vec<Value> {
    ["envoy-gateway/gateway.yaml", "envoy-gateway/session-affinity.yaml"]
        .iter()
        .flat_map(|file| load(file))
        .collect()
}

fn options() -> Options {
    Envoy::options().env("SESSION_AFFINITY_KEY", SECRET)
}

/// The bootstrap that represents the configuration from Envoy Gateway.
fn bootstrap(objects: &[Value], pods: &[Pod]) -> Value {
    let Generated { mut listener, routes, cluster } = Generated::from(objects, pods);
    patches::apply(objects, &mut listener);
    // Resources that Envoy Gateway sends by discovery are inline here.
    listener["address"] = config::socket_address(SocketAddr::from(([127, 0, 0, 1], 0)));
    let manager = &mut listener["default_filter_chain"]["filters"][0]["typed_config"];
    if objects.iter().any(|object| object["kind"] == "EnvoyPatchPolicy") {
        assert_safe(manager, &routes);
    }
    manager.as_object_mut().unwrap().remove("rds");
    manager["route_config"] = routes;
    let mut bootstrap = json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } });
    let (proxy, _) = generated::spec::<EnvoyProxy>(objects, "EnvoyProxy");
    let BootstrapType::Merge = proxy.bootstrap.r#type;
    let more: Map<String, Value> = serde_saphyr::from_str(&proxy.bootstrap.value).unwrap();
    assert!(more.keys().eq(["stats_config"]), "{more:?}");
    bootstrap.as_object_mut().unwrap().extend(more);
    bootstrap
}

#[tokio::test]
async fn behind_envoy_gateway_sessions_stay_on_their_pods_and_move_when_those_go() {
    let mut pods = sessions::pods(3);
    let bootstrap = bootstrap(&objects(), &pods);
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
async fn behind_envoy_gateway_the_counters_have_labels() {
    let pods = sessions::pods(1);
    let envoy = options().start(&bootstrap(&objects(), &pods)).await.unwrap();
    begin(&envoy, 1, 1).await;
    let counter = r#"session_affinity_outcome{service="default",outcome="assigned"}"#;
    assert!(sessions::metrics(&envoy, counter).await.contains(&format!("{counter} 1")));
}

#[tokio::test]
async fn without_the_patches_a_session_has_no_pod() {
    let objects: Vec<Value> =
        objects().into_iter().filter(|object| object["kind"] != "EnvoyPatchPolicy").collect();
    let pods = sessions::pods(3);
    let envoy = options().start(&bootstrap(&objects, &pods)).await.unwrap();
    let reply = sessions::fetch(&envoy, "").await;
    assert_eq!((reply.status.as_u16(), reply.set_cookies.len()), (200, 0));
}
