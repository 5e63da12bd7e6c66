//! Parts of Envoy configurations in pages. Each part is put into a bootstrap that a real Envoy validates.

use futures_util::{StreamExt as _, stream};
use harness::client::Client;
use harness::envoy::Envoy;
use harness::module_path;
use harness::pod::Pod;
use harness::shipped::Shipped;
use serde_json::{Map, Value, json};

use crate::page::{Page, pages};
use crate::plugin::{SECRET, VARIABLES, is_plugin_configuration};

/// The place of each field of a snippet.
enum Within {
    Bootstrap,
    StaticResources,
    ConnectionManager,
    VirtualHost,
    WasmConfig,
    Cluster,
    Endpoint,
}

fn belongs(field: &str) -> Option<Within> {
    Some(match field {
        "static_resources" | "admin" | "node" | "dynamic_resources" | "stats_config" => Within::Bootstrap,
        "clusters" | "listeners" => Within::StaticResources,
        "http_filters"
        | "route_config"
        | "early_header_mutation_extensions"
        | "use_remote_address"
        | "access_log"
        | "xff_num_trusted_hops" => Within::ConnectionManager,
        "routes" => Within::VirtualHost,
        "vm_config" | "configuration" | "capability_restriction_config" | "failure_policy" => {
            Within::WasmConfig
        }
        "common_lb_config"
        | "health_checks"
        | "circuit_breakers"
        | "outlier_detection"
        | "typed_extension_protocol_options" => Within::Cluster,
        "endpoint" | "metadata" => Within::Endpoint,
        _ => return None,
    })
}

/// The parts of a bootstrap that snippets change.
struct Parts {
    bootstrap: Map<String, Value>,
    static_resources: Map<String, Value>,
    manager: Map<String, Value>,
    routes: Value,
    wasm: Map<String, Value>,
    cluster: Map<String, Value>,
    endpoint: Map<String, Value>,
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => panic!("no object: {value}"),
    }
}

fn typed(kind: &str) -> String {
    format!("type.googleapis.com/{kind}")
}

impl Parts {
    fn new() -> Self {
        let any_port = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
        let wasm = json!({
            "name": "session_affinity",
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {},
            "configuration": {
                "@type": typed("google.protobuf.Struct"),
                "value": { "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": ["app"] },
            },
        });
        Self {
            bootstrap: fields(json!({ "admin": { "address": any_port } })),
            static_resources: Map::new(),
            manager: fields(json!({
                "@type": typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": "http",
            })),
            routes: json!([{ "match": { "prefix": "/" }, "route": { "cluster_header": "x-affinity-cluster" } }]),
            wasm: fields(wasm),
            cluster: fields(json!({ "name": "app", "type": "STRICT_DNS" })),
            endpoint: fields(json!({ "endpoint": { "address": any_port } })),
        }
    }

    /// Puts a snippet's fields into their places.
    fn put(mut self, snippet: Map<String, Value>, place: &str) -> Self {
        for (name, value) in snippet {
            let within =
                belongs(&name).unwrap_or_else(|| panic!("{place}: nobody knows where {name} belongs"));
            match within {
                Within::Bootstrap => self.bootstrap.insert(name, value),
                Within::StaticResources => self.static_resources.insert(name, value),
                Within::ConnectionManager => match (self.manager.get_mut(&name), value) {
                    (Some(Value::Object(there)), Value::Object(more)) => {
                        there.extend(more);
                        None
                    }
                    (_, value) => self.manager.insert(name, value),
                },
                Within::VirtualHost => Some(std::mem::replace(&mut self.routes, value)),
                Within::WasmConfig => self.wasm.insert(name, value),
                Within::Cluster => self.cluster.insert(name, value),
                Within::Endpoint => self.endpoint.insert(name, value),
            };
        }
        self
    }

    /// The bootstrap around the snippet.
    fn build(mut self) -> Value {
        if self.bootstrap.contains_key("static_resources") {
            return self.bootstrap.into();
        }
        let filters = self.manager.entry("http_filters").or_insert_with(|| json!([])).as_array_mut().unwrap();
        if !filters.iter().any(|filter| filter["name"] == "session_affinity") {
            filters.push(json!({
                "name": "session_affinity",
                "typed_config": {
                    "@type": typed("envoy.extensions.filters.http.wasm.v3.Wasm"), "config": self.wasm,
                },
            }));
        }
        let last = typed("envoy.extensions.filters.http.router.v3.Router");
        if !filters.iter().any(|filter| filter["typed_config"]["@type"] == *last) {
            filters.push(json!({ "name": "router", "typed_config": { "@type": last } }));
        }
        for filter in filters.iter_mut().filter(|filter| filter["name"] == "session_affinity") {
            let vm = &mut filter["typed_config"]["config"]["vm_config"];
            vm["runtime"] = json!("envoy.wasm.runtime.v8");
            vm["vm_id"] = json!("session-affinity");
            vm["code"] = json!({ "local": { "filename": module_path().unwrap() } });
        }
        let routes = self.manager.entry("route_config").or_insert_with(|| json!({}));
        if routes.get("virtual_hosts").is_none() {
            routes["virtual_hosts"] = json!([{ "name": "all", "domains": ["*"], "routes": self.routes }]);
        }
        let named = clusters_of(routes);
        let clusters = self.static_resources.entry("clusters").or_insert_with(|| json!([]));
        let clusters = clusters.as_array_mut().unwrap();
        self.cluster.insert(
            "load_assignment".to_owned(),
            json!({ "cluster_name": "app", "endpoints": [{ "lb_endpoints": [self.endpoint] }] }),
        );
        clusters.push(self.cluster.into());
        for name in named {
            if !clusters.iter().any(|cluster| cluster["name"] == *name) {
                clusters.push(json!({ "name": name, "type": "STATIC" }));
            }
        }
        self.static_resources.entry("listeners").or_insert_with(|| {
            json!([{
                "name": "http",
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager", "typed_config": self.manager,
                }] }],
            }])
        });
        self.bootstrap.insert("static_resources".to_owned(), self.static_resources.into());
        self.bootstrap.into()
    }
}

/// The clusters that routes name.
fn clusters_of(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(clusters_of).collect(),
        Value::Object(fields) => {
            let named = fields.get("cluster").and_then(Value::as_str).map(str::to_owned);
            named.into_iter().chain(fields.values().flat_map(clusters_of)).collect()
        }
        _ => Vec::new(),
    }
}

async fn verdict(bootstrap: &Value) -> Result<(), String> {
    let options = VARIABLES.iter().fold(Envoy::options(), |options, name| options.env(name, SECRET));
    options.validate(bootstrap).await
}

#[tokio::test]
async fn envoy_accepts_every_part_of_an_envoy_configuration_in_a_page() {
    let blocks = pages().iter().flat_map(Page::blocks).collect::<Vec<_>>();
    let checks = blocks.iter().filter_map(|block| {
        if block.language != "yaml" || block.not_run().is_some() {
            return None;
        }
        let snippet: Value = serde_saphyr::from_str(&block.text).unwrap();
        if is_plugin_configuration(&snippet) {
            return None;
        }
        let bootstrap = Parts::new().put(fields(snippet), &block.place).build();
        Some(async move { (&block.place, verdict(&bootstrap).await) })
    });
    // Each Envoy compiles the module on all cores.
    let verdicts: Vec<_> = stream::iter(checks).buffered(2).collect().await;
    for (place, verdict) in &verdicts {
        assert_eq!(*verdict, Ok(()), "{place}");
    }
    assert!(verdicts.len() >= 12, "{}", verdicts.len());
}

/// The additions in docs/envoy.md to the reader's configuration, with a pod for each backend.
#[tokio::test]
async fn the_four_changes_together_serve_two_services() {
    let names = ["shop-0", "shop-1", "api-0", "api-1"];
    let pods = names.map(|name| Pod::start(name).unwrap());
    let blocks = Page::read("docs/envoy.md").blocks();
    let changes = blocks.iter().filter(|block| block.language == "yaml").take(4);
    let mut parts = changes.fold(Parts::new(), |parts, block| {
        parts.put(fields(serde_saphyr::from_str(&block.text).unwrap()), &block.place)
    });
    let shown = parts.static_resources["clusters"][0].to_string();
    let clusters = names.map(|name| serde_json::from_str(&shown.replace("shop-0", name)).unwrap());
    parts.static_resources["clusters"] = Value::Array(clusters.to_vec());
    let mut bootstrap = parts.build();
    let hosts = pods
        .iter()
        .fold(Shipped::new(), |hosts, pod| hosts.host(&format!("{}.shop", pod.name()), pod.address()));
    hosts.host("127.0.0.1", pods[0].address()).rewrite(&mut bootstrap).unwrap();
    let envoy = Envoy::start(&bootstrap).await.unwrap();

    let first = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    assert!(first.pod.starts_with("shop-"), "{}", first.pod);
    let cookie = first.cookie_pair("GCLB").expect("a session begins").to_owned();
    for _ in 0..10 {
        let later = Client::http1().fetch(&envoy.url(), &[("cookie", cookie.as_bytes())]).await.unwrap();
        assert_eq!(later.pod, first.pod);
    }
    let api = Client::http1().fetch(&format!("{}/api", envoy.url()), &[]).await.unwrap();
    assert!(api.pod.starts_with("api-"), "{}", api.pod);
    assert_eq!(api.cookie_pair("GCLB"), None);
}

#[tokio::test]
async fn a_part_that_envoy_does_not_accept_would_be_found() {
    for (part, wrong) in [
        ("routes: [{name: a, match: {prefx: /}, route: {cluster: app}}]", "prefx"),
        ("http_filters: [{name: nobody, typed_config: {'@type': type.googleapis.com/a.B}}]", "a.B"),
        (
            "configuration: {'@type': type.googleapis.com/google.protobuf.Struct, value: {backend: [a]}}",
            "config error",
        ),
    ] {
        let snippet = fields(serde_saphyr::from_str(part).unwrap());
        let log = verdict(&Parts::new().put(snippet, part).build()).await.unwrap_err();
        assert!(log.contains(wrong), "{part}: {log}");
    }
}
