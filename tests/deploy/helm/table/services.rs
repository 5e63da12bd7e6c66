//! The pins of sessions.

use serde_json::{Value, json};

use super::{Case, Row, canary};

const SESSION_STATE: &str = "/http_filters/2/typed_config/strict";
const PER_ROUTE: &str =
    "/typed_per_filter_config/envoy.filters.http.stateful_session/stateful_session/strict";

pub fn cases() -> Vec<Case> {
    let mut cases = vec![several(), fields()];
    cases.extend(pins_and_names());
    cases
}

/// Several services, each with its own pin, hosts and paths.
fn several() -> Case {
    let values = json!({
        "clusters": [
            { "name": "stable", "host": "shop-stable.other", "port": 8080, "connectTimeout": "0.25s" },
            { "name": "canary", "port": 8081, "settings": { "lb_policy": "RANDOM", "outlier_detection": null } },
            { "name": "api", "port": 9090, "protocol": "HTTP2" },
            { "name": "static", "port": 80 },
        ],
        "services": [
            {
                "name": "shop",
                "affinity": {
                    "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 1_209_600 },
                    "backends": ["stable", { "cluster": "canary", "weight": 0 }],
                    "onUnavailable": "REJECT",
                    "pin": "CLUSTER_AND_ENDPOINT",
                },
            },
            {
                "name": "api",
                "cluster": "api",
                "affinity": {
                    "sessionAffinity": { "affinityType": "GENERATED_HEADER", "header": { "name": "x-session" } },
                    "pin": "ENDPOINT",
                },
            },
            { "name": "static", "cluster": "static" },
        ],
        "routes": [
            {
                "name": "health", "service": "static", "hosts": ["shop.example.com"],
                "path": "/healthz", "match": "EXACT", "retries": false,
            },
            {
                "name": "api", "service": "api", "hosts": ["shop.example.com", "api.example.com"],
                "path": "/api", "timeout": "30s",
                "headers": [{ "name": "x-client", "string_match": { "exact": "app" } }],
                "settings": { "prefix_rewrite": "/v1", "idle_timeout": "60s" },
            },
            { "name": "shop", "service": "shop", "hosts": ["shop.example.com"], "websocket": true },
        ],
    });
    ("several services", values, several_rows())
}

fn several_rows() -> Vec<Row> {
    vec![
        ("cluster:stable", "/connect_timeout", json!("0.25s")),
        (
            "cluster:stable",
            "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address",
            json!({ "address": "shop-stable.other", "port_value": 8080 }),
        ),
        ("cluster:canary", "/lb_policy", json!("RANDOM")),
        ("cluster:canary", "/outlier_detection", Value::Null),
        ("cluster:canary", "/circuit_breakers/thresholds/0/max_retries", json!(1024)),
        (
            "cluster:api",
            "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/explicit_http_config",
            json!({ "http2_protocol_options": {} }),
        ),
        ("filter", "/services/0/sessionAffinity/affinityCookieTtlSec", json!(1_209_600)),
        ("filter", "/services/0/routes", json!(["shop"])),
        ("filter", "/services/1/name", json!("api")),
        ("filter", "/services/2", Value::Null),
        ("manager", "/route_config/virtual_hosts/0/domains", json!(["shop.example.com"])),
        ("manager", "/route_config/virtual_hosts/0/routes/0/name", json!("health")),
        ("manager", "/route_config/virtual_hosts/0/routes/2/name", json!("api")),
        ("manager", "/route_config/virtual_hosts/0/routes/3/name", json!("shop")),
        ("manager", "/route_config/virtual_hosts/1/domains", json!(["api.example.com"])),
        ("manager", "/route_config/virtual_hosts/1/routes/2", Value::Null),
        ("manager", "/upgrade_configs/0/enabled", json!(false)),
        ("manager", SESSION_STATE, Value::Null),
        ("route:health", "/match", json!({ "path": "/healthz" })),
        ("route:health", "/route", json!({ "cluster": "static", "timeout": "0s" })),
        ("route:health-repeatable", "", Value::Null),
        ("route:api", "/match/path_separated_prefix", json!("/api")),
        ("route:api", "/match/headers/0/name", json!("x-client")),
        ("route:api-repeatable", "/match/headers/1/name", json!(":method")),
        ("route:api", "/route/timeout", json!("30s")),
        ("route:api", "/route/prefix_rewrite", json!("/v1")),
        ("route:api", "/route/cluster", json!("api")),
        ("route:api", PER_ROUTE, Value::Null),
        ("route:shop", "/route/cluster_header", json!("x-affinity-cluster")),
        ("route:shop", "/route/retry_policy", Value::Null),
        ("route:shop", "/route/upgrade_configs/0/enabled", json!(true)),
        ("route:shop", PER_ROUTE, json!(true)),
    ]
}

fn pins_and_names() -> Vec<Case> {
    let strict = canary(&json!({ "pin": "CLUSTER_AND_ENDPOINT", "onUnavailable": "REJECT" }));
    vec![
        (
            "every session refused without its pod",
            strict,
            vec![("manager", SESSION_STATE, json!(true)), ("route:shop", PER_ROUTE, Value::Null)],
        ),
        (
            "sessions on versions, without keys",
            {
                let mut values = canary(&json!({}));
                values["keys"] = json!({ "list": [] });
                values
            },
            vec![
                ("filter", "/keys", Value::Null),
                ("manager", "/http_filters/2/name", json!("envoy.filters.http.router")),
                ("Deployment/shop-ing", "/spec/template/spec/containers/0/env", Value::Null),
            ],
        ),
        (
            "names that YAML would read as numbers and booleans",
            json!({
                "clusters": [{ "name": "1", "host": "127.0.0.1", "port": 8080 }],
                "services": [{
                    "name": "no", "cluster": "1",
                    "affinity": { "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "pin": "ENDPOINT" },
                }],
                "routes": [{ "name": "1e3", "service": "no", "hosts": ["true"] }],
                "keys": { "list": [{ "id": "1", "secretKey": "key" }] },
            }),
            vec![
                ("filter", "/services/0/name", json!("no")),
                ("filter", "/keys/0", json!({ "id": "1", "env": "SESSION_AFFINITY_KEY_1" })),
                ("route:1e3", "/route/cluster", json!("1")),
            ],
        ),
    ]
}

/// Every field of a service of the filter.
fn fields() -> Case {
    let affinities = [
        json!({ "affinityType": "NONE" }),
        json!({ "affinityType": "CLIENT_IP", "clientIp": { "ipv4PrefixLen": 24, "ipv6PrefixLen": 64 } }),
        json!({
            "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 86_400, "idleTimeoutSec": 3600,
            "fallback": "CLIENT_IP",
            "cookie": {
                "name": "SHOP", "path": "/", "domain": "example.com", "secure": "ALWAYS", "httpOnly": false,
                "sameSite": "NONE", "partitioned": true, "hideFromUpstream": true, "lifetimeType": "SESSION",
            },
        }),
        json!({ "affinityType": "HTTP_COOKIE", "cookie": { "name": "user" } }),
        json!({ "affinityType": "HEADER_FIELD", "header": { "name": "x-user" } }),
        json!({ "affinityType": "QUERY_PARAMETER", "queryParameter": { "name": "user" } }),
        json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "x-session" } }),
        json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "mcp-session-id" } }),
        json!({ "affinityType": "COOKIE_ENVELOPE", "cookie": { "name": "JSESSIONID" } }),
    ];
    let (mut services, mut routes) = (Vec::new(), Vec::new());
    for (index, affinity) in affinities.iter().enumerate() {
        let name = format!("s{index}");
        services.push(json!({
            "name": name,
            "affinity": {
                "sessionAffinity": affinity,
                "backends": ["a", { "cluster": "b", "weight": 2 }, { "cluster": "c", "backup": true }],
                "outlierDetection": {
                    "consecutiveLocalOriginFailure": 5, "consecutiveGatewayErrors": 4,
                    "baseEjectionTimeSec": 10, "maxEjectionPercent": 50,
                },
                "healthCheck": {
                    "requestPath": "/healthz", "checkIntervalSec": 5, "timeoutSec": 2, "healthyThreshold": 1,
                    "unhealthyThreshold": 3, "host": "shop.example.com",
                },
            },
        }));
        routes.push(json!({ "name": name, "service": name, "path": format!("/{name}") }));
    }
    services[2]["affinity"]["onUnavailable"] = json!("REJECT");
    services[2]["affinity"]["rejectStatus"] = json!(410);
    services[6]["affinity"]["failover"] = json!(true);
    let rows = vec![
        ("filter", "/services/2/sessionAffinity", affinities[2].clone()),
        ("filter", "/services/2/rejectStatus", json!(410)),
        ("filter", "/services/6/failover", json!(true)),
        ("filter", "/services/8/healthCheck", services[8]["affinity"]["healthCheck"].clone()),
        ("filter", "/services/8/outlierDetection", services[8]["affinity"]["outlierDetection"].clone()),
        ("filter", "/services/8/backends", services[8]["affinity"]["backends"].clone()),
    ];
    let clusters: Vec<Value> = ["a", "b", "c"].map(|name| json!({ "name": name, "port": 80 })).into();
    (
        "every field of a service",
        json!({ "clusters": clusters, "services": services, "routes": routes }),
        rows,
    )
}
