//! Tokens: what they hold, for whom, and how little of anything else is taken for one.

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use proptest::prelude::*;
use session_affinity::backends::BackendId;
use session_affinity::keys::Key;
use session_affinity::remembered::Remembered;
use session_affinity::session::{Millis, Session};
use session_affinity::token::{Carrier, MAX_LEN, NONCE_LEN, Room, Tokens};

pub const SECRET: &[u8] = b" 32 bytes that nobody shall see!";
pub const OTHER_SECRET: &[u8] = b"Another thirty-two bytes here...";
pub const NONCE: [u8; NONCE_LEN] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

/// The tokens of a service and carrier, with keys of these ids and secrets, in a worker that remembers none.
pub fn tokens(ids: &[(&str, &[u8])], service: &str, carrier: Carrier<'_>, has_endpoint: bool) -> Tokens {
    tokens_of_worker(ids, (Rc::default(), 0), service, carrier, has_endpoint)
}

/// As [`tokens`], in a worker that remembers what its services have read.
pub fn tokens_of_worker(
    ids: &[(&str, &[u8])],
    remembered: (Rc<Remembered>, usize),
    service: &str,
    carrier: Carrier<'_>,
    has_endpoint: bool,
) -> Tokens {
    let keys: Vec<Rc<Key>> =
        ids.iter().map(|(id, secret)| Rc::new(Key::new((*id).to_owned(), secret))).collect();
    let room = Room { last_use: true, endpoint: has_endpoint };
    Tokens::new(&keys, remembered, service, carrier, room)
}

fn tokens_of(ids: &[(&str, &[u8])], service: &str, cookie: &str) -> Tokens {
    tokens(ids, service, Carrier::Cookie(cookie), false)
}

fn plain() -> Tokens {
    tokens_of(&[], "shop", "GCLB")
}

fn sealed() -> Tokens {
    tokens_of(&[("k1", SECRET)], "shop", "GCLB")
}

/// The session of the golden values.
pub fn session() -> Session {
    Session {
        start: 1_700_000_000_120,
        used: 42,
        seed: 0x0123_4567_89ab_cdef,
        backend: BackendId::of("neg-demo-0"),
        endpoint: None,
        https: true,
    }
}

/// What clients hold who never had a token from us.
pub fn no_token(tokens: &Tokens, text: &[u8]) {
    assert_eq!(tokens.read(text), None, "{}", String::from_utf8_lossy(text));
}

#[test]
fn a_token_made_anywhere_with_the_same_configuration_is_read_everywhere() {
    for make in [plain, sealed] {
        let token = make().write(&session(), NONCE);
        assert_eq!(make().read(token.as_bytes()), Some(session()));
    }
}

/// As `tokens`, without room for anything.
fn small(ids: &[(&str, &[u8])]) -> Tokens {
    let keys: Vec<Rc<Key>> =
        ids.iter().map(|(id, secret)| Rc::new(Key::new((*id).to_owned(), secret))).collect();
    Tokens::new(&keys, (Rc::default(), 0), "shop", Carrier::Cookie("GCLB"), Room::default())
}

/// From `golden.py`: a change here ends every session there is.
#[test]
fn tokens_are_what_they_were_in_every_release() {
    let unused = Session { used: 0, ..session() };
    for (tokens, session, token) in [
        (plain(), session(), "QwEjRWeJq83vJ5TKJAznpEdcrQAAACqZBdrHXuTTfg"),
        (small(&[]), unused, "QQEjRWeJq83vJ5TKJAznpEdcrQ6iC8J58Er0"),
        (sealed(), session(), "k69NHFd27yw6CAkKCwwNDg8QERITFBUWF9Ma223xo3HuTT9eQfstvyNjzhbG7wVySEJvWvw12g"),
        (
            small(&[("k1", SECRET)]),
            unused,
            "ka9NHFd27yw6CAkKCwwNDg8QERITFBUWF9Ma223xo3HuTT8rymuI4nkE9K2pzXSa7efP",
        ),
    ] {
        assert_eq!(tokens.write(&session, NONCE), token);
        assert_eq!(tokens.read(token.as_bytes()), Some(session));
    }
    assert_eq!(sealed().seed(&NONCE), 0xae6f_5b33_fb41_e7d2);
}

#[test]
fn what_no_token_is_made_like_is_refused() {
    // From golden.py; their checksums are right.
    for (token, why) in [
        ("SwEjRWeJq83vJ5TKJAznpEdcrQAAACopLNlPh9thnQ", "an unknown flag"),
        ("RwEjRWeJq83vJ5TKJAznpEdcrQAAACob7JiCCPeiWA", "an endpoint is promised"),
        ("QwEjRWeJq83vJ5TKJAznpEdcrXmROpVpd-5u", "a last use is promised"),
        ("RwEjRWeJq83vJ5TKJAznpEdcrQAAACoCAAAAAAAAAAAAAAAAAAAAAAAAtcwK5y9Q59c", "an endpoint of kind 2"),
        ("RwEjRWeJq83vJ5TKJAznpEdcrQAAACoEAAAAAAAAAAAAAAAAAAAAAAAAt9TAemd6svQ", "an endpoint of kind 4"),
        ("RwEjRWeJq83vJ5TKJAznpEdcrQAAACr_AAAAAAAAAAAAAAAAAAAAAAAAitDwnZeQKss", "an endpoint of kind 255"),
        ("RwEjRWeJq83vJ5TKJAznpEdcrQAAACoBAAAAAAAAAAAAAAAAAAAAAAAA44OvKQ5mD3c", "no IPv4 address"),
    ] {
        assert_eq!(plain().read(token.as_bytes()), None, "{why}");
    }
}

#[test]
fn the_length_of_a_token_tells_nothing_of_what_became_of_its_session() {
    for tokens in [plain(), sealed(), small(&[]), small(&[("k1", SECRET)])] {
        let first = Session { used: 0, seed: tokens.seed(&NONCE), ..session() };
        let moved = Session { backend: BackendId::of("neg-demo-1"), ..first.used_at(first.start + 60_000) };
        let [first, moved] = [first, moved].map(|session| tokens.write(&session, NONCE));
        assert_eq!(first.len(), moved.len());
    }
}

#[test]
fn turning_the_idle_timeout_on_or_off_keeps_sessions() {
    for ids in [&[][..], &[("k1", SECRET)]] {
        let (without, with) = (small(ids), tokens_of(ids, "shop", "GCLB"));
        let unused = Session { used: 0, ..session() };
        assert_eq!(with.read(without.write(&session(), NONCE).as_bytes()), Some(unused));
        assert_eq!(without.read(with.write(&session(), NONCE).as_bytes()), Some(session()));
    }
}

#[test]
fn every_other_bit_and_every_truncation_makes_it_worthless() {
    for tokens in [plain(), sealed()] {
        let token = tokens.write(&session(), NONCE).into_bytes();
        for place in 0..token.len() {
            for bit in 0..8 {
                let mut other = token.clone();
                other[place] ^= 1 << bit;
                no_token(&tokens, &other);
            }
            no_token(&tokens, &token[..place]);
            no_token(&tokens, &token[place + 1..]);
        }
        // The same beneath the base64.
        let bytes = Base64UrlUnpadded::decode_vec(std::str::from_utf8(&token).unwrap()).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[place] ^= 1 << bit;
                no_token(&tokens, Base64UrlUnpadded::encode_string(&other).as_bytes());
            }
            no_token(&tokens, Base64UrlUnpadded::encode_string(&bytes[..place]).as_bytes());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        no_token(&tokens, Base64UrlUnpadded::encode_string(&longer).as_bytes());
    }
}

#[test]
fn a_token_in_any_other_spelling_is_refused() {
    for tokens in [plain(), sealed()] {
        let token = tokens.write(&session(), NONCE);
        for other in [
            format!("{token}="),
            format!("{token}=="),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("\"{token}\""),
            format!("{token}A"),
            format!("{token}AAAA"),
            token.replace('-', "+").replace('_', "/"),
            token.to_lowercase(),
            format!("%41{}", &token[1..]),
        ] {
            if other != token {
                no_token(&tokens, other.as_bytes());
            }
        }
    }
    // 55 bytes leave four bits of the last character unused: of 16 endings with the same bytes one is canonical.
    let tokens = sealed();
    let token = tokens.write(&session(), NONCE);
    let (start, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for ending in alphabet.split("").filter(|ending| *ending != last) {
        no_token(&tokens, format!("{start}{ending}").as_bytes());
    }
}

#[test]
fn a_token_is_worth_nothing_for_another_service_cookie_or_key() {
    let keys: &[(&str, &[u8])] = &[("k1", SECRET)];
    for (other, why) in [
        (tokens_of(keys, "blog", "GCLB"), "another service"),
        (tokens_of(keys, "shop", "GCLB2"), "another cookie"),
        (tokens_of(keys, "shop", "gclb"), "a cookie in another case"),
        (tokens_of(&[("k1", OTHER_SECRET)], "shop", "GCLB"), "another secret"),
        (tokens_of(&[("k2", SECRET)], "shop", "GCLB"), "another id"),
    ] {
        let token = sealed().write(&session(), NONCE);
        assert_eq!(other.read(token.as_bytes()), None, "{why}");
    }
    for (other, why) in [
        (tokens_of(&[], "blog", "GCLB"), "another service"),
        (tokens_of(&[], "shop", "GCLB2"), "another cookie"),
    ] {
        let token = plain().write(&session(), NONCE);
        assert_eq!(other.read(token.as_bytes()), None, "{why}");
    }
}

#[test]
fn names_that_read_alike_when_joined_are_not_confused() {
    for keys in [&[][..], &[("k1", SECRET)]] {
        let (one, other) = (tokens_of(keys, "shop", "acookieb"), tokens_of(keys, "shopcookiea", "b"));
        no_token(&other, one.write(&session(), NONCE).as_bytes());
    }
}

#[test]
fn with_keys_a_token_without_is_refused_and_the_other_way_round() {
    no_token(&sealed(), plain().write(&session(), NONCE).as_bytes());
    no_token(&plain(), sealed().write(&session(), NONCE).as_bytes());
}

#[test]
fn the_first_key_makes_tokens_and_every_key_reads_them() {
    let old: (&str, &[u8]) = ("old", SECRET);
    let new: (&str, &[u8]) = ("new", OTHER_SECRET);
    let step = |keys: &[(&str, &[u8])]| tokens_of(keys, "shop", "GCLB");
    let (before, added, first, dropped) = (step(&[old]), step(&[old, new]), step(&[new, old]), step(&[new]));
    let of_old = added.write(&session(), NONCE);
    let of_new = first.write(&session(), NONCE);
    for tokens in [&before, &added, &first] {
        assert_eq!(tokens.read(of_old.as_bytes()), Some(session()));
    }
    for tokens in [&added, &first, &dropped] {
        assert_eq!(tokens.read(of_new.as_bytes()), Some(session()));
    }
    no_token(&before, of_new.as_bytes());
    no_token(&dropped, of_old.as_bytes());
}

#[test]
fn a_session_keeps_its_seed_when_another_key_makes_its_token() {
    let old: (&str, &[u8]) = ("old", SECRET);
    let new: (&str, &[u8]) = ("new", OTHER_SECRET);
    let (before, after) = (tokens_of(&[old], "shop", "GCLB"), tokens_of(&[new, old], "shop", "GCLB"));
    let session = Session { seed: before.seed(&NONCE), ..session() };
    let read = after.read(before.write(&session, NONCE).as_bytes()).unwrap();
    assert_eq!(read, session);
    assert_eq!(after.read(after.write(&read, NONCE).as_bytes()), Some(session));
}

#[test]
fn nonces_do_not_show_the_seed() {
    let nonces = |tokens: &Tokens| [[0; NONCE_LEN], [0xff; NONCE_LEN]].map(|nonce| tokens.seed(&nonce));
    assert_ne!(nonces(&sealed()), nonces(&tokens_of(&[("k1", OTHER_SECRET)], "shop", "GCLB")));
    assert_ne!(nonces(&sealed()), [0, u64::MAX]);
}

#[test]
fn each_of_several_keys_whose_ids_look_alike_in_a_token_reads_its_own() {
    // Two bits stand for an id in the token.
    let ids: Vec<String> = (0..300).map(|index| format!("k{index}")).collect();
    let secrets: Vec<Vec<u8>> = (0..300_u32).map(|index| index.to_be_bytes().repeat(8)).collect();
    let keys: Vec<(&str, &[u8])> =
        ids.iter().zip(&secrets).map(|(id, secret)| (id.as_str(), secret.as_slice())).collect();
    let all = tokens_of(&keys, "shop", "GCLB");
    for key in &keys {
        let token = tokens_of(&[*key], "shop", "GCLB").write(&session(), NONCE);
        assert_eq!(all.read(token.as_bytes()), Some(session()), "{}", key.0);
    }
}

#[test]
fn a_token_fits_a_cookie_and_a_url_and_is_at_most_128_bytes_long() {
    for tokens in [plain(), sealed(), tokens_of(&[("abcdefgh", SECRET)], &"s".repeat(64), &"n".repeat(128))] {
        let token =
            tokens.write(&Session { start: LAST_START, used: u32::MAX, ..session() }, [0xff; NONCE_LEN]);
        assert!(token.len() <= MAX_LEN, "{}", token.len());
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
    }
    assert_eq!(MAX_LEN, 128);
}

#[test]
fn tokens_of_one_session_have_nothing_in_common_after_its_seed() {
    let tokens = sealed();
    let bytes = |nonce: u8| {
        let token = tokens.write(&session(), [nonce; NONCE_LEN]);
        Base64UrlUnpadded::decode_vec(&token).unwrap().split_off(1 + NONCE_LEN)
    };
    // 30 bytes of ciphertext and tag: between two, half of 240 bits differ, 8 more or less.
    let mut differing = 0;
    for nonce in 1..=100 {
        let (one, other) = (bytes(0), bytes(nonce));
        differing += one.iter().zip(&other).map(|(one, other)| (one ^ other).count_ones()).sum::<u32>();
    }
    assert!((11_600..=12_400).contains(&differing), "{differing} of 24,000 bits differ");
}

#[test]
fn a_token_without_keys_names_no_cluster_either() {
    let token = plain().write(&session(), NONCE);
    let bytes = Base64UrlUnpadded::decode_vec(&token).unwrap();
    for known in ["neg", "demo", "shop", "GCLB"] {
        assert!(!bytes.windows(known.len()).any(|window| window == known.as_bytes()), "{known}");
    }
}

#[test]
fn thousands_of_bytes_are_no_token() {
    for length in [127, 128, 129, 130, 4096, 1_000_000] {
        no_token(&plain(), &vec![b'A'; length]);
        no_token(&sealed(), &vec![b'A'; length]);
    }
}

/// No session begins later, in the year 2318.
pub const LAST_START: Millis = ((1 << 40) - 1) * 10;

/// Any session, without an endpoint.
pub fn any_session() -> impl Strategy<Value = Session> {
    let starts = (0..=LAST_START / 10).prop_map(|hundredths| hundredths * 10);
    let used = prop_oneof![Just(0), any::<u32>()];
    (starts, used, any::<u64>(), 0..1_u64 << 40, any::<bool>()).prop_map(
        |(start, used, seed, backend, https)| Session {
            start,
            used,
            seed,
            backend: BackendId::from_bits(backend),
            endpoint: None,
            https,
        },
    )
}

proptest! {
    #[test]
    fn every_session_survives_the_round_trip(
        session in any_session(), nonce: [u8; NONCE_LEN], id in "[A-Za-z0-9_-]{1,8}", secret: [u8; 32],
        service in "[A-Za-z0-9_-]{1,64}", cookie in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}",
    ) {
        for keys in [&[][..], &[(id.as_str(), secret.as_slice())]] {
            let tokens = tokens_of(keys, &service, &cookie);
            // Of its own seed, and of the nonce's.
            for session in [session, Session { seed: tokens.seed(&nonce), ..session }] {
                let token = tokens.write(&session, nonce);
                prop_assert!(token.len() <= MAX_LEN);
                prop_assert_eq!(tokens.read(token.as_bytes()), Some(session));
            }
        }
    }

    #[test]
    fn no_bytes_are_a_token_and_none_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for tokens in [plain(), sealed()] {
            prop_assert_eq!(tokens.read(&bytes), None);
            let text = Base64UrlUnpadded::encode_string(&bytes);
            prop_assert_eq!(tokens.read(text.as_bytes()), None);
            // With a beginning that is right.
            for start in [&[0x40][..], &[0x47], &[0x90], &[0x97], b"\x02\x02k1", &[0x80]] {
                let text = Base64UrlUnpadded::encode_string(&[start, &bytes].concat());
                prop_assert_eq!(tokens.read(text.as_bytes()), None);
            }
        }
    }
}
