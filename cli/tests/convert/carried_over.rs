//! Other settings of manifests that the converter carries over to Envoy.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use harness::client::{Client, websocket};
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::manifests::{
    all, annotated, backend_config, configured, ingress_to, service, service_with_config, stateful_set,
};
use crate::support::{convert, convert_with};

/// The health checks of the filter, and those of Envoy.
async fn health(manifests: &str) -> (Value, Value) {
    let written = convert(manifests).written().await;
    (written.service()["healthCheck"].clone(), written.clusters()[0]["health_checks"].clone())
}

fn check(path: &str, [interval, timeout, healthy, unhealthy]: [u32; 4]) -> Value {
    json!({
        "requestPath": path,
        "checkIntervalSec": interval,
        "timeoutSec": timeout,
        "healthyThreshold": healthy,
        "unhealthyThreshold": unhealthy,
    })
}

/// A StatefulSet with this readiness probe.
fn probed(probe: &str) -> String {
    stateful_set("app", 2) + "        readinessProbe: " + probe + "\n"
}

fn with_probe(probe: &str, spec: &str) -> String {
    all(&[probed(probe), service_with_config("app"), backend_config("app", spec), ingress_to("app")])
}

#[tokio::test]
async fn health_checks_have_gkes_defaults_without_a_probe_and_a_backend_config() {
    let own = check("/", [15, 15, 1, 2]);
    assert_eq!(health(&configured("{}")).await, (own.clone(), json!(null)));
    let tcp = with_probe("{tcpSocket: {port: 8080}, periodSeconds: 3}", "{}");
    assert_eq!(health(&tcp).await.0, own, "a probe that GKE does not take over");
    let elsewhere = with_probe("{httpGet: {port: 9999, path: /ready}}", "{}");
    assert_eq!(health(&elsewhere).await.0, own, "a probe of another port");
    let tls = with_probe("{httpGet: {port: http, path: /ready, scheme: HTTPS}}", "{}");
    assert_eq!(health(&tls).await.0, own, "a probe of another protocol");
}

#[tokio::test]
async fn a_readiness_probe_is_used_and_a_backend_config_overrides_it() {
    let probe = "{httpGet: {port: http, path: ready}, periodSeconds: 7, timeoutSeconds: 3}";
    assert_eq!(health(&with_probe(probe, "{}")).await.0, check("/ready", [7, 3, 1, 2]));
    let spec = "{healthCheck: {requestPath: /healthz, unhealthyThreshold: 4}}";
    assert_eq!(health(&with_probe(probe, spec)).await.0, check("/healthz", [7, 3, 1, 4]));
    let spec = "{healthCheck: {checkIntervalSec: 4, timeoutSec: 2, healthyThreshold: 3, unhealthyThreshold: 5, \
                requestPath: /h, type: HTTP, port: 8080}}";
    assert_eq!(health(&with_probe(probe, spec)).await, (check("/h", [4, 2, 3, 5]), json!(null)));
    let defaults = with_probe("{httpGet: {port: 8080}}", "{}");
    assert_eq!(health(&defaults).await.0, check("/", [10, 1, 1, 2]), "Kubernetes' own defaults");
    let shorter = configured("{healthCheck: {checkIntervalSec: 4}}");
    assert_eq!(health(&shorter).await.0, check("/", [4, 4, 1, 2]), "a probe ends before the next one begins");
}

#[tokio::test]
async fn health_checks_with_another_port_or_a_host_are_done_by_envoy() {
    let spec = "{healthCheck: {port: 9000, requestPath: /healthz, checkIntervalSec: 4, timeoutSec: 2}}";
    let written = convert(&configured(spec)).written().await;
    let check = &written.clusters()[0];
    let wanted = json!([{
        "http_health_check": { "path": "/healthz" },
        "interval": "4s", "no_traffic_interval": "4s", "timeout": "2s",
        "healthy_threshold": 1, "unhealthy_threshold": 2,
    }]);
    assert_eq!(check["health_checks"], wanted);
    let endpoint = check.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint").unwrap();
    assert_eq!(endpoint["health_check_config"], json!({ "port_value": 9000 }));
    assert_eq!(written.service()["healthCheck"], json!(null));
    let probe = "{httpGet: {port: http, path: /r, httpHeaders: [{name: Host, value: in.example}]}}";
    let (ours, envoys) = health(&with_probe(probe, "{}")).await;
    assert_eq!(ours, json!(null));
    assert_eq!(envoys[0]["http_health_check"], json!({ "path": "/r", "host": "in.example" }));
}

#[tokio::test]
async fn the_timeout_is_that_of_the_backend_config_or_unlimited() {
    let route = async |spec: &str| convert(&configured(spec)).written().await.routes()[0]["route"].clone();
    let header = "x-affinity-cluster";
    assert_eq!(route("{}").await, json!({ "cluster_header": header, "timeout": "0s" }));
    assert_eq!(route("{timeoutSec: 7}").await, json!({ "cluster_header": header, "timeout": "7s" }));
    // A WebSocket may be idle for as long as it may be open in GKE.
    let long = json!({ "cluster_header": header, "timeout": "86400s", "idle_timeout": "86400s" });
    assert_eq!(route("{timeoutSec: 86400}").await, long);
}

#[tokio::test]
async fn a_response_that_takes_longer_is_a_504_and_a_websocket_stays_open() {
    let slow = Pod::slow_at("slow", ([127, 0, 0, 1], 0).into(), Duration::from_secs(3)).unwrap();
    let quick = Pod::start("quick").unwrap();
    for (pod, is_slow) in [(&slow, true), (&quick, false)] {
        let endpoints = format!("app={}", pod.address());
        let written =
            convert_with(&configured("{timeoutSec: 1}"), &["--endpoints", &endpoints]).written().await;
        let envoy = written.start().await;
        if is_slow {
            assert_eq!(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().status, 504);
            continue;
        }
        let (_, mut socket) = websocket(&format!("{}/ws", envoy.url()), &[]).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "quick");
        // This tests time: the WebSocket is open for longer than the timeout.
        tokio::time::sleep(Duration::from_secs(2)).await;
        socket.send("still there".into()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "quick: still there");
    }
}

#[tokio::test]
async fn headers_are_added_for_pods_and_clients_with_the_variables_that_envoy_has() {
    let pod = Pod::start("app").unwrap();
    let spec = r#"
  customRequestHeaders:
    headers:
    - "X-Balancer: GKE, 100% {sure} of it"
    - "X-Client:{client_ip_address} over {client_protocol}"
    - "X-Blank:"
    - "X-Region:{client_region}"
  customResponseHeaders:
    headers: ["Strict-Transport-Security: max-age=60"]"#;
    let manifests = configured(&spec.replace(" {sure} of it", ""));
    let endpoints = format!("app={}", pod.address());
    let written = convert_with(&manifests, &["--endpoints", &endpoints]).written().await;
    let envoy = written.start().await;
    let spoofed: [(&str, &[u8]); 1] = [("x-client", b"192.0.2.7")];
    let reply = Client::http1().fetch(&envoy.url(), &spoofed).await.unwrap();
    assert_eq!(reply.header("strict-transport-security").unwrap(), "max-age=60");
    let request = pod.last_request();
    let header = |name: &str| {
        let values: Vec<_> =
            request.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        values
    };
    assert_eq!(header("x-balancer"), ["GKE, 100%"]);
    assert_eq!(header("x-client"), ["127.0.0.1 over HTTP/1.1"]);
    assert_eq!(header("x-blank"), [""]);
    assert_eq!(header("x-region"), [""; 0]);
    let told = written.not_carried_over();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(": spec.customRequestHeaders.headers[3]: not carried over: "), "{told:?}");
    assert!(
        told[0].ends_with("Envoy has no variable {client_region}: the whole header is left out"),
        "{told:?}"
    );
}

/// The cluster of a Service with this protocol for its port `web`.
async fn cluster(annotation: &str, protocol: &str) -> Value {
    let named = service("app").replace("  - port: 80\n", "  - name: web\n    port: 80\n");
    let service = annotated(&named, &format!("{annotation}: '{{\"web\": \"{protocol}\"}}'"));
    let written = convert(&all(&[stateful_set("app", 1), service, ingress_to("app")])).written().await;
    written.clusters()[0].clone()
}

#[tokio::test]
async fn requests_to_pods_use_the_protocol_that_the_service_names() {
    let plain = cluster("cloud.google.com/app-protocols", "HTTP").await;
    assert_eq!(plain.get("transport_socket"), None);
    for annotation in ["cloud.google.com/app-protocols", "service.alpha.kubernetes.io/app-protocols"] {
        let tls = cluster(annotation, "HTTPS").await;
        assert_eq!(tls["transport_socket"]["name"], "envoy.transport_sockets.tls");
        assert_eq!(tls.get("typed_extension_protocol_options"), None);
    }
    let http2 = cluster("cloud.google.com/app-protocols", "HTTP2").await;
    let options =
        &http2["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    assert_eq!(options["explicit_http_config"], json!({ "http2_protocol_options": {} }));
    let context = &http2["transport_socket"]["typed_config"]["common_tls_context"];
    assert_eq!(context, &json!({ "alpn_protocols": ["h2"] }));
}

#[tokio::test]
async fn requests_of_a_service_with_logging_are_logged_and_no_others() {
    let pod = Pod::start("app").unwrap();
    let endpoints = format!("app={}", pod.address());
    for (spec, logged) in [
        ("{logging: {enable: true}}", 3),
        ("{logging: {enable: true, sampleRate: 0.0}}", 0),
        ("{logging: {enable: false, sampleRate: 1.0}}", 0),
        ("{}", 0),
    ] {
        let written = convert_with(&configured(spec), &["--endpoints", &endpoints]).written().await;
        let envoy = written.start().await;
        for _ in 0..3 {
            Client::http1_fresh().fetch(&format!("{}/logged", envoy.url()), &[]).await.unwrap();
        }
        let answered = "http.ingress.downstream_rq_2xx";
        envoy.wait_for_stat(answered, |count| count == 3, Duration::from_secs(10)).await.unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let lines = || envoy.output().matches("\"GET /logged HTTP/1.1\" 200").count();
        while lines() < logged && std::time::Instant::now() < deadline {
            // Envoy writes its logs with a delay.
            envoy.admin_post("/reopen_logs").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(lines(), logged, "{spec}: {}", envoy.output());
    }
}
