//! Envoy bootstraps for tests, as JSON: clusters, one route, the filter, the router.

use std::net::SocketAddr;
use std::path::PathBuf;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

type Edit = Box<dyn FnOnce(&mut Value)>;

/// Builds a bootstrap with one listener, named `http`, on 127.0.0.1 at a port that the system chooses.
///
/// The bootstrap has a Wasm filter only if one of the `filter…` methods is called.
#[derive(Default)]
pub struct Bootstrap {
    clusters: Vec<Value>,
    routes: Vec<Value>,
    plugin: Option<Value>,
    module: Option<PathBuf>,
    environment: Map<String, Value>,
    after: Vec<Value>,
    hcm_edits: Vec<Edit>,
    edits: Vec<Edit>,
}

impl Bootstrap {
    /// A bootstrap without clusters. Without a call of [`Self::route`], it has the default route.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A static cluster of these endpoints without panic mode: an unhealthy endpoint gets no requests, even if all
    /// endpoints are unhealthy.
    #[must_use]
    pub fn cluster(self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.cluster_json(cluster(name, endpoints))
    }

    /// Any other cluster. [`cluster`] makes a cluster to start from.
    #[must_use]
    pub fn cluster_json(mut self, cluster: Value) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// The filter, with this configuration as JSON text in a `google.protobuf.StringValue`.
    #[must_use]
    pub fn filter(self, configuration: &Value) -> Self {
        self.filter_text(&configuration.to_string())
    }

    /// As [`Self::filter`], for text that may not be JSON.
    #[must_use]
    pub fn filter_text(mut self, configuration: &str) -> Self {
        self.plugin = Some(wrapped("StringValue", &json!(configuration)));
        self
    }

    /// The filter, with this configuration as `google.protobuf.Struct`, as people write it in YAML.
    #[must_use]
    pub fn filter_struct(mut self, configuration: &Value) -> Self {
        self.plugin = Some(wrapped("Struct", configuration));
        self
    }

    /// The filter, with these bytes as `google.protobuf.BytesValue`.
    #[must_use]
    pub fn filter_bytes(mut self, configuration: &[u8]) -> Self {
        self.plugin = Some(wrapped("BytesValue", &json!(BASE64.encode(configuration))));
        self
    }

    /// The filter without any configuration.
    #[must_use]
    pub fn filter_unconfigured(mut self) -> Self {
        self.plugin = Some(Value::Null);
        self
    }

    /// The module to load. Default: [`crate::module_path`].
    #[must_use]
    pub fn module(mut self, path: impl Into<PathBuf>) -> Self {
        self.module = Some(path.into());
        self
    }

    /// Variables of Envoy's own environment that Envoy passes to the VM.
    #[must_use]
    pub fn host_env_keys(mut self, names: &[&str]) -> Self {
        self.environment.insert("host_env_keys".to_owned(), json!(names));
        self
    }

    /// Variables of the VM, written into the configuration.
    #[must_use]
    pub fn env_key_values(mut self, variables: &[(&str, &str)]) -> Self {
        let values: Map<_, _> = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self.environment.insert("key_values".to_owned(), values.into());
        self
    }

    /// An HTTP filter between this filter and the router, such as `envoy.filters.http.stateful_session`.
    #[must_use]
    pub fn http_filter(mut self, filter: Value) -> Self {
        self.after.push(filter);
        self
    }

    /// Adds a route to the only virtual host. Without a route, the virtual host has the [`default_route`].
    #[must_use]
    pub fn route(mut self, route: Value) -> Self {
        self.routes.push(route);
        self
    }

    /// Changes the connection manager: trusted hops, `early_header_mutation_extensions`, access logs.
    #[must_use]
    pub fn hcm(mut self, edit: impl FnOnce(&mut Value) + 'static) -> Self {
        self.hcm_edits.push(Box::new(edit));
        self
    }

    /// Changes the finished bootstrap, after all other changes.
    #[must_use]
    pub fn edit(mut self, edit: impl FnOnce(&mut Value) + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// The bootstrap.
    ///
    /// # Panics
    /// If the filter's module is needed and has not been built.
    #[must_use]
    pub fn build(self) -> Value {
        let mut filters = Vec::new();
        if let Some(plugin) = self.plugin {
            let module = match self.module {
                Some(module) => module,
                None => crate::module_path().unwrap_or_else(|error| panic!("{error}")),
            };
            filters.push(wasm_filter(&module.display().to_string(), plugin, self.environment));
        }
        filters.extend(self.after);
        filters.push(router());
        let routes = if self.routes.is_empty() { vec![default_route()] } else { self.routes };
        let mut manager = http_connection_manager(&json!(filters), &json!(routes));
        for edit in self.hcm_edits {
            edit(&mut manager);
        }
        let mut bootstrap = json!({
            "admin": { "address": any_port() },
            "static_resources": {
                "listeners": [{
                    "name": "http",
                    "address": any_port(),
                    "filter_chains": [{ "filters": [{
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }] }],
                }],
                "clusters": self.clusters,
            },
        });
        for edit in self.edits {
            edit(&mut bootstrap);
        }
        bootstrap
    }
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("clusters", &self.clusters).finish_non_exhaustive()
    }
}

/// A static cluster without panic mode.
#[must_use]
pub fn cluster(name: &str, endpoints: &[SocketAddr]) -> Value {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|address| json!({ "endpoint": { "address": socket_address(*address) } }))
        .collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "common_lb_config": { "healthy_panic_threshold": { "value": 0 } },
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": endpoints }] },
    })
}

/// The route `app`: every path, to the cluster that the filter names.
#[must_use]
pub fn default_route() -> Value {
    json!({
        "name": "app",
        "match": { "prefix": "/" },
        "route": { "cluster_header": "x-affinity-cluster" },
    })
}

/// Envoy's filter that sends requests to the endpoint in `x-affinity-endpoint`, and names the answering endpoint in the
/// same header.
#[must_use]
pub fn stateful_session(strict: bool) -> Value {
    json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
            "strict": strict,
            "session_state": {
                "name": "envoy.http.stateful_session.header",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState",
                    "name": "x-affinity-endpoint",
                },
            },
        },
    })
}

/// An address in Envoy's form.
#[must_use]
pub fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn any_port() -> Value {
    socket_address(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn wrapped(message: &str, value: &Value) -> Value {
    json!({ "@type": format!("type.googleapis.com/google.protobuf.{message}"), "value": value })
}

fn wasm_filter(module: &str, configuration: Value, environment: Map<String, Value>) -> Value {
    let mut config = json!({
        "name": "session_affinity",
        "failure_policy": "FAIL_RELOAD",
        "reload_config": { "backoff": { "base_interval": "0.05s" } },
        "vm_config": {
            "vm_id": "session-affinity",
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": module } },
        },
    });
    if !configuration.is_null() {
        config["configuration"] = configuration;
    }
    if !environment.is_empty() {
        config["vm_config"]["environment_variables"] = environment.into();
    }
    json!({
        "name": "session_affinity",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": config,
        },
    })
}

fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    })
}

fn http_connection_manager(filters: &Value, routes: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "codec_type": "AUTO",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "http_filters": filters,
        "route_config": {
            "name": "routes",
            "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }],
        },
    })
}
