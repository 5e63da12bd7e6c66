//! What there is without this repository.

use anyhow::Result;
use harness::config::Bootstrap;
use serde_json::{Value, json};

use super::{Behaviour, Kind, NO_FILTER, REFERENCE, Subject, clusters, floor, noop, one_cluster};
use crate::bench::backends::Backends;

/// Two weeks.
const TTL: &str = "1209600s";

/// A Lua filter that does the same job: it knows the backends, so that a client cannot name another cluster.
const LUA: &str = r#"
local backends = {"backend-0", "backend-1", "backend-2"}
local known = {}
for _, name in ipairs(backends) do known[name] = true end

function envoy_on_request(handle)
  local headers = handle:headers()
  local cookies = headers:get("cookie")
  local backend = cookies and string.match("; " .. cookies, "; GCLB=([^;]*)")
  if not known[backend] then
    backend = backends[math.random(#backends)]
    handle:streamInfo():dynamicMetadata():set("affinity", "new", backend)
  end
  headers:replace("x-affinity-cluster", backend)
end

function envoy_on_response(handle)
  local metadata = handle:streamInfo():dynamicMetadata():get("affinity")
  if metadata then
    handle:headers():add("set-cookie", "GCLB=" .. metadata["new"] .. "; Path=/; HttpOnly; Max-Age=1209600")
  end
end
"#;

pub(super) fn all(backends: &Backends) -> Result<Vec<Subject>> {
    Ok(vec![
        no_filter(backends),
        stateful_session(backends),
        ring_hash(backends),
        noop(backends)?,
        floor(backends)?,
        lua(backends),
    ])
}

/// The baseline.
pub fn no_filter(backends: &Backends) -> Subject {
    let bootstrap = to_pods(&json!({ "cluster": "pods" })).cluster_json(one_cluster(backends));
    Subject::new(NO_FILTER, Kind::Envoy, bootstrap, Behaviour::Stranger).quick()
}

/// Envoy's own filter.
pub fn stateful_session(backends: &Backends) -> Subject {
    let state = json!({
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
            "cookie": { "name": "GCLB", "path": "/", "ttl": TTL },
        },
    });
    let bootstrap = to_pods(&json!({ "cluster": "pods" }))
        .cluster_json(one_cluster(backends))
        .http_filter(stateful_session_filter(&state));
    Subject::new(REFERENCE, Kind::Envoy, bootstrap, Behaviour::Returning).quick()
}

/// The filter with this session state.
pub(super) fn stateful_session_filter(state: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
            "session_state": state,
        },
    })
}

fn ring_hash(backends: &Backends) -> Subject {
    let mut pods = one_cluster(backends);
    pods["lb_policy"] = "RING_HASH".into();
    let policy = json!([{ "cookie": { "name": "GCLB", "ttl": TTL, "path": "/" } }]);
    let bootstrap = to_pods(&json!({ "cluster": "pods", "hash_policy": policy })).cluster_json(pods);
    Subject::new("Envoy's ring hash, cookie", Kind::Envoy, bootstrap, Behaviour::Returning)
}

fn lua(backends: &Backends) -> Subject {
    let bootstrap = clusters(backends).http_filter(json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": LUA },
        },
    }));
    Subject::new("Lua filter, pinned", Kind::Other, bootstrap, Behaviour::Returning).quick()
}

fn to_pods(route: &Value) -> Bootstrap {
    Bootstrap::new().route(json!({ "name": "app", "match": { "prefix": "/" }, "route": route }))
}
