//! What clients learn of endpoints, and what they can do about them: nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::fleet::{keys, pin_endpoint, stateful_session};
use crate::raw::exchange;
use crate::support::outcome;

/// Four pods, one of them on IPv6.
fn pods() -> Vec<Pod> {
    let addresses: [SocketAddr; 4] =
        ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "[::1]:0"].map(|address| address.parse().unwrap());
    addresses
        .into_iter()
        .enumerate()
        .map(|(index, at)| Pod::start_at(&format!("secret-{index}"), at).unwrap())
        .collect()
}

/// A route of this name, to this.
fn route(name: &str, to: &Value) -> Value {
    json!({ "name": name, "match": { "prefix": format!("/{name}") }, "route": to })
}

/// Services with pins and without, and routes that belong to none. All pass `stateful_session`.
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

/// What would tell where a pod is.
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
    let pods = pods();
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
                    // A pod of these tests says its own name, which the envelope alone takes away.
                    let own = name == "x-pod" && path != "envelope";
                    assert!(own || !told.iter().any(|told| line.contains(told)), "{path}: {line}");
                }
            }
        }
    }
    assert_eq!(lengths.len(), 1, "a token's length tells the kind of address: {lengths:?}");
}

#[tokio::test]
async fn a_forged_or_foreign_token_reaches_no_chosen_endpoint() {
    let pods = pods();
    let start = async |plugin: Value| {
        let addresses: Vec<_> = pods.iter().map(Pod::address).collect();
        let bootstrap = Bootstrap::new().cluster("pods", &addresses).filter(&plugin);
        let route = json!({ "name": "app", "match": { "prefix": "/" }, "route": { "cluster": "pods" } });
        Envoy::start(&bootstrap.http_filter(stateful_session(false)).route(route).build()).await.unwrap()
    };
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut plugin = pin_endpoint();
        edit(&mut plugin);
        plugin
    };
    let other_secret = json!([{ "id": "k1", "secret": "NAanJhIhSejZr8NopGETXYLRPRfcIxzpwW3q0RTy5dI=" }]);
    let as_header = json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "gclb" } });
    let (home, secret, service, cookie, carrier) = tokio::join!(
        start(pin_endpoint()),
        start(with(&|plugin| plugin["keys"] = other_secret.clone())),
        start(with(&|plugin| plugin["name"] = json!("other"))),
        start(with(&|plugin| plugin["sessionAffinity"]["cookie"] = json!({ "name": "OTHER" }))),
        start(with(&|plugin| plugin["sessionAffinity"] = as_header.clone())),
    );
    let client = Client::http1();
    let token_of = async |envoy: &Envoy| {
        for _ in 0..200 {
            let reply = client.fetch(&envoy.url(), &[]).await.unwrap();
            if reply.pod == "secret-1" {
                let cookie = reply.cookie_pair("GCLB").or_else(|| reply.cookie_pair("OTHER"));
                let pair = cookie.map(|pair| pair.split_once('=').unwrap().1.to_owned());
                return pair.or_else(|| reply.header("gclb")).unwrap();
            }
        }
        panic!("200 sessions and none on secret-1");
    };
    let good = token_of(&home).await;
    let mut forged = vec![good.replacen(&good[..8], &good[8..16], 1), good[..good.len() - 4].to_owned()];
    for place in [1, 10, 50, 80, good.len() - 5] {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    let address = pods[1].address().to_string();
    forged.extend([
        address.clone(),
        Base64::encode_string(address.as_bytes()),
        Base64UrlUnpadded::encode_string(address.as_bytes()),
    ]);
    for foreign in [&secret, &service, &cookie, &carrier] {
        forged.push(token_of(foreign).await);
    }
    for token in forged {
        let mut met = BTreeSet::new();
        for _ in 0..12 {
            let reply = client.fetch_with_cookie(&home.url(), &format!("GCLB={token}")).await.unwrap();
            assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "invalid"), "{token}");
            met.insert(reply.pod);
        }
        // All twelve on one of four by chance: once in four million.
        assert!(met.len() > 1, "{token}: {met:?}");
    }
    let reply = client.fetch_with_cookie(&home.url(), &format!("GCLB={good}")).await.unwrap();
    assert_eq!((&*reply.pod, &*outcome(&reply)), ("secret-1", "pinned"));
}

#[tokio::test]
async fn naming_an_endpoint_gets_a_client_nowhere_with_any_pin_or_none() {
    let pods = pods();
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
    // Nor does it take a session from its pod.
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
