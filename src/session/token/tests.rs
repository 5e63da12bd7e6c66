mod envelopes;
mod golden;
mod released;
mod tampering;

use std::collections::BTreeSet;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b" 32 bytes that nobody shall see!";
const OTHER_SECRET: &[u8] = b"Another thirty-two bytes here...";
/// The bytes 0 to 23.
const NONCE: [u8; NONCE_LEN] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
const COOKIE: Carrier<'_> = Carrier::Cookie("GCLB");
const LAYOUTS: [Layout; 4] = [
    Layout { last_use: false, endpoint: false },
    Layout { last_use: true, endpoint: false },
    Layout { last_use: false, endpoint: true },
    Layout { last_use: true, endpoint: true },
];
const SMALLEST: Layout = LAYOUTS[0];
const LARGEST: Layout = LAYOUTS[3];

/// A codec with keys of these secrets and a separate cache.
fn codec_of(secrets: &[&[u8]], service: &str, carrier: Carrier<'_>, layout: Layout) -> TokenCodec {
    let keys = secrets.iter().map(|secret| Key::new("k".to_owned(), secret)).collect();
    TokenCodec::new(keys, Rc::default(), service, carrier, layout)
}

/// The codec for the cookie `GCLB` of the service `shop`.
fn codec(secrets: &[&[u8]], layout: Layout) -> TokenCodec {
    codec_of(secrets, "shop", COOKIE, layout)
}

/// A codec of each layout, with keys and without.
fn all_codecs() -> impl Iterator<Item = TokenCodec> {
    LAYOUTS.into_iter().flat_map(|layout| [codec(&[], layout), codec(&[SECRET], layout)])
}

/// The session of the golden tokens, with every field.
fn session() -> Session {
    Session {
        start: 1_700_000_000_123,
        last_use: Some(1_700_000_010_456),
        seed: 0x0123_4567_89ab_cdef,
        backend: BackendId::of("neg-demo-0"),
        endpoint: Some(at("10.1.2.3:8080")),
        https: true,
    }
}

fn at(endpoint: &str) -> SocketAddr {
    endpoint.parse().unwrap()
}

/// The parts of a session that a token of this layout keeps.
fn kept(session: Session, layout: Layout) -> Session {
    Session {
        last_use: layout.last_use.then(|| session.last_use.unwrap_or(session.start)),
        endpoint: session.endpoint.filter(|_| layout.endpoint),
        ..session
    }
}

fn assert_refused(codec: &TokenCodec, text: &[u8]) {
    assert_eq!(codec.read(text), None, "{}", String::from_utf8_lossy(text));
}

/// Endpoints of both IP versions, and endpoints that look like the other version.
const ENDPOINTS: [&str; 8] = [
    "10.1.2.3:8080",
    "0.0.0.0:0",
    "255.255.255.255:65535",
    "[2001:db8::1]:443",
    "[::]:1",
    "[::ffff:10.1.2.3]:8080",
    "[::10.1.2.3]:8080",
    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
];

#[test]
fn a_token_is_read_everywhere_with_the_same_configuration() {
    for layout in LAYOUTS {
        for secrets in [&[][..], &[SECRET]] {
            let token = codec(secrets, layout).write(&session(), NONCE).unwrap();
            assert_eq!(codec(secrets, layout).read(token.as_bytes()), Some(kept(session(), layout)));
        }
    }
}

#[test]
fn every_endpoint_is_read_as_it_was_written() {
    for endpoint in ENDPOINTS.map(|endpoint| Some(at(endpoint))).into_iter().chain([None]) {
        let session = Session { endpoint, ..session() };
        let token = codec(&[SECRET], LARGEST).write(&session, NONCE).unwrap();
        assert_eq!(codec(&[SECRET], LARGEST).read(token.as_bytes()), Some(session), "{endpoint:?}");
    }
}

#[test]
fn a_session_that_has_just_begun_is_written_as_in_use() {
    let begun = Session { last_use: None, ..session() };
    let codec = codec(&[SECRET], LARGEST);
    let read = codec.read(codec.write(&begun, NONCE).unwrap().as_bytes()).unwrap();
    assert_eq!(read, begun.used_at(begun.start));
}

#[test]
fn tokens_of_any_layout_are_read_with_any_layout() {
    for secrets in [&[][..], &[SECRET]] {
        for (before, after) in LAYOUTS.into_iter().flat_map(|before| LAYOUTS.map(|after| (before, after))) {
            let token = codec(secrets, before).write(&session(), NONCE).unwrap();
            let codec = codec(secrets, after);
            assert!(codec.may_be_token(token.as_bytes()), "{before:?} {after:?}");
            assert_eq!(codec.read(token.as_bytes()), Some(kept(session(), before)), "{before:?} {after:?}");
        }
    }
}

#[test]
fn turning_the_idle_timeout_on_and_pinning_endpoints_too_keeps_tokens_readable() {
    let token = codec(&[SECRET], SMALLEST).write(&session(), NONCE).unwrap();
    let read = codec(&[SECRET], LARGEST).read(token.as_bytes());
    assert_eq!(read, Some(Session { last_use: None, endpoint: None, ..session() }));
}

#[test]
fn the_length_of_a_token_does_not_depend_on_its_session() {
    for codec in all_codecs() {
        let begun = Session { last_use: None, endpoint: None, https: false, ..session() };
        let mut sessions = vec![
            begun,
            begun.used_at(Millis::MAX),
            Session { start: 0, seed: 0, backend: BackendId::from_bits(0), ..begun },
            Session { start: u64::MAX, seed: u64::MAX, backend: BackendId::from_bits(u64::MAX), ..session() },
        ];
        sessions.extend(ENDPOINTS.map(|endpoint| Session { endpoint: Some(at(endpoint)), ..session() }));
        let lengths: BTreeSet<usize> =
            sessions.iter().map(|session| codec.write(session, [0xff; NONCE_LEN]).unwrap().len()).collect();
        assert_eq!(lengths.len(), 1, "{codec:?}: {lengths:?}");
    }
}

#[test]
fn a_token_fits_into_a_cookie_and_a_url_and_has_at_most_128_bytes() {
    for codec in all_codecs() {
        let token = codec.write(&session(), [0xff; NONCE_LEN]).unwrap();
        assert!(token.len() <= MAX_LEN, "{}", token.len());
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
    }
    assert_eq!(MAX_LEN, 128);
}

#[test]
fn only_texts_with_the_length_and_the_first_byte_of_a_token_may_be_tokens() {
    for (secrets, other) in [(&[][..], &[SECRET][..]), (&[SECRET], &[])] {
        let lengths = LAYOUTS.map(|layout| codec(secrets, layout).write(&session(), NONCE).unwrap().len());
        let codec = codec(secrets, SMALLEST);
        let first = codec.write(&session(), NONCE).unwrap().split_off(0)[..4].to_owned();
        for length in 0..=MAX_LEN {
            let text = first.chars().chain(std::iter::repeat('A')).take(length).collect::<String>();
            assert_eq!(codec.may_be_token(text.as_bytes()), lengths.contains(&length), "{length}");
            assert!(!codec.may_be_token(&vec![b'z'; length]), "{length}");
            assert!(!codec.may_be_token(&vec![b'!'; length]), "{length}");
        }
        let of_other_version = self::codec(other, SMALLEST).write(&session(), NONCE).unwrap();
        assert!(!codec.may_be_token(of_other_version.as_bytes()));
    }
}

#[test]
fn a_token_is_invalid_for_another_service_carrier_or_secret() {
    let others: [(&[&[u8]], &str, Carrier<'_>, &str); 6] = [
        (&[SECRET], "blog", COOKIE, "another service"),
        (&[SECRET], "shop", Carrier::Cookie("GCLB2"), "another cookie"),
        (&[SECRET], "shop", Carrier::Cookie("gclb"), "a cookie in another case"),
        (&[SECRET], "shop", Carrier::Header("GCLB"), "a header"),
        (&[SECRET], "shop", Carrier::HeaderEnvelope("GCLB"), "an envelope"),
        (&[OTHER_SECRET], "shop", COOKIE, "another secret"),
    ];
    for layout in LAYOUTS {
        let token = codec(&[SECRET], layout).write(&session(), NONCE).unwrap();
        let token_without_keys = codec(&[], layout).write(&session(), NONCE).unwrap();
        for (secrets, service, carrier, why) in others {
            let codec = codec_of(secrets, service, carrier, layout);
            assert_eq!(codec.read(token.as_bytes()), None, "{why}");
            if secrets == [SECRET] {
                let codec = codec_of(&[], service, carrier, layout);
                assert_eq!(codec.read(token_without_keys.as_bytes()), None, "{why}, without keys");
            }
        }
    }
}

#[test]
fn names_that_are_equal_when_joined_are_not_confused() {
    for secrets in [&[][..], &[SECRET]] {
        let one = codec_of(secrets, "shop", Carrier::Cookie("acookieb"), SMALLEST);
        let other = codec_of(secrets, "shopcookiea", Carrier::Cookie("b"), SMALLEST);
        assert_refused(&other, one.write(&session(), NONCE).unwrap().as_bytes());
    }
}

#[test]
fn with_keys_a_token_without_keys_is_refused_and_the_other_way_round() {
    for layout in LAYOUTS {
        let (with, without) = (codec(&[SECRET], layout), codec(&[], layout));
        assert_refused(&with, without.write(&session(), NONCE).unwrap().as_bytes());
        assert_refused(&without, with.write(&session(), NONCE).unwrap().as_bytes());
    }
}

#[test]
fn the_first_key_makes_tokens_and_every_key_reads_them() {
    let (old, new) = (SECRET, OTHER_SECRET);
    let step = |secrets: &[&[u8]]| codec(secrets, SMALLEST);
    let (before, added, first, dropped) = (step(&[old]), step(&[old, new]), step(&[new, old]), step(&[new]));
    let of_old = added.write(&session(), NONCE).unwrap();
    let of_new = first.write(&session(), NONCE).unwrap();
    for codec in [&before, &added, &first] {
        assert_eq!(codec.read(of_old.as_bytes()), Some(kept(session(), SMALLEST)));
    }
    for codec in [&added, &first, &dropped] {
        assert_eq!(codec.read(of_new.as_bytes()), Some(kept(session(), SMALLEST)));
    }
    assert_refused(&before, of_new.as_bytes());
    assert_refused(&dropped, of_old.as_bytes());
}

#[test]
fn each_of_many_keys_reads_its_own_tokens() {
    let secrets: Vec<Vec<u8>> = (0..100_u32).map(|index| index.to_be_bytes().repeat(8)).collect();
    let secrets: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
    let all = codec(&secrets, LARGEST);
    for secret in &secrets {
        let token = codec(&[secret], LARGEST).write(&session(), NONCE).unwrap();
        assert_eq!(all.read(token.as_bytes()), Some(session()));
    }
}

#[test]
fn two_tokens_of_one_session_have_nothing_in_common_after_their_version() {
    let codec = codec(&[SECRET], SMALLEST);
    let bytes = |nonce: u8| {
        let token = codec.write(&session(), [nonce; NONCE_LEN]).unwrap();
        Base64UrlUnpadded::decode_vec(&token).unwrap().split_off(1 + NONCE_LEN)
    };
    // Ciphertext and tag have 41 bytes. Two tokens differ in half of the 328 bits on average, with a standard deviation
    // of 9.
    let differing: u32 = (1..=100)
        .map(|nonce| {
            bytes(0).iter().zip(bytes(nonce)).map(|(one, other)| (one ^ other).count_ones()).sum::<u32>()
        })
        .sum();
    assert!((16_000..=16_800).contains(&differing), "{differing} of 32,800 bits differ");
}

#[test]
fn a_token_shows_no_cluster_and_no_endpoint() {
    for codec in [codec(&[SECRET], LARGEST), codec(&[], SMALLEST)] {
        let bytes = Base64UrlUnpadded::decode_vec(&codec.write(&session(), NONCE).unwrap()).unwrap();
        let port = 8080_u16.to_be_bytes();
        for known in [&b"neg"[..], b"demo", b"shop", b"GCLB", &[10, 1, 2, 3], &port, b"10.1", b"8080"] {
            assert!(!bytes.windows(known.len()).any(|window| window == known), "{known:?}");
        }
    }
}

/// Any session, with every field.
fn any_session() -> impl Strategy<Value = Session> {
    let times = (any::<u64>(), any::<u64>());
    let endpoint = prop::option::of((any::<IpAddr>(), any::<u16>()));
    (times, any::<u64>(), any::<u64>(), endpoint, any::<bool>()).prop_map(
        |((start, last_use), seed, backend, endpoint, https)| Session {
            start,
            last_use: Some(last_use),
            seed,
            backend: BackendId::from_bits(backend),
            endpoint: endpoint.map(|(ip, port)| SocketAddr::new(ip, port)),
            https,
        },
    )
}

proptest! {
    #[test]
    fn every_session_is_read_as_it_was_written(
        session in any_session(), nonce: [u8; NONCE_LEN], secret: [u8; 32],
        service in "[A-Za-z0-9_-]{1,64}", cookie in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}",
    ) {
        for layout in LAYOUTS {
            for secrets in [&[][..], &[&secret[..]]] {
                let codec = codec_of(secrets, &service, Carrier::Cookie(&cookie), layout);
                let token = codec.write(&session, nonce).unwrap();
                prop_assert!(token.len() <= MAX_LEN);
                prop_assert!(codec.may_be_token(token.as_bytes()));
                // The second read comes from the cache.
                for _ in 0..2 {
                    prop_assert_eq!(codec.read(token.as_bytes()), Some(kept(session, layout)));
                }
            }
        }
    }

    #[test]
    fn no_bytes_are_a_token_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for codec in [codec(&[], LARGEST), codec(&[SECRET], LARGEST)] {
            prop_assert_eq!(codec.read(&bytes), None);
            let _ = codec.may_be_token(&bytes);
            for start in [&[][..], &[ENCRYPTED], &[UNENCRYPTED], &[UNENCRYPTED, HTTPS], &[UNENCRYPTED, 7], &[0]] {
                let text = Base64UrlUnpadded::encode_string(&[start, &bytes].concat());
                prop_assert_eq!(codec.read(text.as_bytes()), None);
                let _ = codec.may_be_token(text.as_bytes());
            }
        }
    }
}
