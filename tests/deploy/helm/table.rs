//! Values, and the expected results of their rendering.

mod operation;
mod services;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::rendering::Rendering;

/// A place, a JSON pointer in it, and the expected value there. Null means that there must be no value.
pub type Row = (&'static str, &'static str, Value);

static ALL: LazyLock<Vec<(Rendering, Vec<Row>)>> = LazyLock::new(|| {
    [defaults(), services::cases(), operation::cases()]
        .into_iter()
        .flatten()
        .map(|(name, values, rows)| (Rendering::new(name, values), rows))
        .collect()
});

/// Every rendering and its expected results.
pub fn expected() -> &'static [(Rendering, Vec<Row>)] {
    &ALL
}

/// Every rendering.
pub fn renderings() -> impl Iterator<Item = &'static Rendering> {
    ALL.iter().map(|(rendering, _)| rendering)
}

type Case = (&'static str, Value, Vec<Row>);

/// One service for the pods of `shop`, with these values added to its own or in their place.
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

/// Joins the two parts of a pointer. The result has a static lifetime.
fn leak(first: &str, second: &str) -> &'static str {
    format!("{first}{second}").leak()
}

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
                ("manager", "/http_filters/2/typed_config/strict", Value::Null),
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
