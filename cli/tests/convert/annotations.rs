//! Annotations of a Service, and the protocol of its pods.

use serde_json::{Value, json};

use crate::manifests::gateway::{manifests, plain_gateway, route, to};
use crate::manifests::{all, annotated, backend_config, ingress_to, service, stateful_set};
use crate::support::convert;

/// A Service with the ports `http` (80) and `admin` (81).
fn two_ports() -> String {
    let ports =
        "  - {name: http, port: 80, targetPort: 8080}\n  - {name: admin, port: 81, targetPort: 8081}\n";
    service("app").replace("  - port: 80\n    targetPort: 8080\n", ports)
}

fn with(service: String) -> String {
    all(&[stateful_set("app", 1), service, backend_config("app", "{timeoutSec: 7}"), ingress_to("app")])
}

/// The only error for a Service with this annotation, without its line.
fn error(annotation: &str) -> String {
    let mut errors = convert(&with(annotated(&two_ports(), annotation))).errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).split_once(": ").unwrap().1.to_owned()
}

#[test]
fn a_port_that_the_service_does_not_have_is_an_error() {
    let field = "metadata.annotations[cloud.google.com/backend-config]: error: Service app has no port";
    for port in ["web", "8080"] {
        assert_eq!(
            error(&format!("cloud.google.com/backend-config: '{{\"ports\": {{\"{port}\": \"app\"}}}}'")),
            format!("{field} \"{port}\"; write one of http, 80, admin, 81")
        );
    }
    let field = "metadata.annotations[cloud.google.com/app-protocols]: error: Service app has no port";
    for port in ["web", "80"] {
        assert_eq!(
            error(&format!("cloud.google.com/app-protocols: '{{\"{port}\": \"HTTP2\"}}'")),
            format!("{field} \"{port}\"; this annotation needs the name of a port: write one of http, admin")
        );
    }
    let unnamed = annotated(&service("app"), "cloud.google.com/app-protocols: '{\"80\": \"HTTP2\"}'");
    assert!(convert(&with(unnamed)).errors()[0].ends_with("; give the port a name"));
}

#[tokio::test]
async fn a_misspelt_annotation_is_reported() {
    for (written, meant) in [
        ("cloud.google.com/backendconfig", Some("cloud.google.com/backend-config")),
        ("beta.cloud.google.com/backend-configs", Some("beta.cloud.google.com/backend-config")),
        ("cloud.google.com/app-protocol", Some("cloud.google.com/app-protocols")),
        ("cloud.google.com/neg-status", None),
        ("cloud.google.com/load-balancer-type", None),
    ] {
        let annotation = format!("{written}: '{{\"default\": \"app\"}}'");
        let told = convert(&with(annotated(&two_ports(), &annotation))).written().await.not_carried_over();
        let wanted = meant.map(|meant| {
            format!("metadata.annotations[{written}]: not carried over: GKE has no annotation {written}; write {meant}")
        });
        let told: Vec<_> = told.iter().map(|told| told.split_once(": ").unwrap().1.to_owned()).collect();
        assert_eq!(told, wanted.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_backend_config_behind_a_gateway_is_reported() {
    let annotation = "cloud.google.com/backend-config: '{\"default\": \"app\"}'";
    let others = [plain_gateway(), route("web", "[]", &[&format!("{{{}}}", to("app"))])];
    let manifests =
        manifests(&["app"], &others).replace(&service("app"), &annotated(&service("app"), annotation));
    let told = convert(&manifests).written().await.not_carried_over();
    let wanted = "metadata.annotations[cloud.google.com/backend-config]: not carried over: a GKE Gateway ignores \
                  BackendConfigs; write a GCPBackendPolicy for this Service";
    assert!(told.len() == 1 && told[0].ends_with(wanted), "{told:?}");
}

const H2: &str = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/explicit_http_config/http2_protocol_options";

/// Whether the cluster uses TLS, and whether it uses HTTP/2.
fn protocol(cluster: &Value) -> (bool, bool) {
    (cluster.get("transport_socket").is_some(), cluster.pointer(H2).is_some())
}

fn speaking(protocol: &str) -> String {
    service("app").replace("targetPort: 8080\n", &format!("targetPort: 8080\n    appProtocol: {protocol}\n"))
}

#[tokio::test]
async fn a_gateway_reads_the_protocol_from_the_port() {
    let others = [plain_gateway(), route("web", "[]", &[&format!("{{{}}}", to("app"))])];
    let plain = manifests(&["app"], &others);
    for (name, wanted) in [
        ("HTTP", (false, false)),
        ("HTTPS", (true, false)),
        ("HTTP2", (true, true)),
        ("kubernetes.io/h2c", (false, true)),
    ] {
        let written = convert(&plain.replace(&service("app"), &speaking(name))).written().await;
        assert_eq!(protocol(&written.clusters()[0]), wanted, "{name}");
        assert_eq!(written.not_carried_over(), [""; 0], "{name}");
    }
    let written = convert(&plain.replace(&service("app"), &speaking("grpc"))).written().await;
    assert_eq!(protocol(&written.clusters()[0]), (false, false));
    let told = written.not_carried_over();
    let wanted = "spec.ports[0].appProtocol: not carried over: GKE does not know the protocol \"grpc\": requests to the \
                  pods use HTTP/1.1; write HTTP, HTTPS, HTTP2 or kubernetes.io/h2c";
    assert!(told.len() == 1 && told[0].ends_with(wanted), "{told:?}");
}

#[tokio::test]
async fn an_ingress_reads_the_protocol_from_the_annotation() {
    let written = convert(&with(speaking("HTTPS"))).written().await;
    assert_eq!(protocol(&written.clusters()[0]), (false, false));
    assert!(written.said.contains("a GKE Ingress ignores this field"), "{}", written.said);
    let annotation = "cloud.google.com/app-protocols: '{\"http\": \"HTTP2\"}'";
    let written = convert(&with(annotated(&two_ports(), annotation))).written().await;
    assert_eq!(protocol(&written.clusters()[0]), (true, true));
    assert_eq!(written.service()["name"], json!("app"));
}
