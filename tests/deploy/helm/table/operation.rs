//! The operation of Envoy, and the access to it.

use serde_json::{Value, json};

use super::{Case, leak, shop};

pub fn cases() -> Vec<Case> {
    [tls(), running(), exposed(), little()].into_iter().flatten().collect()
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
                ("envoy", leak(listener, "/stat_prefix"), json!("redirect")),
                ("manager", "/stat_prefix", json!("ingress_https")),
            ],
        ),
        (
            "https and http beside it",
            shop(&json!({ "tls": { "secrets": ["shop-tls"], "redirect": false } })),
            vec![
                ("envoy", leak(listener, "/stat_prefix"), json!("ingress")),
                ("envoy", leak(listener, "/http_filters/1/name"), json!("session_affinity")),
            ],
        ),
    ]
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
                ("ServiceMonitor/shop-ing", "/spec/endpoints/0/honorLabels", json!(true)),
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
