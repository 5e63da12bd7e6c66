//! Tokens with room for an endpoint.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use proptest::prelude::*;
use session_affinity::session::Session;
use session_affinity::token::{Carrier, MAX_LEN, NONCE_LEN, Tokens};

use crate::token::{LAST_START, NONCE, SECRET, any_session, no_token, session, tokens};

fn tokens_of(ids: &[&str], has_endpoint: bool) -> Tokens {
    let ids: Vec<_> = ids.iter().map(|id| (*id, SECRET)).collect();
    tokens(&ids, "shop", Carrier::Cookie("GCLB"), has_endpoint)
}

fn pinning() -> Tokens {
    tokens_of(&["k1"], true)
}

/// A session on this endpoint, or on none that is known.
fn on(endpoint: Option<&str>) -> Session {
    Session { endpoint: endpoint.map(|endpoint| endpoint.parse().unwrap()), ..session() }
}

/// Of both kinds, and what looks like the other kind.
const ENDPOINTS: [Option<&str>; 9] = [
    None,
    Some("10.1.2.3:8080"),
    Some("0.0.0.0:0"),
    Some("255.255.255.255:65535"),
    Some("[2001:db8::1]:443"),
    Some("[::]:1"),
    Some("[::ffff:10.1.2.3]:8080"),
    Some("[::10.1.2.3]:8080"),
    Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
];

/// From `golden.py`: a change here ends every session there is.
#[test]
fn tokens_with_an_endpoint_are_what_they_were_in_every_release() {
    for (endpoint, token) in [
        (
            Some("10.1.2.3:8080"),
            "l69NHFd27yw6CAkKCwwNDg8QERITFBUWF9Ma223xo3HuTT9eQfstLmNzPQcivllcqiXufwaUoZ0V5cmiYAflfK5e64B9OpCyBJg",
        ),
        (
            Some("[2001:db8::1]:443"),
            "l69NHFd27yw6CAkKCwwNDg8QERITFBUWF9Ma223xo3HuTT9eQfstLENyML8ivllcqiURgAyVo58LztbbaAXY0Ydldu_2plngzgY",
        ),
        (
            None,
            "l69NHFd27yw6CAkKCwwNDg8QERITFBUWF9Ma223xo3HuTT9eQfstL2NzPQcivllcqiURgAyVo54KdXnqDIXTrbcnTm8skntJ2FQ",
        ),
    ] {
        assert_eq!(pinning().write(&on(endpoint), NONCE), token);
        assert_eq!(pinning().read(token.as_bytes()), Some(on(endpoint)));
    }
}

#[test]
fn an_endpoint_is_the_same_after_the_round_trip_of_whichever_kind_it_is() {
    for endpoint in ENDPOINTS {
        let token = pinning().write(&on(endpoint), NONCE);
        assert_eq!(pinning().read(token.as_bytes()), Some(on(endpoint)), "{endpoint:?}");
    }
}

#[test]
fn the_length_of_a_token_tells_nothing_of_the_endpoint_and_is_at_most_128_bytes() {
    for id in ["1", "k1", "abcdefgh"] {
        let tokens = tokens_of(&[id], true);
        let lengths: BTreeSet<usize> = ENDPOINTS
            .into_iter()
            .flat_map(|endpoint| {
                let longest = Session { start: LAST_START, used: u32::MAX, ..on(endpoint) };
                [on(endpoint), longest].map(|session| tokens.write(&session, [0xff; NONCE_LEN]).len())
            })
            .collect();
        assert_eq!(lengths.len(), 1, "{id}: {lengths:?}");
        assert!(lengths.iter().all(|length| *length <= MAX_LEN), "{id}: {lengths:?}");
    }
}

#[test]
fn a_token_of_before_the_pin_is_read_after_it_and_the_other_way_round() {
    let (before, after) = (tokens_of(&["k1"], false), pinning());
    let token = before.write(&on(Some("10.1.2.3:8080")), NONCE);
    assert_eq!(after.read(token.as_bytes()), Some(on(None)), "there was no room for an endpoint");
    let token = after.write(&on(Some("10.1.2.3:8080")), NONCE);
    assert_eq!(before.read(token.as_bytes()), Some(on(Some("10.1.2.3:8080"))));
}

#[test]
fn every_other_bit_and_every_truncation_of_a_token_with_an_endpoint_makes_it_worthless() {
    for endpoint in [None, Some("10.1.2.3:8080"), Some("[2001:db8::1]:443")] {
        let tokens = pinning();
        let token = tokens.write(&on(endpoint), NONCE);
        // From here on it is remembered.
        assert_eq!(tokens.read(token.as_bytes()), Some(on(endpoint)));
        let bytes = Base64UrlUnpadded::decode_vec(&token).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[place] ^= 1 << bit;
                no_token(&tokens, Base64UrlUnpadded::encode_string(&other).as_bytes());
            }
            no_token(&tokens, Base64UrlUnpadded::encode_string(&bytes[..place]).as_bytes());
            no_token(&tokens, &token.as_bytes()[..token.len() * place / bytes.len()]);
        }
    }
}

#[test]
fn a_token_with_an_endpoint_shows_no_byte_of_it() {
    let token = pinning().write(&on(Some("10.1.2.3:8080")), NONCE);
    let bytes = Base64UrlUnpadded::decode_vec(&token).unwrap();
    for known in [&[10, 1, 2, 3][..], &8080_u16.to_be_bytes(), b"10.1", b"8080"] {
        assert!(!bytes.windows(known.len()).any(|window| window == known), "{known:?}");
    }
}

proptest! {
    #[test]
    fn every_endpoint_survives_the_round_trip(
        session in any_session(), ip: IpAddr, port: u16, known: bool, nonce: [u8; NONCE_LEN],
        id in "[A-Za-z0-9_-]{1,8}",
    ) {
        let tokens = tokens_of(&[&id], true);
        let session = Session { endpoint: known.then(|| SocketAddr::new(ip, port)), ..session };
        let token = tokens.write(&session, nonce);
        prop_assert!(token.len() <= MAX_LEN);
        for _ in 0..2 {
            prop_assert_eq!(tokens.read(token.as_bytes()), Some(session));
        }
    }
}
