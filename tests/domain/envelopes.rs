//! Envelopes: a session and the application's own value, sealed as one.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use proptest::prelude::*;
use serde_json::{Value, json};
use session_affinity::affinity::{Facts, Verdict};
use session_affinity::outcome::Outcome;
use session_affinity::remembered::Remembered;
use session_affinity::session::Session;
use session_affinity::token::{Carrier, MAX_LEN, MAX_VALUE_LEN, NONCE_LEN, Tokens};

use crate::support::{self, NOW, begin, service};
use crate::token::{NONCE, OTHER_SECRET, SECRET, any_session, session, tokens, tokens_of_worker};

/// What an application calls its session, one byte of it not ASCII.
const VALUE: &[u8] = b"0f36a8a5-\xff";

fn tokens_of(ids: &[(&str, &[u8])], carrier: Carrier<'_>, has_endpoint: bool) -> Tokens {
    tokens(ids, "shop", carrier, has_endpoint)
}

fn plain() -> Tokens {
    tokens_of(&[], Carrier::Envelope("mcp-session-id"), false)
}

fn sealed() -> Tokens {
    tokens_of(&[("k1", SECRET)], Carrier::Envelope("mcp-session-id"), false)
}

fn pinning() -> Tokens {
    tokens_of(&[("k1", SECRET)], Carrier::Envelope("mcp-session-id"), true)
}

fn pinned() -> Session {
    Session { endpoint: Some("10.1.2.3:8080".parse().unwrap()), ..session() }
}

fn no_envelope(tokens: &Tokens, text: &[u8]) {
    assert_eq!(tokens.read_envelope(text), None, "{}", String::from_utf8_lossy(text));
}

/// From `golden.py`: a change here ends every session there is.
#[test]
fn envelopes_are_what_they_were_in_every_release() {
    for (tokens, session, envelope) in [
        (plain(), session(), "QwEjRWeJq83vJ5TKJAznpEdcrQAAACowZjM2YThhNS3_M2b-ei0oUZ4"),
        (
            sealed(),
            session(),
            "k69NHFd27yw6CAkKCwwNDg8QERITFBUWFwi0__0EpgMaXz25aor4zc_7kovGrpfi3yEeCJgiJi48MgztwyqO5_U",
        ),
        (
            pinning(),
            pinned(),
            "l69NHFd27yw6CAkKCwwNDg8QERITFBUWFwi0__0EpgMaXz25aor4_KnIpOr-z6LPIHLyShU3I10TCzG-E3QTDsJW_sqYg52qv_90Ji7jiXdqbwdR",
        ),
    ] {
        assert_eq!(tokens.write_envelope(&session, VALUE, NONCE), envelope);
        assert_eq!(tokens.read_envelope(envelope.as_bytes()), Some((session, VALUE.to_vec())));
    }
}

#[test]
fn an_envelope_whose_flags_promise_more_than_it_holds_is_refused() {
    // From golden.py; its checksum is right.
    no_envelope(&plain(), b"RwEjRWeJq83vJ5TKJAznpEdcrQAAACowZjM2YThhNS3_jditoZmB7I8");
}

#[test]
fn every_other_bit_and_every_truncation_makes_an_envelope_worthless() {
    for (tokens, session) in [(plain(), session()), (sealed(), session()), (pinning(), pinned())] {
        let envelope = tokens.write_envelope(&session, VALUE, NONCE).into_bytes();
        let bytes = Base64UrlUnpadded::decode_vec(std::str::from_utf8(&envelope).unwrap()).unwrap();
        // From here on it is remembered.
        assert_eq!(tokens.read_envelope(&envelope), Some((session, VALUE.to_vec())));
        for place in 0..envelope.len() {
            for bit in 0..8 {
                let mut other = envelope.clone();
                other[place] ^= 1 << bit;
                no_envelope(&tokens, &other);
            }
            no_envelope(&tokens, &envelope[..place]);
            no_envelope(&tokens, &envelope[place + 1..]);
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[place] ^= 1 << bit;
                no_envelope(&tokens, Base64UrlUnpadded::encode_string(&other).as_bytes());
            }
            no_envelope(&tokens, Base64UrlUnpadded::encode_string(&bytes[..place]).as_bytes());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        no_envelope(&tokens, Base64UrlUnpadded::encode_string(&longer).as_bytes());
    }
}

#[test]
fn a_cookie_a_header_and_an_envelope_of_one_name_are_worth_nothing_for_each_other() {
    for ids in [&[][..], &[("k1", SECRET)]] {
        // Services of one worker, which remembers what each of them has read.
        let memory = Rc::new(Remembered::default());
        let carriers = [Carrier::Cookie("s"), Carrier::Header("s"), Carrier::Envelope("s")];
        let services: Vec<_> = (0..)
            .zip(carriers)
            .map(|(owner, carrier)| {
                tokens_of_worker(ids, (Rc::clone(&memory), owner), "shop", carrier, false)
            })
            .collect();
        for (from, maker) in carriers.iter().zip(&services) {
            // A token has no value, and so might an envelope: nothing but the carrier tells the two apart.
            for value in [b"".as_slice(), VALUE] {
                let text = maker.write_envelope(&session(), value, NONCE);
                for _ in 0..2 {
                    for (to, reader) in carriers.iter().zip(&services).filter(|(to, _)| *to != from) {
                        assert_eq!(reader.read(text.as_bytes()), None, "{from:?} as {to:?}");
                        assert_eq!(reader.read_envelope(text.as_bytes()), None, "{from:?} as {to:?}");
                    }
                    let _ = (maker.read(text.as_bytes()), maker.read_envelope(text.as_bytes()));
                }
            }
        }
    }
}

#[test]
fn an_envelope_is_worth_nothing_for_another_service_header_or_key() {
    let envelope = sealed().write_envelope(&session(), VALUE, NONCE);
    let here = Carrier::Envelope("mcp-session-id");
    for (other, why) in [
        (tokens(&[("k1", SECRET)], "blog", here, false), "another service"),
        (tokens_of(&[("k1", SECRET)], Carrier::Envelope("mcp-session"), false), "another header"),
        (tokens_of(&[("k1", OTHER_SECRET)], here, false), "another secret"),
        (tokens_of(&[("k2", SECRET)], here, false), "another id"),
        (plain(), "no keys"),
    ] {
        assert_eq!(other.read_envelope(envelope.as_bytes()), None, "{why}");
    }
    no_envelope(&sealed(), plain().write_envelope(&session(), VALUE, NONCE).as_bytes());
}

#[test]
fn an_envelope_adds_four_thirds_of_the_value_to_a_tokens_128_bytes_and_its_length_tells_no_endpoint() {
    let tokens = tokens_of(&[("abcdefgh", SECRET)], Carrier::Envelope("s"), true);
    for length in [1, 2, 3, 32, 1000, MAX_VALUE_LEN] {
        let value = vec![b'v'; length];
        let lengths = [None, Some("10.1.2.3:8080"), Some("[2001:db8::1]:443")].map(|endpoint| {
            let endpoint = endpoint.map(|endpoint| endpoint.parse().unwrap());
            let session = Session { endpoint, ..session() };
            tokens.write_envelope(&session, &value, NONCE).len()
        });
        assert!(lengths[0] <= MAX_LEN + length.div_ceil(3) * 4, "{length}: {lengths:?}");
        assert_eq!(lengths, [lengths[0]; 3]);
    }
}

fn envelope_service(with_keys: bool) -> Value {
    let affinity = json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": "s" } });
    let mut config = json!({ "sessionAffinity": affinity, "backends": ["blue", "green"] });
    if with_keys {
        config["keys"] = json!([{ "id": "k1", "secret": support::SECRET }]);
    }
    config
}

/// Anyone can make an envelope up where there are no keys; what no header can hold must not get into one.
#[test]
fn an_envelope_without_keys_that_holds_nothing_or_control_bytes_is_invalid_and_not_unwrapped() {
    let service = service(&envelope_service(false));
    let controls = (0..0x20_u8).filter(|byte| *byte != b'\t').chain([0x7f]);
    let odd =
        controls.flat_map(|byte| [vec![byte], vec![b'a', byte], vec![byte, b'a'], vec![b'a', byte, b'b']]);
    let mut values: Vec<Vec<u8>> = odd.collect();
    values.extend([b"".to_vec(), b"a\r\nx-affinity-cluster: blue".to_vec()]);
    for value in values {
        let tokens = service.tokens.as_ref().unwrap();
        let envelope = tokens.write_envelope(&begin(NOW, "blue"), &value, NONCE);
        let facts = Facts { now: NOW, random: 1, header: Some(envelope.as_bytes()), ..Facts::default() };
        let decision = service.decide(&facts);
        assert_eq!(decision.outcome, Outcome::Invalid, "{value:?}");
        let Verdict::Forward(to) = decision.verdict else { panic!("{value:?} is rejected") };
        assert_eq!(to.unwrapped, None, "{value:?}");
    }
}

/// Every kind of value that a header can have, up to the longest that is wrapped.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
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
    fn every_session_and_value_survive_the_round_trip(
        session in any_session(), value in any_value(), ip: IpAddr, port: u16, known: bool,
        nonce: [u8; NONCE_LEN], id in "[A-Za-z0-9_-]{1,8}", header in "[a-z0-9!#$%&'*+.^_`|~-]{1,128}",
    ) {
        let carrier = Carrier::Envelope(&header);
        let id = [(id.as_str(), SECRET)];
        for (tokens, pins) in
            [(tokens_of(&[], carrier, false), false), (tokens_of(&id, carrier, false), false), (tokens_of(&id, carrier, true), true)]
        {
            let endpoint = (pins && known).then(|| SocketAddr::new(ip, port));
            let session = Session { endpoint, ..session };
            let envelope = tokens.write_envelope(&session, &value, nonce);
            prop_assert!(envelope.len() <= MAX_LEN + value.len().div_ceil(3) * 4);
            for _ in 0..2 {
                prop_assert_eq!(tokens.read_envelope(envelope.as_bytes()), Some((session, value.clone())));
            }
        }
    }

    #[test]
    fn every_value_comes_back_to_the_application_as_it_was(value in any_value(), with_keys: bool) {
        let service = service(&envelope_service(with_keys));
        let envelope = service.tokens.as_ref().unwrap().write_envelope(&begin(NOW, "blue"), &value, NONCE);
        let facts = Facts { now: NOW, random: 1, header: Some(envelope.as_bytes()), ..Facts::default() };
        let decision = service.decide(&facts);
        prop_assert_eq!(decision.outcome, Outcome::Pinned);
        let Verdict::Forward(to) = decision.verdict else { panic!("rejected") };
        prop_assert_eq!(to.unwrapped, Some(value));
    }

    #[test]
    fn no_bytes_are_an_envelope_and_none_are_too_odd(
        bytes in prop::collection::vec(any::<u8>(), 0..100), times in 1..60_usize,
    ) {
        let bytes = bytes.repeat(times);
        for tokens in [plain(), sealed(), pinning()] {
            prop_assert_eq!(tokens.read_envelope(&bytes), None);
            for start in [&[][..], &[0x40], &[0x47], &[0x90], &[0x97], b"\x02\x02k1", &[0x80]] {
                let text = Base64UrlUnpadded::encode_string(&[start, &bytes].concat());
                prop_assert_eq!(tokens.read_envelope(text.as_bytes()), None);
            }
        }
    }
}
