//! Envoy in front of three instances: with each pin, and without the filter.

use std::fs;
use std::net::SocketAddr;

use harness::config::{self, Bootstrap, stateful_session};
use harness::envoy::Envoy;
use harness::workspace_root;
use harness_browser::Certificate;
use serde_json::{Value, json};

/// The path of a page that shows the application in a frame.
pub const EMBEDDING: &str = "/embedding";

/// A way to pin sessions.
#[derive(Clone, Copy, Debug)]
pub enum Pin {
    /// Each instance is a backend.
    Cluster,
    /// All instances are endpoints of one cluster.
    Endpoint,
    /// Two versions of the application: one with two instances, the other with one.
    ClusterAndEndpoint,
}

/// The plugin configuration in docs/works-with.md under this heading.
pub fn recipe(heading: &str) -> Value {
    let page = fs::read_to_string(workspace_root().join("docs/works-with.md")).unwrap();
    let snippet = page.split_once(&format!("\n### {heading}\n")).and_then(|(_, section)| {
        let (_, rest) = section.split_once("```yaml\n")?;
        Some(rest.split_once("```")?.0.to_owned())
    });
    let snippet =
        snippet.unwrap_or_else(|| panic!("docs/works-with.md has no configuration under {heading}"));
    serde_saphyr::from_str(&snippet).unwrap_or_else(|error| panic!("{heading}: {error}"))
}

/// An Envoy with two workers in front of these instances. `recipe` is the plugin configuration, and `pin` replaces its
/// pin.
pub async fn with_filter(pin: Pin, recipe: &Value, instances: &[SocketAddr]) -> Envoy {
    start(filtered(pin, recipe, instances)).await
}

/// Like [`with_filter`], over HTTPS as `https://app.test`, with the page [`EMBEDDING`] on every other site.
pub async fn embedded(recipe: &Value, instances: &[SocketAddr], certificate: &Certificate) -> Envoy {
    let socket = certificate.transport_socket();
    let page = "<iframe></iframe><script>
        document.querySelector('iframe').src = 'https://app.test:' + location.port
    </script>";
    let page = json!({
        "match": { "path": EMBEDDING },
        "direct_response": { "status": 200, "body": { "inline_string": page } },
        "response_headers_to_add": [{ "header": { "key": "content-type", "value": "text/html" } }],
    });
    let bootstrap = filtered(Pin::Endpoint, recipe, instances).edit(move |bootstrap| {
        let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
        chain["transport_socket"] = socket;
        let manager = &mut chain["filters"][0]["typed_config"];
        let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array_mut().unwrap();
        routes.insert(0, page);
    });
    start(bootstrap).await
}

async fn start(bootstrap: Bootstrap) -> Envoy {
    let options =
        Envoy::options().env("SESSION_AFFINITY_KEY", "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=");
    options.start(&bootstrap.build()).await.unwrap()
}

fn filtered(pin: Pin, recipe: &Value, instances: &[SocketAddr]) -> Bootstrap {
    let mut plugin = recipe.clone();
    for field in ["pin", "backends"] {
        plugin.as_object_mut().unwrap().remove(field);
    }
    let by_filter = route(&json!({ "cluster_header": "x-affinity-cluster" }));
    let mut bootstrap = Bootstrap::new();
    match pin {
        Pin::Cluster => {
            let names: Vec<String> = (0..instances.len()).map(|index| format!("app-{index}")).collect();
            for (name, instance) in names.iter().zip(instances) {
                bootstrap = bootstrap.cluster_json(cluster(name, &[*instance]));
            }
            plugin["backends"] = json!(names);
            bootstrap = bootstrap.route(by_filter);
        }
        Pin::Endpoint => {
            plugin["pin"] = json!("ENDPOINT");
            bootstrap = bootstrap.cluster_json(cluster("app", instances)).route(route_to("app"));
            bootstrap = bootstrap.http_filter(stateful_session(false));
        }
        Pin::ClusterAndEndpoint => {
            plugin["pin"] = json!("CLUSTER_AND_ENDPOINT");
            plugin["backends"] =
                json!([{ "cluster": "blue", "weight": 2 }, { "cluster": "green", "weight": 1 }]);
            let (blue, green) = instances.split_at(2);
            bootstrap = bootstrap.cluster_json(cluster("blue", blue)).cluster_json(cluster("green", green));
            bootstrap = bootstrap.route(by_filter).http_filter(stateful_session(false));
        }
    }
    bootstrap.filter_struct(&plugin).host_env_keys(&["SESSION_AFFINITY_KEY"])
}

/// An Envoy with two workers and without the filter.
pub async fn without_filter(instances: &[SocketAddr]) -> Envoy {
    let bootstrap = Bootstrap::new().cluster_json(cluster("app", instances)).route(route_to("app"));
    Envoy::start(&bootstrap.build()).await.unwrap()
}

/// Fails if the filter's VM failed, or if the filter logged an error.
pub async fn assert_filter_is_well(envoy: &Envoy) {
    for (name, value) in envoy.stats("wasm.").await.unwrap() {
        let counts_vms = [".active", ".created", ".wasm_vm_count"].iter().any(|end| name.ends_with(end));
        assert!(counts_vms || value == 0, "{name} is {value}");
    }
    let log = envoy.log();
    let error =
        log.lines().find(|line| line.contains("][error][wasm]") || line.contains("][critical][wasm]"));
    assert_eq!(error, None);
}

/// A cluster whose connections Envoy closes after one idle second. Node.js closes them after five seconds, perhaps
/// while Envoy sends the next request. By default Envoy allows only three retries at the same time.
fn cluster(name: &str, endpoints: &[SocketAddr]) -> Value {
    let mut cluster = config::cluster(name, endpoints);
    cluster["circuit_breakers"] = json!({ "thresholds": [{ "max_retries": 1000 }] });
    cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": { "idle_timeout": "1s" },
        "explicit_http_config": { "http_protocol_options": {} },
    });
    cluster
}

fn route_to(cluster: &str) -> Value {
    route(&json!({ "cluster": cluster }))
}

/// A route for all paths, which retries on another instance if one refuses connections. A page that must be compiled on
/// a busy machine may take long.
fn route(action: &Value) -> Value {
    let mut action = action.clone();
    action["timeout"] = json!("60s");
    action["retry_policy"] = json!({
        "retry_on": "connect-failure,refused-stream",
        "num_retries": 2,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" },
        }],
        "host_selection_retry_max_attempts": 5,
    });
    json!({ "name": "app", "match": { "prefix": "/" }, "route": action })
}
