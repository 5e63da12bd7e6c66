//! What is measured side by side: the same pods and requests behind different filters.

use harness::config::{Bootstrap, cluster};
use harness::pod::Pod;
use serde_json::{Value, json};

/// One way to pin a session, or none.
pub struct Subject {
    /// How tables and plots call it.
    pub name: &'static str,
    /// Envoy's configuration.
    pub config: Value,
    /// Whether each request carries the cookie of the first response.
    pub pinned: bool,
}

const LUA: &str = r#"
function envoy_on_request(handle)
  local headers = handle:headers()
  local cookies = headers:get("cookie") or ""
  local backend = string.match(cookies, "GCLB=([%w-]+)")
  if backend == nil then
    backend = "neg-demo-" .. math.random(0, 2)
    handle:streamInfo():dynamicMetadata():set("affinity", "new", backend)
  end
  headers:replace("x-affinity-cluster", backend)
end
function envoy_on_response(handle)
  local metadata = handle:streamInfo():dynamicMetadata():get("affinity")
  if metadata ~= nil and metadata["new"] ~= nil then
    handle:headers():add("set-cookie", "GCLB=" .. metadata["new"] .. "; Path=/; HttpOnly; Max-Age=50")
  end
end
"#;

/// All subjects, the baseline first, then the one that costs are compared with.
pub fn all(pods: &[Pod]) -> Vec<Subject> {
    let subject = |name, config, pinned| Subject { name, config, pinned };
    vec![
        subject("no filter", one_cluster(pods, json!({})).build(), false),
        subject("stateful_session cookie (Envoy's own)", stateful_session(pods).build(), true),
        subject("ring-hash cookie (Envoy's own)", ring_hash(pods).build(), true),
        subject("Lua", lua(pods).build(), true),
        subject("NONE", ours(pods, &json!({ "affinityType": "NONE" }), false, true), false),
        subject("CLIENT_IP", ours(pods, &json!({ "affinityType": "CLIENT_IP" }), false, true), false),
        subject("pinned, without keys, detection off", ours(pods, &generated_cookie(), false, false), true),
        subject("pinned, detection off", ours(pods, &generated_cookie(), true, false), true),
        subject("pinned", ours(pods, &generated_cookie(), true, true), true),
        subject("new session", ours(pods, &generated_cookie(), true, true), false),
    ]
}

fn generated_cookie() -> Value {
    json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 1_209_600 })
}

fn clusters(pods: &[Pod]) -> Bootstrap {
    pods.iter().fold(Bootstrap::new(), |bootstrap, pod| bootstrap.cluster(pod.name(), &[pod.address()]))
}

fn ours(pods: &[Pod], affinity: &Value, keys: bool, detection: bool) -> Value {
    let names: Vec<&str> = pods.iter().map(Pod::name).collect();
    let mut plugin = json!({ "sessionAffinity": affinity, "backends": names });
    if keys {
        plugin["keys"] = json!([{ "id": "k1", "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }]);
    }
    if !detection {
        plugin["outlierDetection"] = json!({ "consecutiveLocalOriginFailure": 0 });
    }
    clusters(pods).filter(&plugin).build()
}

/// One cluster of all pods, and a route to it.
fn one_cluster(pods: &[Pod], extra: Value) -> Bootstrap {
    let addresses: Vec<_> = pods.iter().map(Pod::address).collect();
    let mut pool = cluster("pods", &addresses);
    let mut route = json!({ "cluster": "pods" });
    if let Value::Object(extra) = extra {
        for (name, value) in extra {
            match name.as_str() {
                "hash_policy" => route["hash_policy"] = value,
                _ => pool[name] = value,
            }
        }
    }
    Bootstrap::new()
        .cluster_json(pool)
        .route(json!({ "name": "app", "match": { "prefix": "/" }, "route": route }))
}

fn ring_hash(pods: &[Pod]) -> Bootstrap {
    let policy = json!([{ "cookie": { "name": "GCLB", "ttl": "1209600s", "path": "/" } }]);
    one_cluster(pods, json!({ "lb_policy": "RING_HASH", "hash_policy": policy }))
}

fn stateful_session(pods: &[Pod]) -> Bootstrap {
    one_cluster(pods, json!({})).http_filter(json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
            "session_state": {
                "name": "envoy.http.stateful_session.cookie",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
                    "cookie": { "name": "GCLB", "path": "/", "ttl": "1209600s" },
                },
            },
        },
    }))
}

fn lua(pods: &[Pod]) -> Bootstrap {
    clusters(pods).http_filter(json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": LUA },
        },
    }))
}
