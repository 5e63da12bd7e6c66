//! Tests that the parts work together, on a real Envoy, without the filter.

#![allow(clippy::string_slice, reason = "tests may panic")]

use std::time::Duration;

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use harness::client::{self, Client};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::{Pod, RawPod, RefusingAddress, SilentAddress};
use harness::xds;
use serde_json::{Value, json};

/// A bootstrap with one cluster for all requests.
fn to(address: std::net::SocketAddr) -> Bootstrap {
    Bootstrap::new()
        .cluster("pod", &[address])
        .route(json!({ "match": { "prefix": "/" }, "route": { "cluster": "pod" } }))
}

#[tokio::test]
async fn a_pod_answers_its_name_through_envoy_over_http1_and_http2() {
    let pod = Pod::start("neg-demo-0").unwrap();
    let envoy = Envoy::start(&to(pod.address()).build()).await.unwrap();
    for client in [Client::http1(), Client::http1_fresh(), Client::http2(), Client::jar()] {
        let reply = client.fetch(&format!("{}/any/path", envoy.url()), &[]).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.pod.as_str()), (200, "neg-demo-0"));
        assert_eq!(reply.header("x-pod").unwrap(), "neg-demo-0");
    }
    assert_eq!(envoy.wait_for_stat("http.http.downstream_rq_2xx", |n| n == 4, SECONDS).await.unwrap(), 4);
    assert_eq!(envoy.address("http"), envoy.url()["http://".len()..].parse().ok());
}

const SECONDS: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_browser_gets_the_page_and_others_the_name() {
    let pod = Pod::start("neg-demo-0").unwrap();
    let url = format!("http://{}/", pod.address());
    let page = Client::http1().fetch(&url, &[("accept", b"text/html,*/*")]).await.unwrap();
    assert!(page.pod.contains("<!doctype html>"), "{}", page.pod);
    assert_eq!(Client::http1().fetch(&url, &[]).await.unwrap().pod, "neg-demo-0");
}

#[tokio::test]
async fn a_cookie_jar_forgets_a_cookie_that_a_pod_deletes() {
    let router =
        Router::new().route("/login", axum::routing::get(async || [("set-cookie", "GCLB=1; Path=/")]));
    // A browser's cookies belong to the host and not to the port.
    let app = Pod::with_router("app", router).unwrap();
    let pod = Pod::start("neg-demo-0").unwrap();
    let jar = Client::jar();
    let reply = jar.fetch(&format!("http://{}/login", app.address()), &[]).await.unwrap();
    assert_eq!(reply.cookie_pair("GCLB"), Some("GCLB=1"));
    jar.fetch(&format!("http://{}/", pod.address()), &[]).await.unwrap();
    assert_eq!(pod.last_request().header("cookie"), [b"GCLB=1"]);

    jar.fetch(&format!("http://{}/drop-cookie", pod.address()), &[]).await.unwrap();
    jar.fetch(&format!("http://{}/", pod.address()), &[]).await.unwrap();
    assert!(pod.last_request().header("cookie").is_empty());
}

#[tokio::test]
async fn a_websocket_through_envoy_says_the_pods_name_first_and_then_echoes() {
    let pod = Pod::start("neg-demo-0").unwrap();
    let envoy = Envoy::start(&to(pod.address()).build()).await.unwrap();
    let url = format!("{}/ws", envoy.url());
    let (headers, mut socket) = client::websocket(&url, &[("x-odd", b"\xff")]).await.unwrap();
    assert_eq!(headers["x-pod"], "neg-demo-0");
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "neg-demo-0");
    socket.send("hello".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "neg-demo-0: hello");
    assert_eq!(pod.last_request().header("x-odd"), [b"\xff"]);
}

#[tokio::test]
async fn header_values_of_any_bytes_pass_both_ways() {
    let raw = RawPod::start(*b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-odd: \xfe\xff\r\n\r\nok").unwrap();
    let envoy = Envoy::start(&to(raw.address()).build()).await.unwrap();
    let reply = Client::http1().fetch(&envoy.url(), &[("x-odd", b"a\x80")]).await.unwrap();
    assert_eq!(reply.headers["x-odd"].as_bytes(), b"\xfe\xff");
    let head = raw.requests().pop().unwrap();
    assert!(head.windows(9).any(|window| window == b"x-odd: a\x80"));
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = client::raw(envoy.address("http").unwrap(), request).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_stopped_pod_refuses_at_once_and_can_come_back() {
    let kept = RefusingAddress::new().unwrap();
    let url = format!("http://{}/", kept.address());
    let client = Client::http1();
    client.fetch(&url, &[]).await.unwrap_err();
    for _ in 0..3 {
        let pod = Pod::start_at("neg-demo-0", kept.address()).unwrap();
        assert_eq!(client.fetch(&url, &[]).await.unwrap().pod, pod.name());
        pod.stop();
        client.fetch(&url, &[]).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_frozen_pod_accepts_requests_and_answers_when_it_thaws() {
    let kept = RefusingAddress::new().unwrap();
    let pod = Pod::slow_at("neg-demo-0", kept.address(), Duration::from_millis(20)).unwrap();
    let url = format!("http://{}/", pod.address());
    let client = Client::http1_fresh();
    client.fetch(&url, &[]).await.unwrap();
    for _ in 0..2 {
        pod.freeze();
        let mut request = Box::pin(client.fetch(&url, &[]));
        tokio::time::timeout(Duration::from_millis(200), &mut request).await.unwrap_err();
        pod.thaw();
        assert_eq!(request.await.unwrap().pod, pod.name());
    }
    pod.freeze();
    pod.stop();
    client.fetch(&url, &[]).await.unwrap_err();
}

#[tokio::test]
async fn a_refusing_address_is_a_503_of_envoys() {
    let nobody = RefusingAddress::new().unwrap();
    let envoy = Envoy::start(&to(nobody.address()).build()).await.unwrap();
    assert_eq!(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().status, 503);
}

#[tokio::test]
async fn a_silent_address_is_a_connect_timeout_of_envoys() {
    let silent = SilentAddress::start().await.unwrap();
    let envoy = Envoy::start(&to(silent.address()).build()).await.unwrap();
    let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.pod.contains("connection timeout"), "{}", reply.pod);
    drop(silent);
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_a_log_that_says_why() {
    let config =
        Bootstrap::new().edit(|config| config["static_resources"] = json!({ "nonsense": 1 })).build();
    let log = Envoy::expect_refusal(&config).await.unwrap();
    assert!(log.contains("nonsense"), "{log}");
    assert!(Envoy::validate(&config).await.unwrap_err().contains("nonsense"));
    let error = Envoy::start(&config).await.unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[tokio::test]
async fn a_good_configuration_is_valid_and_not_refused() {
    let config = to(RefusingAddress::new().unwrap().address()).build();
    Envoy::validate(&config).await.unwrap();
    Envoy::expect_refusal(&config).await.unwrap_err();
}

#[tokio::test]
async fn a_file_replaced_by_rename_reaches_envoy() {
    let directory = tempfile::tempdir().unwrap();
    let clusters = directory.path().join("clusters.json");
    let cluster = |pod: &Pod| -> Value {
        let mut cluster = harness::config::cluster("pod", &[pod.address()]);
        cluster["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
        cluster
    };
    let (blue, green) = (Pod::start("blue").unwrap(), Pod::start("green").unwrap());
    xds::write(&clusters, xds::resources(&[cluster(&blue)])).unwrap();
    let config = Bootstrap::new()
        .route(json!({ "match": { "prefix": "/" }, "route": { "cluster": "pod" } }))
        .edit({
            let clusters = clusters.clone();
            move |config| {
                config["node"] = json!({ "id": "test", "cluster": "test" });
                config["dynamic_resources"]["cds_config"]["path_config_source"]["path"] = json!(clusters);
                config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
                    ["route_config"]["validate_clusters"] = json!(false);
            }
        })
        .build();
    let envoy = Envoy::start(&config).await.unwrap();
    assert_eq!(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().pod, "blue");
    xds::write(&clusters, xds::resources(&[cluster(&green)])).unwrap();
    envoy.wait_for_stat("cluster_manager.cds.update_success", |n| n == 2, SECONDS).await.unwrap();
    assert_eq!(Client::http1().fetch(&envoy.url(), &[]).await.unwrap().pod, "green");
}

#[tokio::test]
async fn envoy_ends_when_asked_and_gives_its_log() {
    let envoy = Envoy::start(&to(RefusingAddress::new().unwrap().address()).build()).await.unwrap();
    let log = envoy.stop().await.unwrap();
    assert!(log.contains("exiting"), "{log}");
}
