//! What clients learn about endpoints, and what they can do to endpoints: nothing.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use harness::client::{Client, Reply};
use harness::config::{Bootstrap, stateful_session};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::fleet::keys;
use crate::raw::exchange;
use crate::support::outcome;

/// Four pods, one of them on IPv6 if the machine supports IPv6.
pub fn pods(start: fn(&str, SocketAddr) -> Pod) -> Vec<Pod> {
    let last = if TcpListener::bind("[::1]:0").is_ok() { "[::1]:0" } else { "127.0.0.1:0" };
    let addresses: [SocketAddr; 4] =
        ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", last].map(|address| address.parse().unwrap());
    addresses.into_iter().enumerate().map(|(index, at)| start(&format!("secret-{index}"), at)).collect()
}

/// A route with this name to this cluster.
fn route(name: &str, to: &Value) -> Value {
    json!({ "name": name, "match": { "prefix": format!("/{name}") }, "route": to })
}

/// Services with and without pins, and routes that belong to no service. All pass `stateful_session`.
fn bootstrap(pods: &[Pod], plugin: &Value) -> Bootstrap {
    let addresses: Vec<_> = pods.iter().map(Pod::address).collect();
    let gone = "127.0.0.1:1".parse().unwrap();
    let by_filter = json!({ "cluster_header": "x-affinity-cluster" });
    Bootstrap::new()
        .cluster("pods", &addresses)
        .cluster("gone", &[gone])
        .filter(plugin)
        .http_filter(stateful_session(false))
        .route(route("cookie", &json!({ "cluster": "pods" })))
        .route(route("header", &json!({ "cluster": "pods" })))
        .route(route("envelope", &json!({ "cluster": "pods" })))
        .route(route("both", &by_filter))
        .route(route("none", &by_filter))
        .route(route("gone", &json!({ "cluster": "gone" })))
        .route(json!({ "match": { "prefix": "/direct" }, "direct_response": { "status": 200 } }))
        .route(route("unserved", &json!({ "cluster": "pods" })))
}

fn services() -> Value {
    let service = |name: &str, affinity: Value, more: Value| {
        let mut service = json!({ "name": name, "routes": [name], "sessionAffinity": affinity });
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service
    };
    let endpoint = json!({ "pin": "ENDPOINT" });
    let carried = |kind: &str, name: &str| json!({ "affinityType": kind, "header": { "name": name } });
    let cookie = |name: &str| json!({ "affinityType": "GENERATED_COOKIE", "cookie": { "name": name } });
    let both = json!({ "pin": "CLUSTER_AND_ENDPOINT", "backends": ["pods"] });
    json!({ "keys": keys(), "debugHeader": "x-debug", "services": [
        service("cookie", cookie("GCLB"), endpoint.clone()),
        service("header", carried("GENERATED_HEADER", "x-session"), endpoint.clone()),
        service("envelope", carried("HEADER_ENVELOPE", "x-pod"), endpoint.clone()),
        service("both", cookie("BOTH"), both),
        service("none", json!({ "affinityType": "NONE" }), json!({ "backends": ["pods"] })),
        service("gone", cookie("GONE"), endpoint),
    ] })
}

/// All texts that would reveal a pod's address.
fn tells(pod: &Pod) -> Vec<String> {
    let address = pod.address();
    let with_port = address.to_string();
    let encoded =
        [Base64::encode_string(with_port.as_bytes()), Base64UrlUnpadded::encode_string(with_port.as_bytes())];
    [vec![address.port().to_string(), address.ip().to_string(), pod.name().to_owned()], encoded.to_vec()]
        .concat()
}

/// The token in a response on this route.
fn token(path: &str, reply: &Reply) -> Option<String> {
    let cookie = |name| Some(reply.cookie_pair(name)?.split_once('=')?.1.to_owned());
    match path {
        "cookie" => cookie("GCLB"),
        "both" => cookie("BOTH"),
        "header" => reply.header("x-session"),
        "envelope" => reply.header("x-pod"),
        _ => None,
    }
}

#[tokio::test]
async fn no_response_on_any_route_tells_of_an_endpoint() {
    let pods = pods(|name, at| Pod::start_at(name, at).unwrap());
    let envoy = Envoy::start(&bootstrap(&pods, &services()).build()).await.unwrap();
    let client = Client::http1();
    let told: Vec<String> = pods.iter().flat_map(tells).chain(["x-affinity".to_owned()]).collect();
    let mut lengths = BTreeSet::new();
    for (path, status) in [
        ("cookie", 200),
        ("header", 200),
        ("envelope", 200),
        ("both", 200),
        ("none", 200),
        ("gone", 503),
        ("direct", 200),
        ("unserved", 200),
        ("nowhere", 404),
    ] {
        for _ in 0..12 {
            let url = format!("{}/{path}", envoy.url());
            let reply = client.fetch(&url, &[]).await.unwrap();
            assert_eq!(reply.status, status, "{path}");
            let mut replies = vec![reply.clone()];
            assert_eq!(reply.set_cookies.is_empty(), !["cookie", "both"].contains(&path));
            if let Some(token) = token(path, &reply) {
                let bytes = Base64UrlUnpadded::decode_vec(&token).unwrap();
                for address in [&b"\x7f\0\0\x01"[..], b"127.0.0.1", b"\0\0\0\0\0\x01", b"secret-", b"pods"] {
                    assert!(!bytes.windows(address.len()).any(|window| window == address), "{path}: {token}");
                }
                if path != "envelope" {
                    lengths.insert(token.len());
                }
                let cookies = format!("GCLB={token}; BOTH={token}");
                let headers = [("cookie", &cookies), ("x-session", &token), ("x-pod", &token)];
                let headers = headers.map(|(name, value)| (name, value.as_bytes()));
                let again = client.fetch(&url, &headers).await.unwrap();
                assert_eq!((&*outcome(&again), &again.pod), ("pinned", &reply.pod), "{path}");
                replies.push(again);
            }
            for reply in replies {
                for (name, value) in &reply.headers {
                    let line = format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
                    // A pod of these tests sends its own name. Only the envelope removes that name.
                    let own = name == "x-pod" && path != "envelope";
                    assert!(own || !told.iter().any(|told| line.contains(told)), "{path}: {line}");
                }
            }
        }
    }
    assert_eq!(lengths.len(), 1, "a token's length tells the kind of address: {lengths:?}");
}

#[tokio::test]
async fn naming_an_endpoint_gets_a_client_nowhere_with_any_pin_or_none() {
    let pods = pods(|name, at| Pod::start_at(name, at).unwrap());
    let envoy = Envoy::start(&bootstrap(&pods, &services()).build()).await.unwrap();
    let client = Client::http1();
    let wanted = Base64::encode_string(pods[1].address().to_string().as_bytes());
    let lines = [
        format!("x-affinity-endpoint: {wanted}\r\n"),
        format!("X-AFFINITY-ENDPOINT:{wanted}\r\n"),
        format!("x-affinity-endpoint: {wanted}\r\nx-affinity-endpoint: {wanted}\r\n"),
        format!("x-affinity-endpoint: {wanted},{wanted}\r\nx-affinity-endpoint: {wanted}\r\n"),
        format!("x-affinity-endpoint:\r\nx-affinity-endpoint: \t {wanted} \t\r\n"),
        format!("connection: x-affinity-endpoint\r\nx-affinity-endpoint: {wanted}\r\n"),
    ];
    for path in ["cookie", "header", "envelope", "both", "none", "unserved"] {
        for lines in &lines {
            let request = format!("GET /{path} HTTP/1.1\r\nhost: app\r\n{lines}\r\n");
            let mut met = BTreeSet::new();
            for _ in 0..12 {
                let answer = String::from_utf8(exchange(&envoy, request.as_bytes()).await).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                met.insert(answer.rsplit_once("\r\n").unwrap().1.to_owned());
            }
            assert!(met.len() > 1, "{path} with {lines:?}: {met:?}");
        }
    }
    for pod in &pods {
        assert!(pod.requests().iter().all(|request| request.header("x-affinity-endpoint").is_empty()));
    }
    // Nor does the cookie move a session away from its pod.
    for path in ["cookie", "both"] {
        let url = format!("{}/{path}", envoy.url());
        let first = client.fetch(&url, &[]).await.unwrap();
        let cookie = first.set_cookies[0].split(';').next().unwrap();
        for pod in &pods {
            let wanted = Base64::encode_string(pod.address().to_string().as_bytes());
            for _ in 0..3 {
                let headers = [("cookie", cookie.as_bytes()), ("x-affinity-endpoint", wanted.as_bytes())];
                let reply = client.fetch(&url, &headers).await.unwrap();
                assert_eq!((&reply.pod, &*outcome(&reply)), (&first.pod, "pinned"));
            }
        }
    }
}
