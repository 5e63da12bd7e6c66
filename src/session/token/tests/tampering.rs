//! Texts that are almost valid tokens.

use super::*;

#[test]
fn every_changed_bit_and_every_truncation_makes_a_token_invalid() {
    for codec in all_codecs() {
        let token = codec.write(&session(), NONCE).unwrap().into_bytes();
        // The token is in the cache from here on.
        assert!(codec.read(&token).is_some());
        for place in 0..token.len() {
            for bit in 0..8 {
                let mut other = token.clone();
                other[place] ^= 1 << bit;
                assert_refused(&codec, &other);
            }
            assert_refused(&codec, &token[..place]);
            assert_refused(&codec, &token[place + 1..]);
        }
        // The same changes in the decoded bytes.
        let bytes = Base64UrlUnpadded::decode_vec(std::str::from_utf8(&token).unwrap()).unwrap();
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
fn a_token_in_any_other_spelling_is_refused() {
    for codec in all_codecs() {
        let token = codec.write(&session(), NONCE).unwrap();
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
                assert_refused(&codec, other.as_bytes());
            }
        }
        // If the last character has unused bits, several characters decode to the same bytes. Only one of them is
        // canonical.
        let (start, last) = token.split_at(token.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for ending in alphabet.split("").filter(|ending| *ending != last) {
            assert_refused(&codec, format!("{start}{ending}").as_bytes());
        }
    }
}

#[test]
fn malformed_tokens_with_a_right_checksum_are_refused() {
    // Made by tests/golden/tokens.py.
    for (token, why) in [
        ("AgkAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze-9L4ljKued_Q", "an unknown flag"),
        ("AgMAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze_yRrbPHm1lRA", "a missing last use"),
        ("AgUAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze-rGltaN3jSgA", "a missing endpoint"),
        ("AgEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2MkMBpkegwiB", "a last use without its flag"),
        (
            "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AEAAAAAAAAAAAAAAAAAAAAAAAAA-nanj1HhwLA",
            "IP version 1",
        ),
        (
            "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AUAAAAAAAAAAAAAAAAAAAAAAACvmROmBBOq8A",
            "IP version 5",
        ),
        (
            "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AcAAAAAAAAAAAAAAAAAAAAAAAA_F0zviIv2YQ",
            "IP version 7",
        ),
        (
            "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2P8AAAAAAAAAAAAAAAAAAAAAAAAP2xz3X9wFpw",
            "IP version 255",
        ),
        (
            "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AQAAAAAAAAAAAAAAAAAAAAAAABHH3wEPjXEZw",
            "no IPv4 address",
        ),
        ("Ali-0fqWdUsh", "nothing"),
        ("AwEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze-l4XsGmUs2MQ", "another version"),
    ] {
        for layout in LAYOUTS {
            assert_eq!(codec(&[], layout).read(token.as_bytes()), None, "{why}");
        }
    }
}

#[test]
fn thousands_of_bytes_are_not_a_token() {
    for length in [127, 128, 129, 130, 4096, 1_000_000] {
        for start in ["", "AQAB", "AgEA"] {
            let text = start.bytes().chain(std::iter::repeat(b'A')).take(length).collect::<Vec<_>>();
            assert_refused(&codec(&[], LARGEST), &text);
            assert_refused(&codec(&[SECRET], LARGEST), &text);
        }
    }
}
