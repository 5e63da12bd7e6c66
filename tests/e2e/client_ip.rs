//! Affinity by client address, and no affinity.

use harness::chi_squared;
use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::support::{Headers, bootstrap, envoy, fetch_each, names, outcome, pods, spread};

/// Affinity by client address over all pods. `client_ip` is the configuration's `clientIp`.
fn client_ip(pods: &[Pod], client_ip: &Value) -> Value {
    json!({
        "sessionAffinity": { "affinityType": "CLIENT_IP", "clientIp": client_ip },
        "backends": names(pods),
        "debugHeader": "x-debug",
    })
}

/// An edge Envoy that trusts this many proxies in front of it.
async fn behind_proxies(pods: &[Pod], plugin: &Value, trusted_hops: u32) -> Envoy {
    let config = bootstrap(pods).filter(plugin).hcm(move |manager| {
        manager["use_remote_address"] = json!(true);
        manager["xff_num_trusted_hops"] = json!(trusted_hops);
    });
    Envoy::start(&config.build()).await.unwrap()
}

/// One request with each of these values in `X-Forwarded-For`.
async fn from_addresses(envoy: &Envoy, addresses: &[String]) -> Vec<Reply> {
    let request = |address: &String| -> Headers { vec![("x-forwarded-for", address.clone().into_bytes())] };
    let replies = fetch_each(Client::http1, &envoy.url(), addresses.iter().map(request).collect()).await;
    assert!(replies.iter().all(|reply| outcome(reply) == "hashed"));
    assert!(replies.iter().all(|reply| reply.set_cookies.is_empty()));
    replies
}

/// The pod of each response.
fn answering(replies: &[Reply]) -> Vec<&str> {
    replies.iter().map(|reply| reply.pod.as_str()).collect()
}

/// This many clients, each in its own network.
fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("10.{}.{}.7", index / 256, index % 256)).collect()
}

#[tokio::test]
async fn without_affinity_requests_go_by_weight_and_no_cookie_is_set() {
    let pods = pods(3);
    let plugin = json!({
        "sessionAffinity": { "affinityType": "NONE", "affinityCookieTtlSec": 50 },
        "backends": ["neg-demo-0", { "cluster": "neg-demo-1", "weight": 2 }, { "cluster": "neg-demo-2", "weight": 7 }],
        "debugHeader": "x-debug",
    });
    let envoy = envoy(&pods, &plugin).await;
    let requests = vec![vec![("cookie", b"GCLB=x".to_vec())]; 1000];
    let replies = fetch_each(Client::http1, &envoy.url(), requests).await;
    assert!(replies.iter().all(|reply| reply.set_cookies.is_empty() && outcome(reply) == "none"));
    let counts = spread(&pods, &replies);
    // Real randomness: a correct filter fails here once in 10,000 runs.
    assert!(chi_squared(&counts, &[1.0, 2.0, 7.0]) > 0.0001, "{counts:?}");
}

#[tokio::test]
async fn a_client_address_has_one_backend_and_no_cookie() {
    let pods = pods(10);
    let mut plugin = client_ip(&pods, &json!({}));
    plugin["sessionAffinity"]["affinityCookieTtlSec"] = json!(50);
    let envoy = envoy(&pods, &plugin).await;
    let mut replies = Vec::new();
    for client in [Client::http1_fresh, Client::http1, Client::http2] {
        replies.extend(fetch_each(client, &envoy.url(), vec![Vec::new(); 50]).await);
    }
    assert!(replies.iter().all(|reply| outcome(reply) == "hashed" && reply.set_cookies.is_empty()));
    assert!(replies.iter().all(|reply| reply.pod == replies[0].pod), "{:?}", spread(&pods, &replies));
}

#[tokio::test]
async fn forwarded_addresses_count_as_far_as_envoy_trusts_the_proxies() {
    let pods = pods(10);
    let plugin = client_ip(&pods, &json!({}));
    let (none, one, two) = tokio::join!(
        behind_proxies(&pods, &plugin, 0),
        behind_proxies(&pods, &plugin, 1),
        behind_proxies(&pods, &plugin, 2),
    );
    let clients = addresses(50);
    let by_one = from_addresses(&one, &clients).await;
    assert!(spread(&pods, &by_one).iter().filter(|count| **count > 0).count() > 5, "clients spread");
    assert_eq!(answering(&by_one), answering(&from_addresses(&one, &clients).await), "each has its backend");

    let untrusted = from_addresses(&none, &clients).await;
    assert!(untrusted.iter().all(|reply| reply.pod == untrusted[0].pod), "nobody may name an address");

    // A value that the client itself wrote is to the left of the values that the proxies added.
    let forged: Vec<_> =
        clients.iter().rev().zip(&clients).map(|(left, last)| format!("{left}, {last}")).collect();
    assert_eq!(answering(&from_addresses(&one, &forged).await), answering(&by_one));
    let behind_two: Vec<_> = clients.iter().map(|client| format!("1.2.3.4, {client}, 5.6.7.8")).collect();
    assert_eq!(answering(&from_addresses(&two, &behind_two).await), answering(&by_one));
}

#[tokio::test]
async fn an_ipv6_client_has_one_backend_however_its_address_is_written() {
    let pods = pods(10);
    let envoy = behind_proxies(&pods, &client_ip(&pods, &json!({})), 1).await;
    let short: Vec<_> = (1..=50).map(|host| format!("2001:db8::{host:x}")).collect();
    let long: Vec<_> = (1..=50).map(|host| format!("2001:0DB8:0:0:0:0:0000:{host:04X}")).collect();
    let replies = from_addresses(&envoy, &short).await;
    assert!(spread(&pods, &replies).iter().filter(|count| **count > 0).count() > 5, "clients spread");
    assert_eq!(answering(&replies), answering(&from_addresses(&envoy, &long).await));
}

#[tokio::test]
async fn clients_that_share_a_prefix_share_a_backend() {
    let pods = pods(10);
    let whole = client_ip(&pods, &json!({}));
    let networks = client_ip(&pods, &json!({ "ipv4PrefixLen": 23, "ipv6PrefixLen": 61 }));
    let everybody = client_ip(&pods, &json!({ "ipv4PrefixLen": 0, "ipv6PrefixLen": 0 }));
    let (whole, networks, everybody) = tokio::join!(
        behind_proxies(&pods, &whole, 1),
        behind_proxies(&pods, &networks, 1),
        behind_proxies(&pods, &everybody, 1),
    );
    // The first and last address of 20 networks, and those of the networks half their size within.
    let v4 = (0..20).map(|n| [format!("10.1.{}.0", 2 * n), format!("10.1.{}.255", 2 * n + 1)]);
    let v6 = (0..20).map(|n| {
        [format!("2001:db8:0:{:x}::", 8 * n), format!("2001:db8:0:{:x}:ffff:ffff:ffff:ffff", 8 * n + 7)]
    });
    for clients in [v4.flatten().collect::<Vec<_>>(), v6.flatten().collect()] {
        let replies = from_addresses(&networks, &clients).await;
        assert!(replies.chunks(2).all(|pair| pair[0].pod == pair[1].pod), "{:?}", answering(&replies));
        assert!(spread(&pods, &replies).iter().filter(|count| **count > 0).count() > 5, "networks spread");
        let replies = from_addresses(&whole, &clients).await;
        assert!(replies.chunks(2).any(|pair| pair[0].pod != pair[1].pod), "without prefixes they part");
        let replies = from_addresses(&everybody, &clients).await;
        assert!(replies.iter().all(|reply| reply.pod == replies[0].pod));
    }
    // A difference in the last bit of the prefix is another network.
    let halves: Vec<_> = (0..20).map(|n| format!("10.1.{}.0", 2 * n)).collect();
    let others: Vec<_> = (0..20).map(|n| format!("10.1.{}.0", 2 * n + 2)).collect();
    let (halves, others) =
        (from_addresses(&networks, &halves).await, from_addresses(&networks, &others).await);
    assert_ne!(answering(&halves), answering(&others));
}

/// The choice depends only on addresses and names, so this test passes always or never.
#[tokio::test]
async fn client_addresses_spread_by_weight() {
    let pods = pods(3);
    let mut plugin = client_ip(&pods, &json!({}));
    plugin["backends"] = json!([
        { "cluster": "neg-demo-0", "weight": 1 },
        { "cluster": "neg-demo-1", "weight": 2 },
        { "cluster": "neg-demo-2", "weight": 7 },
    ]);
    let envoy = behind_proxies(&pods, &plugin, 1).await;
    let counts = spread(&pods, &from_addresses(&envoy, &addresses(1000)).await);
    assert!(chi_squared(&counts, &[1.0, 2.0, 7.0]) > 0.001, "{counts:?}");
}

#[tokio::test]
async fn only_the_clients_of_a_backend_that_comes_or_goes_move() {
    let pods = pods(4);
    let three = client_ip(&pods[..3], &json!({}));
    let mut four = client_ip(&pods, &json!({}));
    // The order of the list does not matter.
    four["backends"].as_array_mut().unwrap().reverse();
    let (three, four) = tokio::join!(behind_proxies(&pods, &three, 1), behind_proxies(&pods, &four, 1));
    let clients = addresses(1000);
    let (of_three, of_four) = (from_addresses(&three, &clients).await, from_addresses(&four, &clients).await);
    let mut moved = Vec::new();
    for (one, other) in of_three.iter().zip(&of_four) {
        if other.pod == "neg-demo-3" {
            moved.push(one.clone());
        } else {
            assert_eq!(one.pod, other.pod);
        }
    }
    let counts = spread(&pods, &of_four);
    assert!(chi_squared(&counts, &[1.0, 1.0, 1.0, 1.0]) > 0.001, "the fourth takes a quarter: {counts:?}");
    let counts = spread(&pods, &moved);
    assert!(chi_squared(&counts, &[1.0, 1.0, 1.0, 0.0]) > 0.001, "from, and back to, all alike: {counts:?}");
}

#[tokio::test]
async fn a_draining_backend_gets_no_client() {
    let pods = pods(2);
    let mut plugin = client_ip(&pods, &json!({}));
    plugin["backends"][0] = json!({ "cluster": "neg-demo-0", "weight": 0 });
    let envoy = behind_proxies(&pods, &plugin, 1).await;
    let replies = from_addresses(&envoy, &addresses(100)).await;
    assert!(replies.iter().all(|reply| reply.pod == "neg-demo-1"));
}
