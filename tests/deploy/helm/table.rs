//! Values, and what comes out.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::rendering::Rendering;

/// A place, a JSON pointer in it, and the value there; null where there must be none.
pub type Row = (&'static str, &'static str, Value);

static ALL: LazyLock<Vec<(Rendering, Vec<Row>)>> = LazyLock::new(|| {
    [defaults(), services(), tls(), running(), exposed(), little(), fields()]
        .into_iter()
        .flatten()
        .map(|(name, values, rows)| (Rendering::new(name, values), rows))
        .collect()
});

/// Every rendering with what is expected of it.
pub fn expected() -> &'static [(Rendering, Vec<Row>)] {
    &ALL
}

/// Every rendering.
pub fn renderings() -> impl Iterator<Item = &'static Rendering> {
    ALL.iter().map(|(rendering, _)| rendering)
}

type Case = (&'static str, Value, Vec<Row>);

/// One service on the pods of `shop`, with these values beside it or in the place of its own.
pub fn shop(others: &Value) -> Value {
    let mut values = json!({
        "clusters": [{ "name": "shop", "port": 8080 }],
        "services": [{
            "name": "shop",
            "cluster": "shop",
            "affinity": { "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "pin": "ENDPOINT" },
        }],
        "routes": [{ "name": "shop", "service": "shop" }],
    });
    for (field, value) in others.as_object().unwrap() {
        values[field] = value.clone();
    }
    values
}

/// Two versions of one application, by weight.
pub fn canary(affinity: &Value) -> Value {
    let mut service = json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" },
        "backends": [{ "cluster": "stable", "weight": 90 }, { "cluster": "canary", "weight": 10 }],
    });
    for (field, value) in affinity.as_object().unwrap() {
        service[field] = value.clone();
    }
    json!({
        "clusters": [{ "name": "stable", "port": 8080 }, { "name": "canary", "port": 8080 }],
        "services": [{ "name": "shop", "affinity": service }],
        "routes": [{ "name": "shop", "service": "shop" }],
    })
}

const SESSION_STATE: &str = "/http_filters/2/typed_config/strict";
const PER_ROUTE: &str =
    "/typed_per_filter_config/envoy.filters.http.stateful_session/stateful_session/strict";

fn defaults() -> Vec<Case> {
    vec![
        (
            "the defaults",
            json!({}),
            vec![
                ("Deployment/shop-ing", "/spec/replicas", json!(2)),
                ("Deployment/shop-ing", "/metadata/namespace", Value::Null),
                ("Service/shop-ing", "/spec/type", json!("LoadBalancer")),
                ("PodDisruptionBudget/shop-ing", "/spec/maxUnavailable", json!(1)),
                ("Secret/session-affinity-key", "", Value::Null),
                ("ServiceMonitor/shop-ing", "", Value::Null),
                ("HorizontalPodAutoscaler/shop-ing", "", Value::Null),
                ("cluster:neg-demo-svc", "/common_lb_config/healthy_panic_threshold/value", json!(0)),
                ("filter", "/services/0/sessionAffinity/affinityCookieTtlSec", json!(50)),
                ("filter", "/services/0/routes", json!(["neg-demo-repeatable", "neg-demo"])),
                ("manager", "/upgrade_configs", Value::Null),
                ("manager", SESSION_STATE, Value::Null),
                ("route:neg-demo", "/route/timeout", json!("0s")),
            ],
        ),
        (
            "the module from an init container",
            shop(&json!({ "module": { "source": "init-container" } })),
            vec![
                (
                    "Deployment/shop-ing",
                    "/spec/template/spec/initContainers/0/image",
                    json!(concat!(
                        "registry.example.com/session-affinity:",
                        env!("CARGO_PKG_VERSION"),
                        "-installer"
                    )),
                ),
                ("Deployment/shop-ing", "/spec/template/spec/volumes/1/emptyDir/sizeLimit", json!("16Mi")),
            ],
        ),
    ]
}

fn services() -> Vec<Case> {
    let several = json!({
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
    let strict = canary(&json!({ "pin": "CLUSTER_AND_ENDPOINT", "onUnavailable": "REJECT" }));
    vec![
        (
            "several services",
            several,
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
                ("filter", "/services/0/routes", json!(["shop-repeatable", "shop"])),
                ("filter", "/services/1/name", json!("api")),
                ("filter", "/services/2", Value::Null),
                ("manager", "/route_config/virtual_hosts/0/domains", json!(["shop.example.com"])),
                ("manager", "/route_config/virtual_hosts/0/routes/0/name", json!("health")),
                ("manager", "/route_config/virtual_hosts/0/routes/3/name", json!("shop-repeatable")),
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
                ("route:shop", "/route/upgrade_configs/0/enabled", json!(true)),
                ("route:shop", PER_ROUTE, json!(true)),
            ],
        ),
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

fn tls() -> Vec<Case> {
    let listener = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    vec![
        (
            "https with two certificates",
            shop(&json!({ "tls": { "secrets": ["shop.example.com", "api-tls"] } })),
            vec![
                ("Service/shop-ing", "/spec/ports/1/port", json!(443)),
                (
                    "Deployment/shop-ing",
                    "/spec/template/spec/volumes/2/secret/secretName",
                    json!("shop.example.com"),
                ),
                (
                    "Deployment/shop-ing",
                    "/spec/template/spec/containers/0/volumeMounts/3/mountPath",
                    json!("/etc/envoy-tls/api-tls"),
                ),
                ("envoy", &*leak(listener, "/stat_prefix"), json!("redirect")),
                ("manager", "/stat_prefix", json!("ingress_https")),
            ],
        ),
        (
            "https and http beside it",
            shop(&json!({ "tls": { "secrets": ["shop-tls"], "redirect": false } })),
            vec![
                ("envoy", &*leak(listener, "/stat_prefix"), json!("ingress")),
                ("envoy", &*leak(listener, "/http_filters/1/name"), json!("session_affinity")),
            ],
        ),
    ]
}

/// A pointer in two parts, for ever.
fn leak(first: &str, second: &str) -> &'static str {
    format!("{first}{second}").leak()
}

fn running() -> Vec<Case> {
    let pod = "/spec/template/spec";
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    vec![(
        "everything about pods",
        shop(&json!({
            "fullnameOverride": "shop-ing",
            "namespace": "ingress",
            "image": { "repository": "registry.example.com/envoy", "digest": digest },
            "module": { "image": { "repository": "registry.example.com/filter", "tag": "x", "digest": digest } },
            "imagePullSecrets": [{ "name": "registry" }],
            "autoscaling": { "enabled": true, "maxReplicas": 6 },
            "disruptionBudget": { "maxUnavailable": "25%" },
            "topologySpreadConstraints": [{
                "topologyKey": "topology.kubernetes.io/zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule",
            }],
            "resources": { "requests": { "cpu": "1" }, "limits": { "memory": "1Gi" } },
            "concurrency": 4,
            "drainSeconds": 100,
            "terminationGracePeriodSeconds": 120,
            "serviceAccountName": "envoy",
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": { "pool": "edge" },
            "tolerations": [{ "key": "edge", "operator": "Exists" }],
            "podAnnotations": { "team": "shop" },
            "podLabels": { "team": "shop" },
        })),
        vec![
            ("Deployment/shop-ing", "/metadata/namespace", json!("ingress")),
            ("ConfigMap/shop-ing", "/metadata/namespace", json!("ingress")),
            ("Deployment/shop-ing", "/spec/replicas", Value::Null),
            ("HorizontalPodAutoscaler/shop-ing", "/spec/maxReplicas", json!(6)),
            ("PodDisruptionBudget/shop-ing", "/spec/maxUnavailable", json!("25%")),
            (
                "Deployment/shop-ing",
                leak(pod, "/containers/0/image"),
                json!(format!("registry.example.com/envoy@{digest}")),
            ),
            (
                "Deployment/shop-ing",
                leak(pod, "/volumes/1/image/reference"),
                json!(format!("registry.example.com/filter@{digest}")),
            ),
            ("Deployment/shop-ing", leak(pod, "/imagePullSecrets/0/name"), json!("registry")),
            ("Deployment/shop-ing", leak(pod, "/containers/0/args/3"), json!("4")),
            (
                "Deployment/shop-ing",
                leak(pod, "/containers/0/resources"),
                json!({ "requests": { "cpu": "1", "memory": "128Mi" }, "limits": { "memory": "1Gi" } }),
            ),
            ("Deployment/shop-ing", leak(pod, "/topologySpreadConstraints/0/maxSkew"), json!(2)),
            (
                "Deployment/shop-ing",
                leak(pod, "/topologySpreadConstraints/0/labelSelector/matchLabels"),
                json!({ "app.kubernetes.io/name": "session-affinity", "app.kubernetes.io/instance": "shop-ing" }),
            ),
            ("Deployment/shop-ing", leak(pod, "/terminationGracePeriodSeconds"), json!(120)),
            ("Deployment/shop-ing", leak(pod, "/serviceAccountName"), json!("envoy")),
            ("Deployment/shop-ing", leak(pod, "/automountServiceAccountToken"), json!(false)),
            ("Deployment/shop-ing", leak(pod, "/priorityClassName"), json!("system-cluster-critical")),
            ("Deployment/shop-ing", leak(pod, "/nodeSelector/pool"), json!("edge")),
            ("Deployment/shop-ing", leak(pod, "/tolerations/0/key"), json!("edge")),
            ("Deployment/shop-ing", "/spec/template/metadata/annotations/team", json!("shop")),
            ("Deployment/shop-ing", "/spec/template/metadata/labels/team", json!("shop")),
        ],
    )]
}

fn exposed() -> Vec<Case> {
    vec![
        (
            "everything about the Service and about metrics",
            shop(&json!({
                "service": {
                    "type": "NodePort", "externalTrafficPolicy": "Cluster", "httpPort": 8000,
                    "annotations": { "example.com/pool": "edge" }, "loadBalancerSourceRanges": ["192.0.2.0/24"],
                },
                "serviceMonitor": { "enabled": true, "interval": "10s", "labels": { "release": "prometheus" } },
                "trustedHops": 2,
                "streamIdleTimeout": "3600s",
                "filter": { "debugHeader": "x-affinity-outcome" },
            })),
            vec![
                ("Service/shop-ing", "/spec/type", json!("NodePort")),
                ("Service/shop-ing", "/spec/externalTrafficPolicy", json!("Cluster")),
                ("Service/shop-ing", "/spec/ports/0/port", json!(8000)),
                ("Service/shop-ing", "/spec/loadBalancerSourceRanges/0", json!("192.0.2.0/24")),
                ("Service/shop-ing", "/metadata/annotations", json!({ "example.com/pool": "edge" })),
                ("ServiceMonitor/shop-ing", "/metadata/labels/release", json!("prometheus")),
                ("ServiceMonitor/shop-ing", "/spec/endpoints/0/interval", json!("10s")),
                ("manager", "/xff_num_trusted_hops", json!(2)),
                ("manager", "/stream_idle_timeout", json!("3600s")),
                ("filter", "/debugHeader", json!("x-affinity-outcome")),
                ("filter", "/logOutcome", json!(true)),
            ],
        ),
        (
            "two keys in a Secret of the chart's",
            shop(&json!({
                "keys": {
                    "secret": "shop-keys", "create": true,
                    "list": [{ "id": "k2", "secretKey": "2026" }, { "id": "k1", "secretKey": "key" }],
                },
            })),
            vec![
                ("Secret/shop-keys", "/type", json!("Opaque")),
                ("Secret/shop-keys", "/metadata/annotations/helm.sh~1resource-policy", json!("keep")),
                ("filter", "/keys/0/id", json!("k2")),
                ("filter", "/keys/1/env", json!("SESSION_AFFINITY_KEY_k1")),
                (
                    "Deployment/shop-ing",
                    "/spec/template/spec/containers/0/env/0",
                    json!({
                        "name": "SESSION_AFFINITY_KEY_k2",
                        "valueFrom": { "secretKeyRef": { "name": "shop-keys", "key": "2026" } },
                    }),
                ),
            ],
        ),
    ]
}

fn little() -> Vec<Case> {
    vec![(
        "everything switched off",
        shop(&json!({
            "service": { "type": "ClusterIP" },
            "stats": { "enabled": false },
            "disruptionBudget": { "enabled": false },
            "topologySpreadConstraints": [],
            "accessLog": false,
            "filter": { "logOutcome": false },
            "routes": [{ "name": "shop", "service": "shop", "retries": false }],
        })),
        vec![
            ("Service/shop-ing", "/spec/externalTrafficPolicy", Value::Null),
            ("Service/shop-ing-stats", "", Value::Null),
            ("PodDisruptionBudget/shop-ing", "", Value::Null),
            ("Deployment/shop-ing", "/spec/template/spec/topologySpreadConstraints", Value::Null),
            ("envoy", "/static_resources/listeners/2", Value::Null),
            ("cluster:admin", "", Value::Null),
            ("manager", "/access_log", Value::Null),
            ("filter", "/logOutcome", Value::Null),
            ("filter", "/services/0/routes", json!(["shop"])),
        ],
    )]
}

/// Every field of a service of the filter.
fn fields() -> Vec<Case> {
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
    vec![(
        "every field of a service",
        json!({ "clusters": clusters, "services": services, "routes": routes }),
        rows,
    )]
}
