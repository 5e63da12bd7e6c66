//! A session and the application's own value in one text.

use super::*;

const HEADER: Carrier<'_> = Carrier::HeaderEnvelope("mcp-session-id");
/// A session id of an application. One byte of it is not ASCII.
pub(super) const VALUE: &[u8] = b"0f36a8a5-\xff";

fn envelopes(secrets: &[&[u8]], layout: Layout) -> TokenCodec {
    codec_of(secrets, "shop", HEADER, layout)
}

fn assert_refused(codec: &TokenCodec, text: &[u8]) {
    assert_eq!(codec.read_envelope(text), None, "{}", String::from_utf8_lossy(text));
}

#[test]
fn every_changed_bit_and_every_truncation_makes_an_envelope_invalid() {
    for (secrets, layout) in [(&[][..], SMALLEST), (&[SECRET], SMALLEST), (&[SECRET], LARGEST)] {
        let codec = envelopes(secrets, layout);
        let envelope = codec.write_envelope(&session(), VALUE, NONCE).unwrap().into_bytes();
        let bytes = Base64UrlUnpadded::decode_vec(std::str::from_utf8(&envelope).unwrap()).unwrap();
        // The envelope is in the cache from here on.
        assert_eq!(codec.read_envelope(&envelope), Some((kept(session(), layout), VALUE.to_vec())));
        for place in 0..envelope.len() {
            for bit in 0..8 {
                let mut other = envelope.clone();
                other[place] ^= 1 << bit;
                assert_refused(&codec, &other);
            }
            assert_refused(&codec, &envelope[..place]);
            assert_refused(&codec, &envelope[place + 1..]);
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[place] ^= 1 << bit;
                assert_refused(&codec, Base64UrlUnpadded::encode_string(&other).as_bytes());
            }
            assert_refused(&codec, Base64UrlUnpadded::encode_string(&bytes[..place]).as_bytes());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_refused(&codec, Base64UrlUnpadded::encode_string(&longer).as_bytes());
    }
}

#[test]
fn an_envelope_without_the_endpoint_that_its_flags_promise_is_refused() {
    // Made by tests/golden/tokens.py. Its checksum is right.
    let envelope = b"AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8wZjM2YThhNS3_-KXXBUQQk1Y";
    assert_refused(&envelopes(&[], LARGEST), envelope);
}

#[test]
fn a_token_for_a_cookie_a_header_or_an_envelope_is_invalid_for_the_others_with_the_same_name() {
    for secrets in [&[][..], &[SECRET]] {
        // The services of one worker share the cache.
        let cache = Rc::default();
        let keys: Rc<[Key]> = secrets.iter().map(|secret| Key::new("k".to_owned(), secret)).collect();
        let carriers = [Carrier::Cookie("s"), Carrier::Header("s"), Carrier::HeaderEnvelope("s")];
        let codecs = carriers
            .map(|carrier| TokenCodec::new(Rc::clone(&keys), Rc::clone(&cache), "shop", carrier, SMALLEST));
        for (from, writer) in carriers.iter().zip(&codecs) {
            for value in [b"".as_slice(), VALUE] {
                let text = writer.write_envelope(&session(), value, NONCE).unwrap();
                for _ in 0..2 {
                    for (to, reader) in carriers.iter().zip(&codecs).filter(|(to, _)| *to != from) {
                        assert_eq!(reader.read(text.as_bytes()), None, "{from:?} as {to:?}");
                        assert_eq!(reader.read_envelope(text.as_bytes()), None, "{from:?} as {to:?}");
                    }
                    let _ = (writer.read(text.as_bytes()), writer.read_envelope(text.as_bytes()));
                }
            }
        }
    }
}

#[test]
fn an_envelope_is_invalid_for_another_service_header_or_secret() {
    let envelope = envelopes(&[SECRET], SMALLEST).write_envelope(&session(), VALUE, NONCE).unwrap();
    for (other, why) in [
        (codec_of(&[SECRET], "blog", HEADER, SMALLEST), "another service"),
        (codec_of(&[SECRET], "shop", Carrier::HeaderEnvelope("mcp-session"), SMALLEST), "another header"),
        (envelopes(&[OTHER_SECRET], SMALLEST), "another secret"),
        (envelopes(&[], SMALLEST), "no keys"),
    ] {
        assert_eq!(other.read_envelope(envelope.as_bytes()), None, "{why}");
    }
    let without_keys = envelopes(&[], SMALLEST).write_envelope(&session(), VALUE, NONCE).unwrap();
    assert_refused(&envelopes(&[SECRET], SMALLEST), without_keys.as_bytes());
}

#[test]
fn an_envelope_adds_four_thirds_of_the_value_to_a_token_and_its_length_does_not_depend_on_the_session() {
    let codec = envelopes(&[SECRET], LARGEST);
    for length in [1, 2, 3, 32, 1000, MAX_VALUE_LEN] {
        let value = vec![b'v'; length];
        let lengths = [None, Some(at("10.1.2.3:8080")), Some(at("[2001:db8::1]:443"))].map(|endpoint| {
            let envelope = codec.write_envelope(&Session { endpoint, ..session() }, &value, NONCE).unwrap();
            assert!(codec.read_envelope(envelope.as_bytes()).is_some());
            envelope.len()
        });
        assert!(lengths[0] <= MAX_LEN + length.div_ceil(3) * 4, "{length}: {lengths:?}");
        assert_eq!(lengths, [lengths[0]; 3]);
    }
}

proptest! {
    #[test]
    fn every_session_and_value_are_read_as_they_were_written(
        session in any_session(), value in "[ -~\u{80}-\u{ff}]{1,1000}", nonce: [u8; NONCE_LEN],
        header in "[a-z0-9!#$%&'*+.^_`|~-]{1,128}",
    ) {
        for layout in LAYOUTS {
            for secrets in [&[][..], &[SECRET]] {
                let codec = codec_of(secrets, "shop", Carrier::HeaderEnvelope(&header), layout);
                let envelope = codec.write_envelope(&session, value.as_bytes(), nonce).unwrap();
                prop_assert!(envelope.len() <= MAX_LEN + value.len().div_ceil(3) * 4);
                // The second read comes from the cache.
                for _ in 0..2 {
                    let expected = (kept(session, layout), value.clone().into_bytes());
                    prop_assert_eq!(codec.read_envelope(envelope.as_bytes()), Some(expected));
                }
            }
        }
    }

    #[test]
    fn no_bytes_are_an_envelope_by_chance(
        bytes in prop::collection::vec(any::<u8>(), 0..100), times in 1..60_usize,
    ) {
        let bytes = bytes.repeat(times);
        for codec in [envelopes(&[], SMALLEST), envelopes(&[SECRET], LARGEST)] {
            prop_assert_eq!(codec.read_envelope(&bytes), None);
            for start in [&[][..], &[ENCRYPTED], &[UNENCRYPTED], &[UNENCRYPTED, HTTPS], &[UNENCRYPTED, 7], &[0]] {
                let text = Base64UrlUnpadded::encode_string(&[start, &bytes].concat());
                prop_assert_eq!(codec.read_envelope(text.as_bytes()), None);
            }
        }
    }
}
