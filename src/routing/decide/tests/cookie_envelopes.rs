//! Sessions in the application's own cookie.

use super::*;
use crate::testing::NONCE;
use crate::testing::Question::CookieLines;

fn by_cookie() -> TestService {
    let affinity = json!({ "affinityType": "COOKIE_ENVELOPE", "cookie": { "name": "SID" } });
    service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] }))
}

/// The envelope of a session on this backend, with this value.
fn envelope(service: &TestService, cluster: &str, value: &[u8]) -> String {
    service.tokens.as_ref().unwrap().write_envelope(&begin(NOW, cluster), value, NONCE).unwrap()
}

#[test]
fn a_living_session_goes_to_its_backend_and_its_value_is_opened_in_place() {
    let service = by_cookie();
    let cookies = format!("a=1;SID={};b=2", envelope(&service, "b", b"own"));
    let request = request(NOW, 1, &cookies);
    let decision = service.decide(&request);
    assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, "b"));
    assert_eq!(forwarded(&decision).cookies.as_deref(), Some(&b"a=1;SID=own;b=2"[..]));
    assert_eq!(forwarded(&decision).envelope.as_ref().unwrap().value, b"own");
    assert_eq!(request.asked(), [CookieLines]);
}

#[test]
fn before_the_application_sets_its_cookie_requests_go_by_weight_and_begin_no_session() {
    let service = by_cookie();
    let mut clusters = Vec::new();
    for random in randoms(3_000) {
        let decision = service.decide(&request(NOW, random, "a=1; sid=x; SID="));
        assert_eq!((decision.outcome, sent_session(&decision)), (Outcome::None, None));
        assert_eq!(forwarded(&decision).cookies, None);
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &EQUAL) > UNLIKELY);
}

#[test]
fn a_value_that_is_not_an_envelope_stays_unchanged_and_on_one_backend() {
    let service = by_cookie();
    let mut clusters = Vec::new();
    for index in 0..600 {
        let cookies = format!("SID=from-before-{index}");
        let decision = service.decide(&request(NOW, 1, &cookies));
        assert_eq!((decision.outcome, &forwarded(&decision).cookies), (Outcome::Invalid, &None));
        let again = service.decide(&request(NOW, 2, &cookies));
        assert_eq!(cluster(&again), cluster(&decision));
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &EQUAL) > UNLIKELY);
}

#[test]
fn of_several_sessions_the_first_with_an_available_backend_is_used_and_all_are_opened() {
    let service = by_cookie().without(&["a"]);
    let [gone, here] = ["a", "c"].map(|cluster| envelope(&service, cluster, cluster.as_bytes()));
    let decision = service.decide(&request(NOW, 1, &format!("SID=x; SID={gone}; SID={here}")));
    assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, "c"));
    assert_eq!(forwarded(&decision).cookies.as_deref(), Some(&b"SID=x; SID=a; SID=c"[..]));
    let moved = service.decide(&request(NOW, 1, &format!("SID={gone}")));
    assert_eq!(moved.outcome, Outcome::Repinned);
    assert_eq!(forwarded(&moved).cookies.as_deref(), Some(&b"SID=a"[..]));
}

#[test]
fn values_that_do_not_look_like_envelopes_do_not_hide_the_envelope() {
    let service = by_cookie();
    let junk = "SID=from-before; ".repeat(40);
    let decision =
        service.decide(&request(NOW, 1, &format!("{junk}SID={}", envelope(&service, "b", b"own"))));
    assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, "b"));
    assert_eq!(forwarded(&decision).cookies, Some(format!("{junk}SID=own").into_bytes()));
}

#[test]
fn at_most_sixteen_values_that_look_like_envelopes_are_examined() {
    let service = by_cookie();
    let valid = envelope(&service, "b", b"own");
    let forged = format!("SID={}; ", valid.to_lowercase().replacen('a', "A", 1));
    for (count, outcome) in [(15, Outcome::Pinned), (16, Outcome::Invalid)] {
        let decision = service.decide(&request(NOW, 1, &format!("{}SID={valid}", forged.repeat(count))));
        assert_eq!(decision.outcome, outcome, "{count}");
    }
}

#[test]
fn a_session_from_the_future_is_invalid() {
    let service = by_cookie();
    let early = begin(NOW + 60_001, "b");
    let text = service.tokens.as_ref().unwrap().write_envelope(&early, b"own", NONCE).unwrap();
    assert_eq!(service.decide(&request(NOW, 1, &format!("SID={text}"))).outcome, Outcome::Invalid);
}
