//! The configuration that Istio generates from its objects for a gateway, as of Istio 1.32: connection manager, routes,
//! clusters, and the filter of a `WasmPlugin`.

use std::path::Path;

use harness::pod::Pod;
use harness::{config, module_path};
use serde_json::{Map, Value, json};

use crate::manifests::{list, only};

/// The namespace of the files.
const NAMESPACE: &str = "default";

/// The configuration that Istio sends to the gateway.
pub struct Generated {
    /// The connection manager, without its routes.
    pub manager: Value,
    /// The route configuration.
    pub routes: Value,
    /// Every cluster of the routes.
    pub clusters: Vec<Value>,
    /// The filter of the `WasmPlugin`. The connection manager only contains its name.
    pub filter: Value,
}

impl Generated {
    /// The pods have their label `version`.
    pub fn from(objects: &[Value], pods: &[(&Pod, &str)]) -> Self {
        let service = only(objects, "VirtualService");
        let rule = &only(objects, "DestinationRule")["spec"];
        let subsets: Vec<&Value> = list(&rule["subsets"]).collect();
        let clusters = if subsets.is_empty() {
            vec![cluster("", rule, pods)]
        } else {
            let of = |subset: &&Value| {
                let version = subset["labels"]["version"].as_str().unwrap();
                let pods: Vec<_> = pods.iter().filter(|(_, label)| *label == version).copied().collect();
                cluster(subset["name"].as_str().unwrap(), rule, &pods)
            };
            subsets.iter().map(of).collect()
        };
        let routes: Vec<Value> = list(&service["spec"]["http"]).map(route).collect();
        Self {
            manager: manager(),
            routes: json!({
                "name": "http.8080",
                "virtual_hosts": [{ "name": "*:8080", "domains": ["*"], "routes": routes }],
            }),
            clusters,
            filter: filter(only(objects, "WasmPlugin")),
        }
    }

    /// Envoy reads the filter from this file, as it does from Istio's agent (ECDS).
    pub fn discover_from(&mut self, file: &Path) {
        self.manager["http_filters"][0] = json!({
            "name": self.filter["name"],
            "config_discovery": {
                "config_source": {
                    "path_config_source": { "path": file.display().to_string() },
                    "resource_api_version": "V3",
                    "initial_fetch_timeout": "0s",
                },
                "type_urls": [
                    "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                    "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                ],
            },
        });
    }
}

/// The filters of every stock Envoy. The filter of the `WasmPlugin` is at the position of a plugin without a phase.
fn manager() -> Value {
    let filter = |name: &str, kind: &str| {
        let typed = json!({ "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}") });
        json!({ "name": name, "typed_config": typed })
    };
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "outbound_0.0.0.0_8080",
        "use_remote_address": true,
        "normalize_path": true,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "http_filters": [
            Value::Null,
            filter("envoy.filters.http.grpc_stats", "grpc_stats.v3.FilterConfig"),
            filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
            filter("envoy.filters.http.cors", "cors.v3.Cors"),
            filter("envoy.filters.http.router", "router.v3.Router"),
        ],
    })
}

fn cluster_name(host: &str, port: u64, subset: &str) -> String {
    format!("outbound|{port}|{subset}|{host}.{NAMESPACE}.svc.cluster.local")
}

fn cluster(subset: &str, rule: &Value, pods: &[(&Pod, &str)]) -> Value {
    let policy = &rule["trafficPolicy"];
    let addresses: Vec<_> = pods.iter().map(|(pod, _)| pod.address()).collect();
    let mut cluster = config::cluster(&cluster_name(rule["host"].as_str().unwrap(), 80, subset), &addresses);
    cluster["lb_policy"] = policy["loadBalancer"]["simple"].clone();
    cluster["connect_timeout"] = policy["connectionPool"]["tcp"]["connectTimeout"].clone();
    cluster["circuit_breakers"] = json!({ "thresholds": [{ "max_retries": u32::MAX }] });
    let outlier = &policy["outlierDetection"];
    let enforced = |errors: &Value| if *errors == 0 { 0 } else { 100 };
    cluster["outlier_detection"] = json!({
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "split_external_local_origin_errors": outlier["splitExternalLocalOriginErrors"],
        "consecutive_local_origin_failure": outlier["consecutiveLocalOriginFailures"],
        "consecutive_gateway_failure": outlier["consecutiveGatewayErrors"],
        "enforcing_consecutive_gateway_failure": enforced(&outlier["consecutiveGatewayErrors"]),
        "consecutive_5xx": outlier["consecutive5xxErrors"],
        "enforcing_consecutive_5xx": enforced(&outlier["consecutive5xxErrors"]),
        "base_ejection_time": outlier["baseEjectionTime"],
        "max_ejection_percent": outlier["maxEjectionPercent"],
    });
    cluster
}

fn route(http: &Value) -> Value {
    let mut matching = json!({ "prefix": "/" });
    if let Some(method) = http["match"][0]["method"]["regex"].as_str() {
        let header = json!({ "name": ":method", "string_match": { "safe_regex": { "regex": method } } });
        matching["headers"] = json!([header]);
    }
    let name = |destination: &Value| {
        let host = destination["host"].as_str().unwrap();
        let subset = destination["subset"].as_str().unwrap_or_default();
        cluster_name(host, destination["port"]["number"].as_u64().unwrap(), subset)
    };
    let destinations: Vec<&Value> = list(&http["route"]).collect();
    let mut action = if let [only] = destinations[..] {
        json!({ "cluster": name(&only["destination"]) })
    } else {
        let weighted = destinations.iter().map(|destination| {
            json!({ "name": name(&destination["destination"]), "weight": destination["weight"] })
        });
        json!({ "weighted_clusters": { "clusters": weighted.collect::<Vec<_>>() } })
    };
    let previous = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
    action["timeout"] = http["timeout"].clone();
    action["retry_policy"] = json!({
        "retry_on": http["retries"]["retryOn"],
        "num_retries": http["retries"]["attempts"],
        "retry_host_predicate": [
            { "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": { "@type": previous } },
        ],
        "host_selection_retry_max_attempts": "5",
    });
    json!({ "name": http["name"], "match": matching, "route": action })
}

/// The filter of a `WasmPlugin`. The agent has already fetched its module.
fn filter(plugin: &Value) -> Value {
    // Istio first converts it to a TrafficExtension.
    let name = format!("{}~istio-translated-wasmplugin", plugin["metadata"]["name"].as_str().unwrap());
    let spec = &plugin["spec"];
    let mut values = Map::new();
    let mut host_keys = Vec::new();
    for variable in list(&spec["vmConfig"]["env"]) {
        if variable["valueFrom"] == "HOST" {
            host_keys.push(variable["name"].clone());
        } else {
            values.insert(variable["name"].as_str().unwrap().to_owned(), variable["value"].clone());
        }
    }
    assert_eq!(spec["failStrategy"], "FAIL_RELOAD");
    let config = json!({
        "name": format!("{NAMESPACE}.{name}"),
        "failure_policy": spec["failStrategy"],
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": spec["pluginConfig"].to_string(),
        },
        // Istio sets no vm_id.
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": module_path().unwrap() } },
            "environment_variables": { "host_env_keys": host_keys, "key_values": values },
        },
    });
    json!({
        "name": format!("extensions.istio.io/trafficextension/{NAMESPACE}.{name}"),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": config,
        },
    })
}
