//! A WebSocket that the application declines: the response is handled like any other response.

use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::obedient_pods;
use crate::ecds::SOON;
use crate::endpoints::fleet::keys;
use crate::support::envoy;

const STATUSES: [u16; 7] = [200, 204, 302, 400, 403, 404, 503];

/// Requests a WebSocket with these header lines. Returns the response head, in lower case except for values.
async fn upgrade(envoy: &Envoy, lines: &[String]) -> Vec<String> {
    let mut request = "GET /ws HTTP/1.1\r\nhost: app\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .to_owned();
    for line in lines {
        request.extend([line, "\r\n"]);
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(envoy.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = timeout(SOON, stream.read_buf(&mut answer)).await.expect("an answer").unwrap();
        assert!(read > 0, "the connection ends within the head of the answer");
    }
    let (head, _) = std::str::from_utf8(&answer).unwrap().split_once("\r\n\r\n").unwrap();
    head.lines().map(str::to_owned).collect()
}

/// The value of a header in a response head.
fn value<'h>(head: &'h [String], name: &str) -> Option<&'h str> {
    head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn started(affinity: &Value) -> ([Pod; 2], Envoy) {
    let pods = obedient_pods();
    let plugin = json!({
        "sessionAffinity": affinity, "backends": ["app-0", "app-1"], "keys": keys(), "debugHeader": "x-debug",
    });
    let envoy = envoy(&pods, &plugin).await;
    (pods, envoy)
}

#[tokio::test]
async fn an_upgrade_that_the_application_declines_begins_a_session() {
    let (_pods, envoy) = started(&json!({ "affinityType": "GENERATED_COOKIE" })).await;
    let mut wrong = Vec::new();
    for status in STATUSES {
        let head = upgrade(&envoy, &[format!("x-answer-status: {status}")]).await;
        assert!(head[0].starts_with(&format!("HTTP/1.1 {status}")), "{head:?}");
        assert!(value(&head, "x-debug").unwrap().starts_with("assigned"), "{head:?}");
        if !value(&head, "set-cookie").is_some_and(|line| line.starts_with("GCLB=")) {
            wrong.push(status);
        }
    }
    assert!(wrong.is_empty(), "no cookie with {wrong:?}");
}

#[tokio::test]
async fn an_upgrade_that_the_application_declines_has_its_session_wrapped() {
    let affinity = json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "mcp-session-id" } });
    let (pods, envoy) = started(&affinity).await;
    let mut wrong = Vec::new();
    for status in STATUSES {
        let answer = format!("x-answer-status: {status}");
        let head =
            upgrade(&envoy, &[answer.clone(), "x-answer-header: mcp-session-id: secret".to_owned()]).await;
        assert!(head[0].starts_with(&format!("HTTP/1.1 {status}")), "{head:?}");
        let envelope = value(&head, "mcp-session-id").unwrap();
        if envelope == "secret" {
            wrong.push(status);
            continue;
        }
        for pod in &pods {
            pod.clear_requests();
        }
        let head = upgrade(&envoy, &[answer, format!("mcp-session-id: {envelope}")]).await;
        assert!(value(&head, "x-debug").unwrap().starts_with("pinned"), "{head:?}");
        let arrived: Vec<_> = pods.iter().flat_map(Pod::requests).collect();
        assert_eq!(arrived.len(), 1);
        assert_eq!(arrived[0].header("mcp-session-id"), [b"secret"]);
    }
    assert!(wrong.is_empty(), "not wrapped with {wrong:?}");
}
