//! Backends that close the connection in the middle of the response to a health check.

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::RawPod;
use serde_json::json;

use crate::availability::fleet::{Fleet, SECOND};
use crate::ecds::eventually;
use crate::workers::{Workers, assert_no_vm_failed};

/// Each backend's name, and the bytes it sends before it closes the connection.
const TRUNCATED: [(&str, &str); 4] = [
    ("no-answer", ""),
    ("half-the-headers", "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-len"),
    ("half-the-body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
    ("half-a-chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf"),
];

#[tokio::test]
async fn a_backend_that_cuts_off_its_answer_to_a_health_check_fails_the_check_and_others_serve() {
    let fleet = Fleet::start(1);
    let pods = TRUNCATED.map(|(name, answer)| (name, RawPod::start(answer).unwrap()));
    let mut plugin = fleet.plugin(&json!({
        "healthCheck": { "checkIntervalSec": 1, "requestPath": "/healthz" },
        "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
    }));
    let backends = plugin["backends"].as_array_mut().unwrap();
    backends.extend(pods.iter().map(|(name, _)| json!(name)));
    let bootstrap = pods
        .iter()
        .fold(fleet.bootstrap(), |bootstrap, (name, pod)| bootstrap.cluster(name, &[pod.address()]));
    let envoy = Envoy::start(&bootstrap.filter(&plugin).build()).await.unwrap();
    for (name, pod) in &pods {
        envoy.wait_for_log(&format!("{name} fails its health checks"), SECOND * 20).await.unwrap();
        let is_probe = |head: &Vec<u8>| head.starts_with(b"GET /healthz HTTP/1.1\r\n");
        assert!(pod.requests().iter().filter(|head| is_probe(head)).count() >= 2, "{name}");
    }
    let served = async || {
        let client = Client::http1_fresh();
        for _ in 0..40 {
            if !client.fetch(&envoy.url(), &[]).await.is_ok_and(|reply| reply.pod == "app-0") {
                return false;
            }
        }
        true
    };
    eventually("the workers send requests only to the backend that answers", served).await;
    // The health checks keep failing, so the other backends do not come back.
    let heads = pods[0].1.requests().len();
    eventually("two more checks", async || pods[0].1.requests().len() >= heads + 2).await;
    let workers = Workers::of(&envoy).await;
    for _ in 0..20 {
        for reply in workers.fetch("/", &[]).await {
            assert_eq!((reply.status.as_u16(), &*reply.pod), (200, "app-0"));
        }
    }
    assert!(!envoy.log().contains("passes its health checks"));
    assert_no_vm_failed(&envoy).await;
}
