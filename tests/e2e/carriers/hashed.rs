//! `HTTP_COOKIE`, `HEADER_FIELD` and `QUERY_PARAMETER`: the application's own cookie, header or query parameter selects
//! the backend.

use std::collections::BTreeSet;

use harness::chi_squared;
use harness::client::Client;
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::support::{Headers, bootstrap, fetch_each, names, outcome, pods, spread};

const KEYS: usize = 400;

/// The route `/cookie` uses the cookie `user`, `/header` the header `X-User`.
async fn envoy(pods: &[Pod], backends: &Value) -> Envoy {
    let service = |name: &str, affinity: Value| json!({ "name": name, "routes": [name], "sessionAffinity": affinity, "backends": backends });
    let plugin = json!({ "debugHeader": "x-debug", "services": [
        service("cookie", json!({ "affinityType": "HTTP_COOKIE", "cookie": { "name": "user" } })),
        service("header", json!({ "affinityType": "HEADER_FIELD", "header": { "name": "X-User" } })),
    ] });
    let route = |name: &str| {
        json!({
            "name": name,
            "match": { "path": format!("/{name}") },
            "route": { "cluster_header": "x-affinity-cluster" },
        })
    };
    let bootstrap = bootstrap(pods).filter(&plugin);
    let bootstrap = ["cookie", "header"].map(route).into_iter().fold(bootstrap, Bootstrap::route);
    Envoy::start(&bootstrap.build()).await.unwrap()
}

/// A request with this key.
fn by(kind: &str, key: &[u8]) -> Headers {
    match kind {
        "cookie" => vec![("cookie", [b"a=1; user=", key, b"; b=2"].concat())],
        _ => vec![("x-user", key.to_vec())],
    }
}

/// The backend of each of this many keys.
async fn places(envoy: &Envoy, kind: &str) -> Vec<String> {
    let requests = (0..KEYS).map(|index| by(kind, format!("user-{index}").as_bytes())).collect();
    let replies = fetch_each(Client::http1, &format!("{}/{kind}", envoy.url()), requests).await;
    let place = |reply: harness::client::Reply| {
        assert_eq!((&*outcome(&reply), reply.set_cookies.len()), ("hashed", 0));
        reply.pod
    };
    replies.into_iter().map(place).collect()
}

fn weighted(pods: &[Pod], weights: &[u32]) -> Value {
    let backend = |(pod, weight): (&Pod, &u32)| json!({ "cluster": pod.name(), "weight": weight });
    pods.iter().zip(weights).map(backend).collect()
}

#[tokio::test]
async fn a_key_goes_to_one_backend_on_every_envoy_by_weight_and_only_those_of_a_removed_backend_move() {
    let pods = pods(4);
    let all = weighted(&pods, &[1, 2, 3, 4]);
    let mut turned_round = all.clone();
    turned_round.as_array_mut().unwrap().reverse();
    let mut without = all.clone();
    without.as_array_mut().unwrap().remove(2);
    let (one, other, less) =
        tokio::join!(envoy(&pods, &all), envoy(&pods, &turned_round), envoy(&pods, &without));
    for kind in ["cookie", "header"] {
        let at_one = places(&one, kind).await;
        assert_eq!(places(&other, kind).await, at_one, "{kind}");
        let count = |name: &str, places: &[String]| {
            u64::try_from(places.iter().filter(|place| *place == name).count()).unwrap()
        };
        let counts: Vec<u64> = pods.iter().map(|pod| count(pod.name(), &at_one)).collect();
        // Keys and hash are the same in every run, and so is the result.
        assert!(chi_squared(&counts, &[1.0, 2.0, 3.0, 4.0]) > 0.001, "{kind}: {counts:?}");
        let mut moved = Vec::new();
        for (before, after) in at_one.iter().zip(places(&less, kind).await) {
            if before == "neg-demo-2" {
                moved.push(after);
            } else {
                assert_eq!(after, *before, "{kind}");
            }
        }
        let counts: Vec<u64> = pods.iter().map(|pod| count(pod.name(), &moved)).collect();
        assert!(chi_squared(&counts, &[1.0, 2.0, 0.0, 4.0]) > 0.001, "{kind}: {counts:?}");
    }
}

#[tokio::test]
async fn a_key_may_be_any_bytes_and_without_one_requests_go_by_weight() {
    let pods = pods(4);
    let envoy = envoy(&pods, &names(&pods)).await;
    let high: Vec<u8> = (0x80..=0xff).collect();
    let long = vec![b'k'; 20_000];
    for kind in ["cookie", "header"] {
        let url = format!("{}/{kind}", envoy.url());
        let mut met = BTreeSet::new();
        for key in [b"a".as_slice(), b"\"", b"=", b"==", b"a=b", b"\xff", b"%00", &high, &long] {
            let replies = fetch_each(Client::http1_fresh, &url, vec![by(kind, key); 6]).await;
            assert!(
                replies.iter().all(|reply| outcome(reply) == "hashed" && reply.pod == replies[0].pod),
                "{key:?}"
            );
            met.insert(replies[0].pod.clone());
        }
        assert!(met.len() > 1, "{kind}: {met:?}");
        for none in [vec![], by(kind, b""), vec![("cookie", b"users=1; User=2".to_vec())]] {
            let replies = fetch_each(Client::http1, &url, vec![none; 30]).await;
            assert!(replies.iter().all(|reply| outcome(reply) == "none" && reply.set_cookies.is_empty()));
            // By weight: the chance of all 30 requests on one of four backends is 1 in 4^29.
            assert!(spread(&pods, &replies).iter().filter(|count| **count > 0).count() > 1);
        }
    }
    // A cookie counts the same with and without quotes, at any position.
    let url = format!("{}/cookie", envoy.url());
    let mut requests =
        vec![by("cookie", b"one"), by("cookie", b"\"one\""), vec![("cookie", b"user=one".to_vec())]];
    requests.push(vec![("cookie", b"a=1".to_vec()), ("cookie", b"user=one; user=two".to_vec())]);
    for client in [Client::http1, Client::http2] {
        let replies = fetch_each(client, &url, requests.clone()).await;
        assert!(replies.iter().all(|reply| reply.pod == replies[0].pod));
    }
}

#[tokio::test]
async fn the_value_of_a_query_parameter_decides_percent_decoded() {
    let pods = pods(4);
    let affinity = json!({ "affinityType": "QUERY_PARAMETER", "queryParameter": { "name": "user" } });
    let plugin = json!({ "sessionAffinity": affinity, "backends": names(&pods), "debugHeader": "x-debug" });
    let envoy = crate::support::envoy(&pods, &plugin).await;
    let at =
        async |path: &str| Client::http1_fresh().fetch(&format!("{}{path}", envoy.url()), &[]).await.unwrap();
    let mut met = BTreeSet::new();
    for index in 0..40 {
        let first = at(&format!("/a?user=user{index}")).await;
        assert_eq!((&*outcome(&first), first.set_cookies.len()), ("hashed", 0));
        for path in [format!("/b?x=1&user=user{index}&user=other"), format!("/?%75ser=us%65r{index}")] {
            assert_eq!(at(&path).await.pod, first.pod, "{path}");
        }
        met.insert(first.pod);
    }
    assert_eq!(met.len(), 4);
    // Any bytes are a valid key, and no key does harm.
    for path in ["/?user=%ff%00%", "/?user=%", "/?user=&user=x", "/?", "/?&&=&user", "/?%=%"] {
        assert_eq!(at(path).await.status, 200, "{path}");
    }
    assert_eq!(outcome(&at("/?users=x").await), "none");
    let long = format!("/?user={}", "x".repeat(20_000));
    assert_eq!(outcome(&at(&long).await), "hashed");
}
