//! Unsupported settings are reported with manifest, line and field.

use crate::manifests::{all, annotated, configured, ingress_to, service, stateful_set};
use crate::support::convert;

/// The settings that are not carried over: the field, and the text of the line that the remark names.
async fn told(manifests: &str) -> Vec<(String, String)> {
    let told = convert(manifests).written().await.not_carried_over();
    told.iter().map(|remark| field_and_line(manifests, remark)).collect()
}

fn field_and_line(manifests: &str, remark: &str) -> (String, String) {
    let mut parts = remark.splitn(3, ": ");
    let number: usize = parts.next().unwrap().strip_prefix("all.yaml:").unwrap().parse().unwrap();
    let line = manifests.lines().nth(number - 1).unwrap();
    (parts.next().unwrap().to_owned(), line.trim().to_owned())
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(field, line)| (field.to_owned(), line.to_owned())).to_vec()
}

#[tokio::test]
async fn each_unsupported_setting_of_a_backend_config_is_reported() {
    let spec = "
  cdn:
    enabled: true
    cacheMode: CACHE_ALL_STATIC
  iap:
    enabled: true # Google asks
    oauthclientCredentials:
      secretName: secret
  securityPolicy:
    name: strict
  connectionDraining:
    drainingTimeoutSec: 60
  healthCheck:
    type: HTTPS
  customRequestHeaders:
    headers: ['Host: other.example', 'X-City: {client_city}']";
    let headers = "headers: ['Host: other.example', 'X-City: {client_city}']";
    let wanted = pairs([
        ("spec.iap.enabled", "enabled: true # Google asks"),
        ("spec.cdn.enabled", "enabled: true"),
        ("spec.securityPolicy.name", "name: strict"),
        ("spec.connectionDraining.drainingTimeoutSec", "drainingTimeoutSec: 60"),
        ("spec.customRequestHeaders.headers[0]", headers),
        ("spec.customRequestHeaders.headers[1]", headers),
        ("spec.healthCheck.type", "type: HTTPS"),
    ]);
    assert_eq!(told(&configured(spec)).await, wanted);
}

#[tokio::test]
async fn a_setting_that_is_switched_off_is_not_reported() {
    let spec = "{cdn: {enabled: false}, iap: {enabled: false}, securityPolicy: {name: \"\"}, \
                connectionDraining: {drainingTimeoutSec: 0}, logging: {enable: false}}";
    assert_eq!(told(&configured(spec)).await, pairs([]));
}

#[tokio::test]
async fn the_reason_names_the_effect_on_requests() {
    let written = convert(&configured("{iap: {enabled: true}}")).written().await;
    let why =
        "spec.iap.enabled: not carried over: Envoy does not support IAP, so users are not authenticated";
    let told = written.not_carried_over();
    assert!(told.len() == 1 && told[0].ends_with(why), "{told:?}");
}

#[tokio::test]
async fn certificates_and_addresses_of_an_ingress_are_reported() {
    let mut ingress =
        ingress_to("app").replace("spec: {", "spec: {tls: [{secretName: a}, {secretName: b}], ");
    for annotation in [
        "kubernetes.io/ingress.global-static-ip-name: address",
        "kubernetes.io/ingress.allow-http: \"false\"",
        "ingress.gcp.kubernetes.io/pre-shared-cert: cert",
        "networking.gke.io/managed-certificates: certs",
        "networking.gke.io/v1beta1.FrontendConfig: front",
        "example.com/of-somebody-else: \"true\"",
    ] {
        ingress = if ingress.contains("annotations") {
            ingress.replacen("spec:", &format!("    {annotation}\nspec:"), 1)
        } else {
            ingress.replacen("spec:", &format!("  annotations:\n    {annotation}\nspec:"), 1)
        };
    }
    let annotation = |name: &str| format!("metadata.annotations[{name}]");
    let spec = "spec: {tls: [{secretName: a}, {secretName: b}], defaultBackend: {service: {name: app, port: {number: \
                80}}}}";
    let wanted = pairs([
        (
            &annotation("kubernetes.io/ingress.global-static-ip-name"),
            "kubernetes.io/ingress.global-static-ip-name: address",
        ),
        (
            &annotation("ingress.gcp.kubernetes.io/pre-shared-cert"),
            "ingress.gcp.kubernetes.io/pre-shared-cert: cert",
        ),
        (
            &annotation("networking.gke.io/managed-certificates"),
            "networking.gke.io/managed-certificates: certs",
        ),
        (
            &annotation("networking.gke.io/v1beta1.FrontendConfig"),
            "networking.gke.io/v1beta1.FrontendConfig: front",
        ),
        (&annotation("kubernetes.io/ingress.allow-http"), "kubernetes.io/ingress.allow-http: \"false\""),
        ("spec.tls[0]", spec),
        ("spec.tls[1]", spec),
    ]);
    assert_eq!(told(&all(&[stateful_set("app", 1), service("app"), ingress])).await, wanted);
}

#[tokio::test]
async fn unsupported_annotations_of_a_service_are_reported() {
    let annotation = "networking.gke.io/max-rate-per-endpoint: \"10\"";
    let service = annotated(&service("app"), annotation);
    let field = "metadata.annotations[networking.gke.io/max-rate-per-endpoint]";
    let manifests = all(&[stateful_set("app", 1), service, ingress_to("app")]);
    assert_eq!(told(&manifests).await, pairs([(field, annotation)]));
}

#[tokio::test]
async fn kubernetes_own_affinity_is_not_confused_with_the_affinity_of_the_ingress() {
    let service = service("app").replace("spec:\n", "spec:\n  sessionAffinity: ClientIP\n");
    let manifests = all(&[stateful_set("app", 1), service, ingress_to("app")]);
    let written = convert(&manifests).written().await;
    let note = written
        .notes()
        .into_iter()
        .find(|note| note.contains("GKE load balancers ignore this field"))
        .unwrap();
    let wanted = ("spec.sessionAffinity".to_owned(), "sessionAffinity: ClientIP".to_owned());
    assert_eq!(field_and_line(&manifests, &note), wanted);
    assert_eq!(written.service()["sessionAffinity"]["affinityType"], "NONE");
}

#[tokio::test]
async fn manifests_that_are_not_used_are_reported() {
    let other = all(&[
        stateful_set("other", 1),
        service("other"),
        crate::manifests::backend_config("other", "{cdn: {enabled: true}}"),
    ]);
    let written = convert(&format!("{}---\n{other}", configured("{}"))).written().await;
    let unused: Vec<_> = written.notes().into_iter().filter(|note| note.contains("not used")).collect();
    let wanted = [
        "metadata.name: note: not used: no request is sent to this Service",
        "metadata.name: note: not used: no Service in use has the pods of this StatefulSet",
        "metadata.name: note: not used: no Service in use has this BackendConfig",
    ];
    assert_eq!(unused.len(), 3, "{unused:?}");
    assert!(unused.iter().zip(wanted).all(|(told, wanted)| told.ends_with(wanted)), "{unused:?}");
    assert_eq!(written.not_carried_over(), [""; 0], "its settings are nobody's");
}
