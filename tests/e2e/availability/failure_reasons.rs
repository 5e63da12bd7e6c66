//! The reasons that Envoy gives for a failed request. `health::classify` must know these reasons.

use std::net::SocketAddr;

use harness::client::Client;
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::{Pod, RawPod, RefusingAddress, SilentAddress};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::ecds::eventually;

/// An HTTP/2 server that resets every stream for this reason.
async fn resetting(reason: h2::Reason) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(reason);
                }
            });
        }
    });
    address
}

/// The same cluster over HTTP/2.
fn over_http2(mut cluster: Value) -> Value {
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        },
    });
    cluster
}

/// A route to the cluster of the same name.
fn route(name: &str, action: &Value) -> Value {
    let mut route = json!({ "match": { "path": format!("/{name}") }, "route": { "cluster": name } });
    for (field, value) in action.as_object().unwrap() {
        route["route"][field] = value.clone();
    }
    route
}

#[tokio::test]
async fn this_envoy_says_in_the_known_words_why_a_request_failed() {
    const RESET: &str = "upstream_reset_before_response_started";
    let pod = Pod::start("pod").unwrap();
    let frozen = Pod::start("frozen").unwrap();
    frozen.freeze();
    let refusing = RefusingAddress::new().unwrap();
    let silent = SilentAddress::start().await.unwrap();
    let closing = RawPod::start([]).unwrap();
    let garbage = RawPod::start(*b"this is no HTTP\r\n\r\n").unwrap();
    let refusing_streams = resetting(h2::Reason::REFUSED_STREAM).await;
    let resetting_streams = resetting(h2::Reason::CANCEL).await;

    let mut unhealthy = config::cluster("unhealthy", &[refusing.address()]);
    unhealthy["health_checks"] = json!([{
        "tcp_health_check": {}, "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1,
    }]);
    let mut full = config::cluster("full", &[pod.address()]);
    full["circuit_breakers"] = json!({ "thresholds": [{ "max_requests": 0, "max_pending_requests": 0 }] });
    let impatient = json!({ "timeout": "0.3s" });
    let per_try =
        json!({ "retry_policy": { "retry_on": "5xx", "num_retries": 0, "per_try_timeout": "0.3s" } });
    let unknown = json!({ "cluster": null, "cluster_header": "x-to" });
    let bootstrap = Bootstrap::new()
        .cluster("answered", &[pod.address()])
        .cluster("refused", &[refusing.address()])
        .cluster("lost", &[silent.address()])
        .cluster("closed", &[closing.address()])
        .cluster("garbage", &[garbage.address()])
        .cluster("slow", &[frozen.address()])
        .cluster("slow-try", &[frozen.address()])
        .cluster("empty", &[])
        .cluster_json(over_http2(config::cluster("refused-stream", &[refusing_streams])))
        .cluster_json(over_http2(config::cluster("reset-stream", &[resetting_streams])))
        .cluster_json(unhealthy)
        .cluster_json(full);
    let expected = [
        ("answered", json!({}), "via_upstream"),
        ("refused", json!({}), "RESET{remote_connection_failure"),
        ("lost", json!({}), "RESET{connection_timeout"),
        ("unhealthy", json!({}), "no_healthy_upstream"),
        ("empty", json!({}), "no_healthy_upstream"),
        ("unknown", unknown, "cluster_not_found"),
        ("closed", json!({}), "RESET{connection_termination"),
        ("garbage", json!({}), "RESET{protocol_error"),
        ("slow", impatient, "response_timeout"),
        ("slow-try", per_try, "upstream_per_try_timeout"),
        ("reset-stream", json!({}), "RESET{remote_reset"),
        // The backend only asks for a retry.
        ("refused-stream", json!({}), "RESET{remote_refused_stream_reset"),
        // A limit of Envoy, not of the backend.
        ("full", json!({}), "RESET{overflow"),
    ];
    let bootstrap = expected.iter().fold(bootstrap, |bootstrap, (name, action, _)| {
        let mut route = route(name, action);
        route["route"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        bootstrap.route(route)
    });
    let log = json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "text_format_source": {
                "inline_string": "%REQ(:PATH)% %RESPONSE_CODE_DETAILS%\n",
            } },
        },
    });
    let bootstrap = bootstrap.hcm(move |manager| manager["access_log"] = json!([log]));
    let envoy = Envoy::start(&bootstrap.build()).await.unwrap();
    envoy
        .wait_for_stat("cluster.unhealthy.membership_healthy", |count| count == 0, crate::ecds::SOON)
        .await
        .unwrap();
    let client = Client::http1();
    for (name, _, _) in &expected {
        client.fetch(&format!("{}/{name}", envoy.url()), &[("x-to", b"nowhere")]).await.unwrap();
    }
    let said = || -> Vec<(String, String)> {
        let output = envoy.output();
        let lines = output.lines().filter_map(|line| line.strip_prefix('/')?.split_once(' '));
        lines.map(|(name, details)| (name.to_owned(), details.to_owned())).collect()
    };
    eventually("all is logged", async || said().len() == expected.len()).await;
    let mut wrong = Vec::new();
    for ((name, details), (_, _, expected)) in said().iter().zip(&expected) {
        let expected = expected.replace("RESET", RESET);
        if !details.starts_with(&expected) {
            wrong.push(format!("{name}: {details}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
