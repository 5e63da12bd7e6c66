//! The affinity of each Service.

use serde_json::json;

use crate::manifests::{
    all, annotated, backend_config, configured, ingress, ingress_to, path, rule, service,
    service_with_config, stateful_set,
};
use crate::support::{Written, convert};

async fn affinity(manifests: String) -> serde_json::Value {
    convert(&manifests).written().await.service()["sessionAffinity"].clone()
}

#[tokio::test]
async fn each_affinity_type_is_carried_over_as_it_is() {
    for affinity_type in ["NONE", "CLIENT_IP", "GENERATED_COOKIE"] {
        let spec = format!("{{sessionAffinity: {{affinityType: {affinity_type}}}}}");
        assert_eq!(affinity(configured(&spec)).await, json!({ "affinityType": affinity_type }));
    }
}

#[tokio::test]
async fn the_ttl_of_a_generated_cookie_is_carried_over_as_it_is() {
    for ttl in [0, 86_400, 1_209_600] {
        let fields = format!("affinityType: GENERATED_COOKIE, affinityCookieTtlSec: {ttl}");
        let wanted = json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": ttl });
        assert_eq!(affinity(configured(&format!("{{sessionAffinity: {{{fields}}}}}"))).await, wanted);
    }
}

#[tokio::test]
async fn a_ttl_without_a_cookie_is_left_out_and_reported() {
    for (affinity_type, ttl) in [("NONE", 50), ("NONE", 7200), ("CLIENT_IP", 50), ("CLIENT_IP", 7200)] {
        let fields = format!("affinityType: {affinity_type}, affinityCookieTtlSec: {ttl}");
        let written = convert(&configured(&format!("{{sessionAffinity: {{{fields}}}}}"))).written().await;
        assert_eq!(written.service()["sessionAffinity"], json!({ "affinityType": affinity_type }));
        assert!(!written.text.contains("check: accepted"), "{}", written.text);
        let field = "all.yaml:36: spec.sessionAffinity.affinityCookieTtlSec: ";
        if affinity_type == "NONE" {
            let wanted = "not carried over: a TTL has no effect with the affinity type NONE; leave the TTL out, or write \
                          the type GENERATED_COOKIE for sessions with this lifetime";
            assert_eq!(written.not_carried_over(), [format!("{field}{wanted}")]);
        } else {
            let wanted = "note: a TTL has no effect with CLIENT_IP, so the output has none";
            assert_eq!(written.notes(), [format!("{field}{wanted}")]);
        }
    }
    let without = convert(&configured("{sessionAffinity: {affinityType: NONE, affinityCookieTtlSec: 0}}"));
    assert_eq!(without.written().await.not_carried_over(), [""; 0], "0 is the default");
}

#[tokio::test]
async fn a_ttl_above_gkes_limit_causes_a_note() {
    let told = async |ttl: u32| {
        let spec =
            format!("{{sessionAffinity: {{affinityType: GENERATED_COOKIE, affinityCookieTtlSec: {ttl}}}}}");
        convert(&configured(&spec)).written().await.notes()
    };
    assert_eq!(told(86_400).await, [""; 0]);
    let wanted = "all.yaml:36: spec.sessionAffinity.affinityCookieTtlSec: note: GKE allows at most 86400, but the \
                  filter uses the given value";
    assert_eq!(told(86_401).await, [wanted]);
    let spec = "{sessionAffinity: {affinityType: CLIENT_IP, affinityCookieTtlSec: 100000}}";
    let notes = convert(&configured(spec)).written().await.notes();
    let field = "all.yaml:36: spec.sessionAffinity.affinityCookieTtlSec: note: ";
    let wanted = ["GKE allows at most 86400", "a TTL has no effect with CLIENT_IP, so the output has none"];
    assert_eq!(notes, wanted.map(|note| format!("{field}{note}")));
}

#[tokio::test]
async fn a_service_without_settings_has_no_affinity() {
    let none = json!({ "affinityType": "NONE" });
    assert_eq!(affinity(all(&[stateful_set("app", 2), service("app"), ingress_to("app")])).await, none);
    assert_eq!(affinity(configured("{}")).await, none);
    assert_eq!(affinity(configured("{sessionAffinity: {}}")).await, none);
    assert_eq!(affinity(configured("{sessionAffinity: {affinityType: \"\"}}")).await, none);
    assert_eq!(affinity(configured("{sessionAffinity: null}")).await, none);
}

/// The BackendConfigs that the annotation selects for three ports of one Service: `web` (80), `api` (81), and 82.
async fn chosen(annotations: &[&str]) -> Vec<String> {
    let ports = "  - {name: web, port: 80, targetPort: 8080}
  - {name: api, port: 81, targetPort: 8081}
  - {name: admin, port: 82, targetPort: 8082}
";
    let mut many = service("app").replace("  - port: 80\n    targetPort: 8080\n", ports);
    for annotation in annotations {
        many = if many.contains("annotations") {
            many.replacen("annotations:\n", &format!("annotations:\n    {annotation}\n"), 1)
        } else {
            annotated(&many, annotation)
        };
    }
    let ttl = |ttl: u32| {
        format!("{{sessionAffinity: {{affinityType: GENERATED_COOKIE, affinityCookieTtlSec: {ttl}}}}}")
    };
    let leads = |port: u32| {
        format!(
            "{{path: /{port}, pathType: Exact, backend: {{service: {{name: app, port: {{number: {port}}}}}}}}}"
        )
    };
    let rules = format!("{{rules: [{}]}}", rule("", &[leads(80), leads(81), leads(82)]));
    let written = convert(&all(&[
        stateful_set("app", 2),
        many,
        backend_config("one", &ttl(1)),
        backend_config("two", &ttl(2)),
        backend_config("three", &ttl(3)),
        ingress(&rules),
    ]))
    .written()
    .await;
    let ttl = |service: &serde_json::Value| service["sessionAffinity"]["affinityCookieTtlSec"].to_string();
    written.services().iter().map(ttl).collect()
}

#[tokio::test]
async fn a_backend_config_is_chosen_by_the_ports_name_then_its_number_then_the_default() {
    let annotation =
        r#"cloud.google.com/backend-config: '{"ports": {"web": "one", "81": "two"}, "default": "three"}'"#;
    assert_eq!(chosen(&[annotation]).await, ["1", "2", "3"]);
    let annotation =
        r#"cloud.google.com/backend-config: '{"ports": {"api": "one", "81": "two", "80": "three"}}'"#;
    assert_eq!(
        chosen(&[annotation]).await,
        ["3", "1", "null"],
        "the name counts more, and there is no default"
    );
    let annotation = r#"beta.cloud.google.com/backend-config: '{"default": "two"}'"#;
    assert_eq!(chosen(&[annotation]).await, ["2", "2", "2"]);
}

#[tokio::test]
async fn the_annotation_without_beta_takes_precedence() {
    let beta = r#"beta.cloud.google.com/backend-config: '{"default": "one"}'"#;
    let stable = r#"cloud.google.com/backend-config: '{"ports": {"web": "two"}}'"#;
    assert_eq!(chosen(&[beta, stable]).await, ["2", "null", "null"]);
    assert_eq!(chosen(&[stable, beta]).await, ["2", "null", "null"]);
}

/// Three Services with cookie affinity.
async fn three_with_cookies() -> Written {
    let cookie = "{sessionAffinity: {affinityType: GENERATED_COOKIE}}";
    let rules = [
        rule("a.example.com", &[path("/", "Prefix", "a")]),
        rule("b.example.com", &[path("/", "Prefix", "b")]),
    ];
    let spec = format!(
        "{{rules: [{}], defaultBackend: {{service: {{name: c, port: {{number: 80}}}}}}}}",
        rules.join(", ")
    );
    let [a, b, c] = ["a", "b", "c"]
        .map(|name| all(&[stateful_set(name, 1), service_with_config(name), backend_config(name, cookie)]));
    convert(&all(&[a, b, c, ingress(&spec)])).written().await
}

#[tokio::test]
async fn services_that_make_cookies_have_different_cookies_and_the_first_has_gclb() {
    let written = three_with_cookies().await;
    let cookies: Vec<_> = written
        .services()
        .iter()
        .map(|service| (service["name"].as_str().unwrap(), &service["sessionAffinity"]["cookie"]["name"]))
        .collect();
    // In the order of the Ingress, with its default backend first.
    assert_eq!(cookies, [("c", &json!(null)), ("a", &json!("GCLB-a")), ("b", &json!("GCLB-b"))]);
}

#[tokio::test]
async fn a_note_names_the_place_and_the_cookie_of_each_further_service() {
    let notes = three_with_cookies().await.notes();
    let told: Vec<&String> = notes.iter().filter(|note| note.contains("cookie")).collect();
    let why = "the service c uses GCLB, and each service needs a unique cookie name";
    // The `ports` of the Services a and b.
    let wanted = [(29, "a"), (66, "b")].map(|(line, name)| {
        format!("all.yaml:{line}: spec.ports[0]: note: the cookie is GCLB-{name}: {why}")
    });
    assert_eq!(told, wanted.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_key_is_read_from_envoys_environment() {
    let cookie = configured("{sessionAffinity: {affinityType: GENERATED_COOKIE}}");
    let without = convert(&cookie).written().await;
    assert_eq!(without.filter_configuration()["keys"], json!(null));
    let with = crate::support::convert_with(&cookie, &["--key-env", crate::support::KEY_ENV]).written().await;
    assert_eq!(with.filter_configuration()["keys"], json!([{ "id": "k1", "env": "SESSION_AFFINITY_KEY" }]));
    assert!(with.text.contains("host_env_keys: [SESSION_AFFINITY_KEY]"));
}
