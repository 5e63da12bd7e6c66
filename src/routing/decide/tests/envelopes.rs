//! The application's own session id in a header.

use proptest::prelude::*;

use super::*;
use crate::session::token::MAX_VALUE_LEN;
use crate::testing::NONCE;

fn enveloping(with_keys: bool) -> TestService {
    let affinity =
        json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "s" }, "affinityCookieTtlSec": 50 });
    let mut config = json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] });
    if with_keys {
        config["keys"] = json!([{ "id": "k1", "secret": SECRET }]);
    }
    service(&config)
}

fn envelope(service: &TestService, session: &Session, value: &[u8]) -> String {
    service.tokens.as_ref().unwrap().write_envelope(session, value, NONCE).unwrap()
}

#[test]
fn a_valid_envelope_is_unwrapped_for_every_backend() {
    let service = enveloping(true);
    for (session, outcome) in [
        (begin(NOW, "b"), Outcome::Pinned),
        (begin(NOW, "gone"), Outcome::Repinned),
        (begin(NOW - 50_000, "b"), Outcome::Expired),
    ] {
        let text = envelope(&service, &session, b"0f36a8a5").into_bytes();
        let decision = service.decide(&request_with_header("s", &text));
        assert_eq!(decision.outcome, outcome);
        assert_eq!(forwarded(&decision).envelope, Some(Envelope { text, value: b"0f36a8a5".to_vec() }));
    }
}

#[test]
fn an_expired_envelope_is_unwrapped_even_if_no_session_can_begin() {
    let service = enveloping(true);
    let text = envelope(&service, &begin(NOW - 50_000, "b"), b"0f36a8a5");
    let request = Request { seed: None, ..request_with_header("s", text.as_bytes()) };
    let decision = service.decide(&request);
    assert_eq!(decision.outcome, Outcome::None);
    assert!(forwarded(&decision).envelope.is_some());
}

#[test]
fn a_value_that_is_not_an_envelope_of_this_filter_is_not_unwrapped() {
    let service = enveloping(true);
    let in_the_future = envelope(&service, &begin(NOW + 60_001, "b"), b"0f36a8a5");
    let without_keys = envelope(&enveloping(false), &begin(NOW, "b"), b"0f36a8a5");
    for value in ["0f36a8a5", &in_the_future, &without_keys] {
        let decision = service.decide(&request_with_header("s", value.as_bytes()));
        assert_eq!(decision.outcome, Outcome::Invalid, "{value}");
        assert_eq!(forwarded(&decision).envelope, None, "{value}");
    }
    assert_eq!(service.decide(&request_with_header("s", b"")).outcome, Outcome::Assigned);
}

/// Without keys anyone can make an envelope. So an envelope must not bring bytes into a header that a header must not
/// contain.
#[test]
fn an_envelope_of_no_value_or_of_control_bytes_is_invalid_and_not_unwrapped() {
    let service = enveloping(false);
    let controls = (0..0x20_u8).filter(|byte| *byte != b'\t').chain([0x7f]);
    let mut values: Vec<Vec<u8>> = controls
        .flat_map(|byte| [vec![byte], vec![b'a', byte], vec![byte, b'a'], vec![b'a', byte, b'b']])
        .collect();
    values.extend([b"".to_vec(), b"a\r\nx-affinity-cluster: blue".to_vec()]);
    for value in values {
        let envelope = envelope(&service, &begin(NOW, "b"), &value);
        let decision = service.decide(&request_with_header("s", envelope.as_bytes()));
        assert_eq!(decision.outcome, Outcome::Invalid, "{value:?}");
        assert_eq!(forwarded(&decision).envelope, None, "{value:?}");
    }
}

/// Every kind of value that a header can have, up to the longest that is wrapped.
pub(crate) fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let visible = || prop_oneof![0x21..0x7f_u8, 0x80..=0xff_u8];
    let within = prop::collection::vec(prop_oneof![Just(b' '), Just(b'\t'), visible()], 0..64);
    (visible(), within, 1..=64_usize, visible()).prop_map(|(first, within, times, last)| {
        let mut value = [&[first], within.repeat(times).as_slice()].concat();
        value.truncate(MAX_VALUE_LEN - 1);
        value.push(last);
        value
    })
}

proptest! {
    #[test]
    fn the_application_gets_every_value_back_as_it_was(value in any_value(), with_keys: bool) {
        let service = enveloping(with_keys);
        let text = envelope(&service, &begin(NOW, "b"), &value);
        let decision = service.decide(&request_with_header("s", text.as_bytes()));
        prop_assert_eq!(decision.outcome, Outcome::Pinned);
        prop_assert_eq!(&forwarded(&decision).envelope.as_ref().unwrap().value, &value);
    }
}
