//! The backends of every subject.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::client::LOGIN;

/// Three listeners of another Envoy that respond by themselves, so that no measurement waits for a backend. Each
/// response contains the backend's name, and a session in the header `mcp-session-id`.
pub struct Backends {
    _envoy: Envoy,
    named: Vec<(String, SocketAddr)>,
}

const NAMES: [&str; 3] = ["backend-0", "backend-1", "backend-2"];

impl Backends {
    /// Starts the backends. They end with the returned value.
    pub async fn start() -> Result<Self> {
        let listeners: Vec<Value> = NAMES.iter().map(|name| listener(name)).collect();
        let config = json!({ "static_resources": { "listeners": listeners } });
        let options = Envoy::options().concurrency(1).log_level("error");
        let envoy = options.start(&config).await.context("the backends")?;
        let named = NAMES
            .iter()
            .map(|name| Ok(((*name).to_owned(), envoy.address(name).context("a listener without a port")?)))
            .collect::<Result<_>>()?;
        Ok(Self { _envoy: envoy, named })
    }

    /// The names of the backends.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }

    /// The addresses of the backends, in the order of their names.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.named.iter().map(|(_, address)| *address).collect()
    }
}

fn listener(name: &str) -> Value {
    let header = |key: &str, value: &str| json!({ "header": { "key": key, "value": value } });
    let route = json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 200, "body": { "inline_string": name } },
        "response_headers_to_add":
            [header("x-pod", name), header("mcp-session-id", "8f7a1c1e2b5d4f0e9c3b6a7d5e4f3c2b")],
    });
    let mut login = route.clone();
    login["match"]["headers"] = json!([{ "name": LOGIN, "present_match": true }]);
    login["response_headers_to_add"] =
        json!([header("x-pod", name), header("set-cookie", "SID=8f7a1c1e2b5d4f0e9c3b6a7d5e4f3c2b; Path=/")]);
    let routes = json!([login, route]);
    json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "route_config": { "virtual_hosts": [{ "name": name, "domains": ["*"], "routes": routes }] },
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    },
                }],
            },
        }] }],
    })
}
