//! The configuration that Envoy Gateway generates from its objects, as of 1.9 with the name scheme V2: the listener,
//! the route configuration and the cluster, in Envoy's field names, as the patches see them.

use harness::pod::Pod;
use harness::{config, module_path};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::types::{
    BackendTrafficPolicy, ClientTrafficPolicy, EnvoyExtensionPolicy, LoadBalancerType, Trigger,
};
use crate::manifests::{list, only};

/// The namespace of the files.
const NAMESPACE: &str = "default";

/// The configuration that Envoy Gateway sends to its Envoy.
pub struct Generated {
    /// The listener.
    pub listener: Value,
    /// The route configuration.
    pub routes: Value,
    /// The cluster of the only route.
    pub cluster: Value,
}

/// The spec of the only object of this kind, and the object's name.
pub fn spec<Spec: DeserializeOwned>(objects: &[Value], kind: &str) -> (Spec, String) {
    let object = only(objects, kind);
    let spec = serde_json::from_value(object["spec"].clone()).unwrap();
    (spec, object["metadata"]["name"].as_str().unwrap().to_owned())
}

impl Generated {
    /// The Gateway has one listener, the `HTTPRoute` one rule.
    pub fn from(objects: &[Value], pods: &[Pod]) -> Self {
        let gateway = only(objects, "Gateway");
        let port = &gateway["spec"]["listeners"][0]["port"];
        let route = only(objects, "HTTPRoute");
        assert_eq!(route["spec"]["parentRefs"][0]["name"], gateway["metadata"]["name"]);
        let destination =
            format!("httproute/{NAMESPACE}/{}/rule/0", route["metadata"]["name"].as_str().unwrap());
        let (filter, name) = wasm_filter(objects);
        Self {
            listener: listener(objects, port, &filter),
            routes: routes(objects, route, port, &destination, &name),
            cluster: cluster(objects, &destination, pods),
        }
    }
}

/// The filter of the `EnvoyExtensionPolicy`, disabled until a route enables it, and its name.
fn wasm_filter(objects: &[Value]) -> (Value, String) {
    let (policy, policy_name) = spec::<EnvoyExtensionPolicy>(objects, "EnvoyExtensionPolicy");
    let wasm = &policy.wasm[0];
    let id = format!("envoyextensionpolicy/{NAMESPACE}/{policy_name}/wasm/0");
    let name = format!("envoy.filters.http.wasm/{id}");
    let filter = json!({
        "name": name,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": wasm.name,
                "vm_config": {
                    "vm_id": id,
                    "runtime": "envoy.wasm.runtime.v8",
                    // In Envoy Gateway the module is remote: Envoy Gateway's own server provides the module from the
                    // image.
                    "code": { "local": { "filename": module_path().unwrap() } },
                    "environment_variables": { "host_env_keys": wasm.env.host_keys },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": wasm.config.to_string(),
                },
            },
        },
    });
    (filter, name)
}

fn removals(names: &[String]) -> Value {
    names.iter().map(|name| json!({ "remove": name })).collect()
}

fn listener(objects: &[Value], port: &Value, wasm: &Value) -> Value {
    let (clients, _) = spec::<ClientTrafficPolicy>(objects, "ClientTrafficPolicy");
    let early = removals(&clients.headers.early_request_headers.remove);
    let late = removals(&clients.headers.late_response_headers.remove);
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": format!("http-{port}"),
        "rds": {
            "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
            "route_config_name": format!("http-{port}"),
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.header_mutation",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                    "mutations": { "response_mutations": late },
                },
            },
            wasm,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                },
            },
        ],
        "common_http_protocol_options": { "headers_with_underscores_action": "REJECT_REQUEST" },
        "early_header_mutation_extensions": [{
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": early,
            },
        }],
        "server_header_transformation": "PASS_THROUGH",
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": true,
        "stream_idle_timeout": clients.timeout.http.stream_idle_timeout,
    });
    json!({
        "name": format!("tcp-{port}"),
        "per_connection_buffer_limit_bytes": 32768,
        "default_filter_chain": {
            "name": format!("http-{port}"),
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }],
        },
    })
}

fn routes(objects: &[Value], route: &Value, port: &Value, destination: &str, filter: &str) -> Value {
    let (traffic, _) = spec::<BackendTrafficPolicy>(objects, "BackendTrafficPolicy");
    let rule = &route["spec"]["rules"][0];
    assert_eq!(rule["matches"][0]["path"], json!({ "type": "PathPrefix", "value": "/" }));
    let removed: Vec<&Value> =
        list(&rule["filters"]).flat_map(|filter| list(&filter["requestHeaderModifier"]["remove"])).collect();
    let triggers = traffic.retry.retry_on.triggers.iter().map(|trigger| match trigger {
        Trigger::ConnectFailure => "connect-failure",
        Trigger::RefusedStream => "refused-stream",
        Trigger::ResetBeforeRequest => "reset-before-request",
    });
    let previous = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
    let retry_policy = json!({
        "retry_on": triggers.collect::<Vec<_>>().join(","),
        "num_retries": traffic.retry.num_retries,
        "retry_host_predicate": [
            { "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": { "@type": previous } },
        ],
        "host_selection_retry_max_attempts": "5",
    });
    json!({
        "name": format!("http-{port}"),
        "ignore_port_in_host_matching": true,
        "virtual_hosts": [{
            "name": "*",
            "domains": ["*"],
            "routes": [{
                "name": format!("{destination}/match/0/*"),
                "match": { "prefix": "/" },
                "request_headers_to_remove": removed,
                "route": {
                    "cluster": destination,
                    "timeout": rule["timeouts"]["request"],
                    "retry_policy": retry_policy,
                    "upgrade_configs": [{ "upgrade_type": "websocket" }],
                },
                "typed_per_filter_config": {
                    filter: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} },
                },
            }],
        }],
    })
}

fn cluster(objects: &[Value], name: &str, pods: &[Pod]) -> Value {
    let (traffic, _) = spec::<BackendTrafficPolicy>(objects, "BackendTrafficPolicy");
    let addresses: Vec<_> = pods.iter().map(Pod::address).collect();
    let passive = &traffic.health_check.passive;
    let mut cluster = config::cluster(name, &addresses);
    cluster["common_lb_config"] =
        json!({ "healthy_panic_threshold": { "value": traffic.health_check.panic_threshold } });
    let LoadBalancerType::LeastRequest = traffic.load_balancer.r#type;
    cluster["load_balancing_policy"] = json!({ "policies": [{ "typed_extension_config": {
        "name": "envoy.load_balancing_policies.least_request",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
            "locality_lb_config": { "locality_weighted_lb_config": {} },
        },
    } }] });
    cluster["circuit_breakers"] = json!({ "thresholds": [{ "max_retries": 1024 }] });
    cluster["outlier_detection"] = json!({
        "split_external_local_origin_errors": passive.split_external_local_origin_errors,
        "consecutive_local_origin_failure": passive.consecutive_local_origin_failures,
        "consecutive_gateway_failure": passive.consecutive_gateway_errors,
        "consecutive_5xx": passive.consecutive_5xx_errors,
        "base_ejection_time": passive.base_ejection_time,
        "max_ejection_percent": passive.max_ejection_percent,
    });
    cluster["load_assignment"]["endpoints"][0]["load_balancing_weight"] = json!(1);
    cluster["load_assignment"]["endpoints"][0]["locality"] = json!({ "region": format!("{name}/backend/0") });
    cluster
}
