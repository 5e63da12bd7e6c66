//! `fallback: CLIENT_IP`: requests that a client sends in parallel, before it has a session or a key, begin on one
//! backend.

use std::collections::BTreeSet;

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::support::{Headers, bootstrap, fetch_each, names, outcome, pods};

const CLIENTS: usize = 30;
const AT_ONCE: usize = 6;

/// Envoy reads the clients' addresses from the header of a proxy in front of it.
async fn envoy_for(affinity: &Value) -> (Vec<harness::pod::Pod>, Envoy) {
    let pods = pods(5);
    let plugin = json!({ "sessionAffinity": affinity, "backends": names(&pods), "debugHeader": "x-debug" });
    let config = bootstrap(&pods).filter(&plugin).hcm(|manager| {
        manager["use_remote_address"] = json!(true);
        manager["xff_num_trusted_hops"] = json!(1);
    });
    let envoy = Envoy::start(&config.build()).await.unwrap();
    (pods, envoy)
}

/// Sends six requests at once from each of 30 clients, each request over its own connection. Returns the backends that
/// each client's requests reached, and all outcomes.
async fn first_requests(envoy: &Envoy, client: fn() -> Client) -> (Vec<BTreeSet<String>>, BTreeSet<String>) {
    let (mut places, mut outcomes) = (Vec::new(), BTreeSet::new());
    for index in 0..CLIENTS {
        let request: Headers = vec![("x-forwarded-for", format!("10.0.{index}.7").into_bytes())];
        let replies = fetch_each(client, &envoy.url(), vec![request; AT_ONCE]).await;
        outcomes.extend(replies.iter().map(outcome));
        places.push(replies.into_iter().map(|reply| reply.pod).collect());
    }
    (places, outcomes)
}

#[tokio::test]
async fn six_first_requests_of_a_client_at_once_begin_on_one_backend() {
    for (affinity, expected) in [
        (json!({ "affinityType": "GENERATED_COOKIE" }), "assigned"),
        (json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "x-session" } }), "assigned"),
        (json!({ "affinityType": "COOKIE_ENVELOPE", "cookie": { "name": "JSESSIONID" } }), "none"),
        (json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "mcp-session-id" } }), "assigned"),
        (json!({ "affinityType": "HEADER_FIELD", "header": { "name": "x-user" } }), "none"),
        (json!({ "affinityType": "QUERY_PARAMETER", "queryParameter": { "name": "user" } }), "none"),
        (json!({ "affinityType": "HTTP_COOKIE", "cookie": { "name": "user" } }), "none"),
        (json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 9 }), "assigned"),
    ] {
        let mut affinity = affinity;
        affinity["fallback"] = json!("CLIENT_IP");
        let (_pods, envoy) = envoy_for(&affinity).await;
        for client in [Client::http1_fresh, Client::http2] {
            let (places, outcomes) = first_requests(&envoy, client).await;
            assert!(places.iter().all(|pods| pods.len() == 1), "{affinity}: {places:?}");
            assert_eq!(outcomes, [expected.to_owned()].into(), "{affinity}");
            let all: BTreeSet<_> = places.into_iter().flatten().collect();
            assert!(all.len() > 2, "{affinity}: clients do not spread: {all:?}");
        }
    }
}

#[tokio::test]
async fn without_it_they_begin_on_several() {
    let (_pods, envoy) = envoy_for(&json!({ "affinityType": "GENERATED_COOKIE" })).await;
    let (places, _) = first_requests(&envoy, Client::http1_fresh).await;
    assert!(places.iter().filter(|pods| pods.len() > 1).count() > CLIENTS / 2, "{places:?}");
}

#[tokio::test]
async fn clients_that_share_the_prefix_of_client_ip_begin_on_one_backend() {
    let affinity = json!({
        "affinityType": "GENERATED_COOKIE", "fallback": "CLIENT_IP", "clientIp": { "ipv4PrefixLen": 16 },
    });
    let (_pods, envoy) = envoy_for(&affinity).await;
    let (places, _) = first_requests(&envoy, Client::http1_fresh).await;
    let all: BTreeSet<_> = places.into_iter().flatten().collect();
    assert_eq!(all.len(), 1, "10.0.0.0/16: {all:?}");
}
