//! `fallback: CLIENT_IP`: the first requests of a client go to one backend.

use super::*;
use crate::testing::Question::{ClientAddress, CorsPreflight, FirstCookieLine, Path};

fn falling_back(affinity: &Value) -> TestService {
    let mut affinity = affinity.clone();
    affinity["fallback"] = json!("CLIENT_IP");
    service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] }))
}

fn from(host: u32, random: u64) -> Request {
    let client_address = format!("{}:4711", std::net::Ipv4Addr::from_bits(host)).into_bytes();
    Request { client_address: Some(client_address), random, ..Request::default() }
}

#[test]
fn requests_of_one_address_begin_on_one_backend_for_all_random_numbers() {
    for affinity in [
        json!({ "affinityType": "GENERATED_COOKIE" }),
        json!({ "affinityType": "HTTP_COOKIE" }),
        json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 9 }),
        json!({ "affinityType": "HEADER_FIELD", "header": { "name": "x-user" } }),
        json!({ "affinityType": "QUERY_PARAMETER", "queryParameter": { "name": "user" } }),
        json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "x-session" } }),
        json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "x-session" } }),
    ] {
        let service = falling_back(&affinity);
        let mut clusters = Vec::new();
        for host in 0..600 {
            let first = cluster(&service.decide(&from(host, 1)));
            for random in randoms(5) {
                assert_eq!(cluster(&service.decide(&from(host, random))), first, "{affinity}");
            }
            clusters.push(first);
        }
        assert!(p_value(clusters, &EQUAL) > UNLIKELY, "{affinity}");
    }
}

#[test]
fn expired_and_invalid_sessions_begin_again_by_the_address_too() {
    let service = falling_back(&json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50 }));
    let new = cluster(&service.decide(&from(7, 1)));
    for cookie in [on_b(&service, NOW - 50_000), "GCLB=x".to_owned()] {
        let request = Request { cookie_lines: vec![cookie.into_bytes()], ..from(7, 2) };
        assert_eq!(cluster(&service.decide(&request)), new);
    }
}

#[test]
fn a_client_without_an_address_begins_by_weight() {
    let service = falling_back(&json!({ "affinityType": "GENERATED_COOKIE" }));
    let clusters = randoms(3_000).map(|random| cluster(&service.decide(&request(NOW, random, ""))));
    assert!(p_value(clusters, &EQUAL) > UNLIKELY);
}

#[test]
fn while_its_backend_is_unavailable_an_address_begins_elsewhere() {
    let affinity = json!({ "affinityType": "GENERATED_COOKIE", "fallback": "CLIENT_IP" });
    let config = json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] });
    let (all, without) = (service(&config), service(&config).without(&["b"]));
    for host in 0..100 {
        let (before, after) =
            (cluster(&all.decide(&from(host, 1))), cluster(&without.decide(&from(host, 1))));
        assert!(after != "b" && (before == "b" || before == after));
    }
}

#[test]
fn the_address_of_a_pinned_request_is_not_read() {
    let service = falling_back(&json!({ "affinityType": "GENERATED_COOKIE" }));
    let request = Request { cookie_lines: vec![on_b(&service, NOW).into_bytes()], ..from(1, 1) };
    assert_eq!(cluster(&service.decide(&request)), "b");
    assert_eq!(request.asked(), [FirstCookieLine]);
    assert!(!request.asked().contains(&ClientAddress));
}

#[test]
fn a_query_parameter_is_the_key() {
    let affinity = json!({ "affinityType": "QUERY_PARAMETER", "queryParameter": { "name": "user" } });
    let service = service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] }));
    let at = |path: &str, random| Request { path: path.into(), random, ..Request::default() };
    let ann = service.decide(&at("/?user=ann", 1));
    assert_eq!((ann.outcome, sent_session(&ann)), (Outcome::Hashed, None));
    for path in ["/other?x=1&user=ann", "/?user=%61nn&user=bob"] {
        let request = at(path, 2);
        assert_eq!(cluster(&service.decide(&request)), cluster(&ann), "{path}");
        assert_eq!(request.asked(), [Path]);
    }
    assert_eq!(service.decide(&at("/?users=ann", 1)).outcome, Outcome::None);
    assert!(!at("/", 1).asked().contains(&CorsPreflight));
}
