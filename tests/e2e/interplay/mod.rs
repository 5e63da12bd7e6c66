//! The filter together with other parts: Envoy's own replies, other filters, other cookies, caches, health checks.

mod applications;
mod caches;
mod cookies;
mod ejections;
mod grpc;
mod hiding;
mod host_names;
mod idle_timeout;
mod local_replies;
mod logs;
mod pools;
mod preflights;
mod probes;
mod refused;
mod rejections;
mod route_cache;
mod unserved;
mod upgrades;

use harness::client::{Client, Reply};
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ecds::{SOON, eventually};
use crate::support::outcome;

/// Two pods that respond as each request says.
fn obedient_pods() -> [Pod; 2] {
    ["app-0", "app-1"].map(|name| Pod::obedient(name).unwrap())
}

/// A consistent hash of the header `x-user` over `app-0` and `app-1`, with these additional fields of the service.
fn hashed(fields: &Value) -> Value {
    let affinity = json!({ "affinityType": "HEADER_FIELD", "header": { "name": "x-user" } });
    let mut plugin = json!({
        "sessionAffinity": affinity, "backends": ["app-0", "app-1"], "debugHeader": "x-debug",
    });
    for (name, value) in fields.as_object().unwrap() {
        plugin[name] = value.clone();
    }
    plugin
}

/// Makes every cluster use HTTP/2 to its endpoints.
fn over_http2(bootstrap: &mut Value) {
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
        speak_http2(cluster);
    }
}

/// Makes this cluster use HTTP/2 to its endpoints.
fn speak_http2(cluster: &mut Value) {
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        },
    });
}

/// A plain cluster for each pod. The cluster of `app-1` has these circuit breaker thresholds.
fn with_thresholds(pods: &[Pod], thresholds: &Value) -> Bootstrap {
    pods.iter().fold(Bootstrap::new(), |bootstrap, pod| {
        let mut cluster = config::cluster(pod.name(), &[pod.address()]);
        if pod.name() == "app-1" {
            cluster["circuit_breakers"] = json!({ "thresholds": [thresholds] });
        }
        bootstrap.cluster_json(cluster)
    })
}

/// A route to the cluster that the filter selects.
fn route(name: &str, prefix: &str) -> Value {
    json!({
        "name": name,
        "match": { "prefix": prefix },
        "route": { "cluster_header": "x-affinity-cluster" },
    })
}

/// A route with this name to a fixed cluster, independent of the filter. An empty name means no name.
fn route_to(cluster: &str, name: &str, prefix: &str) -> Value {
    json!({ "name": name, "match": { "prefix": prefix }, "route": { "cluster": cluster } })
}

/// A user whose key maps to this backend.
async fn user_of(client: &Client, envoy: &Envoy, pod: &str) -> String {
    for index in 0..100 {
        let user = format!("user-{index}");
        let reply = client.fetch(&envoy.url(), &[("x-user", user.as_bytes())]).await.unwrap();
        if reply.pod == pod {
            return user;
        }
    }
    panic!("none of a hundred users has {pod}");
}

/// Status and outcome.
fn told(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), outcome(reply))
}

/// Requests that get no response until this value is dropped.
struct Hanging {
    _requests: JoinSet<()>,
}

impl Hanging {
    /// This many requests of this user on the client's connection. Returns when the user's pod has received all of
    /// them.
    async fn start(client: &Client, envoy: &Envoy, user: &str, pod: &Pod, count: usize) -> Self {
        let request = || {
            let (client, url, user) = (client.clone(), format!("{}/hang", envoy.url()), user.to_owned());
            async move {
                let headers = [("x-user", user.as_bytes()), ("x-answer-after-ms", b"600000")];
                // A health check may take the place of a request for a moment.
                while client.fetch(&url, &headers).await.is_ok_and(|reply| reply.status == 503) {}
            }
        };
        let requests = (0..count).map(|_| request()).collect();
        let arrived = || pod.requests().iter().filter(|request| request.uri.path() == "/hang").count();
        eventually("all long requests arrive", async || arrived() == count).await;
        Self { _requests: requests }
    }

    /// Ends the requests. Returns when Envoy has no request to `app-1` any more.
    async fn end(self, envoy: &Envoy) {
        drop(self);
        envoy.wait_for_stat("cluster.app-1.upstream_rq_active", |active| active == 0, SOON).await.unwrap();
    }
}

/// The filter's warnings so far that contain all of these texts.
fn warnings(envoy: &Envoy, texts: &[&str]) -> Vec<String> {
    let log = envoy.log();
    let lines = log.lines().filter(|line| line.contains("[warning][wasm]"));
    lines.filter(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned).collect()
}
