//! Pods and an Envoy in front of them.

use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

/// So many pods: `neg-demo-0`, `neg-demo-1` and so on, each a cluster of its own name.
pub fn pods(count: usize) -> Vec<Pod> {
    (0..count).map(|index| Pod::start(&format!("neg-demo-{index}")).unwrap()).collect()
}

/// The names of the pods' clusters, as a list of backends.
pub fn names(pods: &[Pod]) -> Value {
    pods.iter().map(Pod::name).collect()
}

/// A bootstrap with a cluster for each pod.
pub fn bootstrap(pods: &[Pod]) -> Bootstrap {
    pods.iter().fold(Bootstrap::new(), |bootstrap, pod| bootstrap.cluster(pod.name(), &[pod.address()]))
}

/// An Envoy with two workers and this plugin configuration in front of the pods.
pub async fn envoy(pods: &[Pod], plugin: &Value) -> Envoy {
    Envoy::start(&bootstrap(pods).filter(plugin).build()).await.unwrap()
}

/// A configuration with generated cookies over all pods, `session_affinity` merged into its `sessionAffinity`.
pub fn generated_cookie(pods: &[Pod], session_affinity: &Value) -> Value {
    let mut affinity = json!({ "affinityType": "GENERATED_COOKIE" });
    for (name, value) in session_affinity.as_object().unwrap() {
        affinity[name] = value.clone();
    }
    json!({ "sessionAffinity": affinity, "backends": names(pods), "debugHeader": "x-debug" })
}
