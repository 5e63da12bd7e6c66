//! Settings that are accepted, but do less than the user may expect. The log line at configure warns about them.

use crate::config::Config;
use serde_json::{Value, json};

fn warnings(configuration: &Value) -> Vec<String> {
    Config::parse(configuration.to_string().as_bytes(), &|_| None).unwrap().warnings()
}

/// A service of this affinity, with keys.
fn service(affinity: &Value) -> Value {
    json!({
        "sessionAffinity": affinity,
        "backends": ["blue", "green"],
        "keys": [{ "id": "k1", "secret": "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=" }],
    })
}

fn without_keys(affinity: &Value) -> Value {
    let mut configuration = service(affinity);
    configuration.as_object_mut().unwrap().remove("keys");
    configuration
}

/// Asserts that there is one warning, and that the warning names this setting.
fn assert_warns_of(setting: &str, configuration: &Value) {
    let warnings = warnings(configuration);
    assert!(warnings.len() == 1 && warnings[0].contains(setting), "{configuration}: {warnings:?}");
}

#[test]
fn a_configuration_without_useless_settings_has_no_warning() {
    let header = json!({ "name": "s" });
    for configuration in [
        service(
            &json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50, "idleTimeoutSec": 8 }),
        ),
        service(&json!({ "affinityType": "GENERATED_HEADER", "header": header, "idleTimeoutSec": 8 })),
        service(&json!({ "affinityType": "HEADER_ENVELOPE", "header": header, "affinityCookieTtlSec": 50 })),
        without_keys(&json!({ "affinityType": "NONE" })),
        without_keys(&json!({ "affinityType": "CLIENT_IP" })),
        without_keys(&json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50 })),
        without_keys(&json!({ "affinityType": "HEADER_FIELD", "header": header })),
    ] {
        assert_eq!(warnings(&configuration), [""; 0], "{configuration}");
    }
    let mut pinning = service(&json!({ "affinityType": "GENERATED_COOKIE" }));
    pinning["pin"] = json!("CLUSTER_AND_ENDPOINT");
    pinning["endpointHeader"] = json!("x-my-endpoint");
    assert_eq!(warnings(&pinning), [""; 0]);
}

#[test]
fn tokens_without_keys_and_a_ttl_without_tokens_cause_a_warning() {
    let header = json!({ "name": "s" });
    for affinity in [
        json!({ "affinityType": "GENERATED_COOKIE" }),
        json!({ "affinityType": "GENERATED_HEADER", "header": header }),
        json!({ "affinityType": "HEADER_ENVELOPE", "header": header }),
    ] {
        assert_warns_of("without keys", &without_keys(&affinity));
    }
    for kind in ["NONE", "CLIENT_IP"] {
        let affinity = json!({ "affinityType": kind, "affinityCookieTtlSec": 50 });
        assert_warns_of("affinityCookieTtlSec", &without_keys(&affinity));
    }
}

#[test]
fn an_idle_timeout_of_envelopes_causes_a_warning_because_only_the_applications_header_renews_it() {
    let affinity =
        json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "s" }, "idleTimeoutSec": 8 });
    assert_warns_of("idleTimeoutSec", &service(&affinity));
}

#[test]
fn keys_without_a_service_that_makes_tokens_cause_a_warning() {
    for affinity in [
        json!({ "affinityType": "NONE" }),
        json!({ "affinityType": "CLIENT_IP" }),
        json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50 }),
        json!({ "affinityType": "HEADER_FIELD", "header": { "name": "s" } }),
    ] {
        assert_warns_of("keys", &service(&affinity));
    }
    // One service with tokens is enough.
    let mut configuration = service(&json!({}));
    let fields = configuration.as_object_mut().unwrap();
    fields.remove("sessionAffinity");
    let backends = fields.remove("backends").unwrap();
    fields.insert(
        "services".to_owned(),
        json!([
            { "name": "ip", "routes": ["ip"], "sessionAffinity": { "affinityType": "CLIENT_IP" }, "backends": backends },
            { "name": "cookie", "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": backends },
        ]),
    );
    assert_eq!(warnings(&configuration), [""; 0]);
}

#[test]
fn an_endpoint_header_that_no_service_uses_causes_a_warning() {
    let mut configuration = service(&json!({ "affinityType": "GENERATED_COOKIE" }));
    configuration["endpointHeader"] = json!("x-my-endpoint");
    assert_warns_of("endpointHeader", &configuration);
}
