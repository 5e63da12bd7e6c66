//! Requests that are routed by consistent hash.

use super::*;
use crate::testing::Question::{ClientAddress, Header, Path};

fn hashing(affinity: &Value) -> TestService {
    service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] }))
}

fn by_address() -> TestService {
    hashing(&json!({ "affinityType": "CLIENT_IP" }))
}

fn from(address: &str, random: u64) -> Request {
    Request { client_address: Some(address.into()), random, ..Request::default() }
}

#[test]
fn a_client_address_goes_to_one_backend_even_if_everything_else_differs() {
    let (service, elsewhere) = (by_address(), by_address());
    for host in 0..100 {
        let address = format!("10.0.0.{host}:4711");
        let request = from(&address, 1);
        let first = service.decide(&request);
        assert_eq!((first.outcome, sent_session(&first)), (Outcome::Hashed, None));
        assert_eq!(request.asked(), [ClientAddress]);
        let later = Request { now: NOW + 1_000_000, ..from(&address, 2) };
        assert_eq!(cluster(&elsewhere.decide(&later)), cluster(&first));
    }
}

#[test]
fn a_client_without_an_address_goes_by_weight() {
    let service = by_address();
    for address in [None, Some(""), Some("/tmp/socket"), Some("\u{fffd}")] {
        let mut clusters = Vec::new();
        for random in randoms(3_000) {
            let client_address = address.map(Into::into);
            let decision = service.decide(&Request { random, client_address, ..Request::default() });
            assert_eq!(decision.outcome, Outcome::None);
            clusters.push(cluster(&decision));
        }
        assert!(p_value(clusters, &EQUAL) > UNLIKELY);
    }
}

#[test]
fn only_keys_of_an_unavailable_backend_move_and_spread_over_the_rest() {
    let (all, without) = (by_address(), by_address().without(&["b"]));
    let mut moved = Vec::new();
    for host in 0..6_000_u32 {
        let request = from(&format!("{}:1", std::net::Ipv4Addr::from_bits(host)), 1);
        let (before, after) = (all.decide(&request), without.decide(&request));
        if cluster(&before) == "b" {
            assert_eq!(after.outcome, Outcome::Repinned);
            moved.push(cluster(&after));
        } else {
            assert_eq!((after.outcome, cluster(&after)), (Outcome::Hashed, cluster(&before)));
        }
    }
    assert!(p_value(moved, &[("a", 1), ("c", 1)]) > UNLIKELY);
}

#[test]
fn a_header_is_hashed_and_a_request_without_it_goes_by_weight() {
    let service = hashing(&json!({ "affinityType": "HEADER_FIELD", "header": { "name": "X-User" } }));
    let request = request_with_header("x-user", b"alice");
    let first = service.decide(&request);
    assert_eq!((first.outcome, request.asked()), (Outcome::Hashed, vec![Header]));
    for random in randoms(20) {
        let again = service.decide(&Request { random, ..request.clone() });
        assert_eq!(cluster(&again), cluster(&first));
    }
    let others = (0..100).map(|user| request_with_header("x-user", format!("user-{user}").as_bytes()));
    assert!(others.map(|request| cluster(&service.decide(&request))).any(|other| other != cluster(&first)));
    assert_eq!(service.decide(&Request::default()).outcome, Outcome::None);
}

#[test]
fn a_cookie_of_the_application_is_hashed() {
    let service = hashing(&json!({ "affinityType": "HTTP_COOKIE" }));
    let first = decide_on(&service, "GCLB=alice");
    assert_eq!((first.outcome, sent_session(&first)), (Outcome::Hashed, None));
    for cookies in ["a=1; GCLB=alice", "GCLB=alice; GCLB=bob", "GCLB=; GCLB=alice", "GCLB=\"alice\""] {
        let decision = decide_on(&service, cookies);
        assert_eq!((decision.outcome, cluster(&decision)), (Outcome::Hashed, cluster(&first)), "{cookies}");
    }
    let in_second_line =
        Request { cookie_lines: vec![b"a=1".to_vec(), b"GCLB=alice".to_vec()], ..Request::default() };
    assert_eq!(cluster(&service.decide(&in_second_line)), cluster(&first));
    for cookies in ["", "a=1", "GCLB="] {
        assert_eq!(decide_on(&service, cookies).outcome, Outcome::None, "{cookies}");
    }
}

#[test]
fn a_missing_cookie_is_made_if_there_is_a_ttl_and_then_leads_to_the_same_backend() {
    let service = hashing(&json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50 }));
    let mut clusters = Vec::new();
    for random in randoms(3_000) {
        let decision = service.decide(&Request { https: true, ..request(NOW, random, "") });
        let SessionUpdate::NewKey { key, https } = &forwarded(&decision).session else {
            panic!("{decision:?}");
        };
        assert_eq!((decision.outcome, *https), (Outcome::Assigned, true));
        let again = decide_on(&service, &format!("GCLB={key}"));
        assert_eq!((again.outcome, cluster(&again)), (Outcome::Hashed, cluster(&decision)));
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &EQUAL) > UNLIKELY);
}

#[test]
fn no_cookie_is_made_outside_of_its_path() {
    let affinity =
        json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50, "cookie": { "path": "/shop" } });
    let service = hashing(&affinity);
    for (path, outcome) in [("/shop/cart", Outcome::Assigned), ("/shopping", Outcome::None)] {
        let request = Request { path: path.into(), ..Request::default() };
        assert_eq!(service.decide(&request).outcome, outcome, "{path}");
        assert!(request.asked().contains(&Path));
    }
}
