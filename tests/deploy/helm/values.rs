//! Values that the chart refuses, and the rules of its schema.

use harness::helm::Chart;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use super::rendering::{Rendering, options};
use super::table::{canary, shop};

/// Helm's error about values that the chart refuses.
fn refusal(values: &Value) -> String {
    match Chart::shipped().render(values, "shop-ing", "default") {
        Ok(_) => panic!("the chart takes {values}"),
        Err(error) => error.to_string(),
    }
}

fn with(field: &str, value: Value) -> Value {
    let mut values = shop(&json!({}));
    values[field] = value;
    values
}

#[test]
fn values_that_the_schema_does_not_know_are_refused_with_their_place() {
    let rows = [
        (with("replica", json!(2)), "at '': additional properties 'replica' not allowed"),
        (with("replicas", json!("2")), "at '/replicas': got string, want integer"),
        (
            with("module", json!({ "source": "http" })),
            "at '/module/source': value must be one of 'image-volume', 'init-container'",
        ),
        (with("image", json!({ "digest": "1.40" })), "at '/image/digest': '1.40' does not match pattern"),
        (with("tls", json!({ "secret": "a" })), "at '/tls': additional properties 'secret' not allowed"),
        (with("tls", json!({ "secrets": ["Shop"] })), "at '/tls/secrets/0': 'Shop' does not match pattern"),
        (
            with("routes", json!([{ "name": "shop", "service": "shop", "timeout": "15" }])),
            "at '/routes/0/timeout': '15' does not match pattern",
        ),
        (
            with("routes", json!([{ "name": "shop", "service": "shop", "hosts": [] }])),
            "at '/routes/0/hosts': minItems: got 0, want 1",
        ),
        (with("routes", json!([{ "name": "shop" }])), "at '/routes/0': missing property 'service'"),
        (
            with("clusters", json!([{ "name": "shop", "port": 70_000 }])),
            "at '/clusters/0/port': maximum: got 70,000, want 65,535",
        ),
        (
            with(
                "services",
                json!([{ "name": "shop", "cluster": "shop", "affinity": { "pins": "ENDPOINT" } }]),
            ),
            "at '/services/0/affinity': additional properties 'pins' not allowed",
        ),
        (
            with(
                "services",
                json!([{ "name": "shop", "cluster": "shop", "affinity": { "routes": ["shop"] } }]),
            ),
            "at '/services/0/affinity': additional properties 'routes' not allowed",
        ),
        (
            with("keys", json!({ "list": [{ "id": "k1", "secret": "c2VjcmV0" }] })),
            "at '/keys/list/0': additional properties 'secret' not allowed",
        ),
    ];
    for (values, expected) in rows {
        let said = refusal(&values);
        assert!(said.contains(expected), "{said}\nnot: {expected}");
    }
}

#[test]
fn values_that_do_not_fit_together_are_refused_with_what_to_write() {
    let service = |name: &str, cluster: &str| json!({ "name": name, "cluster": cluster });
    let route = |name: &str, more: Value| {
        let mut route = json!({ "name": name, "service": "shop" });
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        route
    };
    let mut misspelt = canary(&json!({}));
    misspelt["services"][0]["affinity"]["backends"][1]["cluster"] = json!("canari");
    let mut two = canary(&json!({}));
    two["services"][0]["cluster"] = json!("stable");
    let rows = [
        (
            with("routes", json!([route("shop", json!({ "service": "shopp" }))])),
            "values error at routes[0].service: no such service in services; allowed: shop; given: \"shopp\"",
        ),
        (
            with("services", json!([service("shop", "shopp")])),
            "values error at services[0].cluster: no such cluster in clusters; allowed: shop; given: \"shopp\"",
        ),
        (
            with("services", json!([{ "name": "shop", "affinity": { "pin": "ENDPOINT" } }])),
            "values error at services[0].cluster: missing; a service without affinity, or with pin ENDPOINT, has one cluster; allowed: shop",
        ),
        (
            two,
            "values error at services[0].cluster: with pin CLUSTER the filter chooses the cluster; list the clusters in affinity.backends instead",
        ),
        (
            misspelt,
            "values error at services[0].affinity.backends[1]: no such cluster in clusters; allowed: stable, canary; given: \"canari\"",
        ),
        (
            with("services", json!([service("shop", "shop")])),
            "values error at services: no service has an affinity",
        ),
        (
            with("services", json!([service("shop", "shop"), service("shop", "shop")])),
            "values error at services[1].name: another one has this name already; given: \"shop\"",
        ),
        (
            with("services", json!([service("shop", "shop"), service("api", "shop")])),
            "values error at services[1]: no route leads to this service; add a route with `service: api`, or remove the service",
        ),
        (
            with("keys", json!({ "list": [] })),
            "values error at keys.list: services[0].affinity has pin ENDPOINT, whose tokens hold addresses of pods and must be encrypted; add a key",
        ),
        (
            with(
                "keys",
                json!({ "list": [{ "id": "k1", "secretKey": "a" }, { "id": "k1", "secretKey": "b" }] }),
            ),
            "values error at keys.list[1].id: another one has this id already; given: \"k1\"",
        ),
        (
            with("routes", json!([route("shop", json!({ "timeout": "1s" }))])),
            "values error at routes[0].timeout: the connectTimeout of cluster shop, 1s, must be shorter",
        ),
        (
            with("routes", json!([route("shop-repeatable", json!({}))])),
            "values error at routes[0].name: the chart makes routes with -repeatable behind their names itself",
        ),
        (
            with("routes", json!([route("shop", json!({ "settings": { "timeout": "15s" } }))])),
            "values error at routes[0].settings.timeout: the chart writes this field itself; use the values beside settings",
        ),
        (
            with(
                "clusters",
                json!([{ "name": "shop", "port": 80, "settings": { "connect_timeout": "5s" } }]),
            ),
            "values error at clusters[0].settings.connect_timeout: the chart writes this field itself",
        ),
        (
            with("drainSeconds", json!(60)),
            "values error at terminationGracePeriodSeconds: Kubernetes would end Envoy before it has drained; allowed: more than drainSeconds, 60; given: 60",
        ),
        (
            shop(&json!({ "stats": { "enabled": false }, "serviceMonitor": { "enabled": true } })),
            "values error at serviceMonitor.enabled: there is no port to read metrics from; set stats.enabled to true",
        ),
        (
            with("autoscaling", json!({ "enabled": true, "maxReplicas": 1 })),
            "values error at autoscaling.minReplicas: allowed: at most maxReplicas, 1; given: 2",
        ),
    ];
    for (values, expected) in rows {
        let said = refusal(&values);
        assert!(said.contains(expected), "{said}\nnot: {expected}");
    }
}

#[test]
fn an_image_volume_is_refused_where_kubernetes_has_none() {
    let render = |version: &str, source: &str| {
        let values = with("module", json!({ "source": source }));
        Chart::shipped().on_kubernetes(version).render(&values, "shop-ing", "default")
    };
    for version in ["v1.27.0", "v1.30.5-gke.1014001"] {
        let said = render(version, "image-volume").unwrap_err().to_string();
        let expected = format!(
            "values error at module.source: image volumes need Kubernetes 1.31 or later; allowed with {version}: init-container; given: \"image-volume\""
        );
        assert!(said.contains(&expected), "{said}\nnot: {expected}");
        render(version, "init-container").unwrap();
    }
    for version in ["v1.31.0", "v1.31.2-eks-7f9249a"] {
        render(version, "image-volume").unwrap();
    }
}

#[test]
fn the_schema_describes_every_value() {
    let file = harness::workspace_root().join("deploy/helm/session-affinity/values.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut found = 0;
    described(&schema, "", &mut found);
    described(&schema["definitions"]["affinity"], "affinity", &mut found);
    described(&schema["definitions"]["image"], "image", &mut found);
    assert!(found > 80, "{found}");
}

fn described(schema: &Value, path: &str, found: &mut u32) {
    assert!(schema.get("properties").is_none() || schema.get("additionalProperties").is_some(), "{path}");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        *found += 1;
        let says = |schema: &Value| schema["description"].as_str().is_some_and(|text| text.len() > 10);
        let parts = property["properties"].as_object();
        let kind = property["$ref"].is_string() || parts.is_some_and(|parts| parts.values().all(says));
        assert!(says(property) || kind, "{path} has no description");
        described(property, &path, found);
        described(&property["items"], &path, found);
    }
}

#[test]
fn the_notes_warn_of_websockets_whose_sessions_end_early() {
    let notes = |affinity: Value| {
        let mut values =
            shop(&json!({ "routes": [{ "name": "shop", "service": "shop", "websocket": true }] }));
        values["services"][0]["affinity"]["sessionAffinity"] = affinity;
        Rendering::new("websockets", values).notes().to_owned()
    };
    let warning = "WARNING: route shop allows WebSockets";
    let cookie = |field: &str, seconds: u32| json!({ "affinityType": "GENERATED_COOKIE", field: seconds });
    assert!(notes(cookie("affinityCookieTtlSec", 50)).contains(warning));
    assert!(notes(cookie("idleTimeoutSec", 7200)).contains(warning));
    assert!(!notes(cookie("affinityCookieTtlSec", 3600)).contains(warning));
    assert!(!notes(cookie("affinityCookieTtlSec", 0)).contains(warning));
}

#[test]
fn the_notes_say_how_to_make_the_secret_that_the_chart_does_not_make() {
    let command = r#"kubectl create secret generic session-affinity-key --namespace default --from-literal=key="$(openssl rand -base64 32)""#;
    assert!(Rendering::new("defaults", json!({})).notes().contains(command));
    let made = Rendering::new("made", json!({ "keys": { "create": true } }));
    assert!(!made.notes().contains("kubectl create secret"));
}

/// The values in a document: its code blocks in YAML.
fn documented(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(harness::workspace_root().join("deploy").join(file)).unwrap();
    let (mut blocks, mut block) = (Vec::new(), None);
    for event in Parser::new(&text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if &*language == "yaml" => {
                block = Some(String::new());
            }
            Event::Text(part) => {
                if let Some(block) = &mut block {
                    block.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                blocks.extend(block.take().map(|block| serde_saphyr::from_str(&block).unwrap()));
            }
            _ => {}
        }
    }
    blocks
}

#[tokio::test]
async fn the_values_in_the_documents_make_a_configuration_that_envoy_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let documents = ["README.md", "helm/session-affinity/README.md"];
    let values: Vec<Value> = documents.iter().flat_map(|file| documented(file)).collect();
    assert_eq!(values.len(), 3);
    for values in values {
        let rendering = Rendering::new("documented", values);
        assert!(!rendering.notes().contains("WARNING: route"), "{}", rendering.notes());
        let files = rendering.envoy_files(directory.path());
        assert_eq!(options().validate_file(&files[0]).await, Ok(()), "{}", rendering.values);
    }
}
