//! Tokens of this version, byte for byte. A change here would end every session, so a new format needs a new version
//! byte. `tests/golden/tokens.py` makes these tokens without this crate's code. The tokens of earlier releases are in
//! `released.rs`.

use super::envelopes::VALUE;
use super::*;

#[track_caller]
fn assert_golden(codec: &TokenCodec, session: Session, token: &str) {
    assert_eq!(codec.write(&session, NONCE).unwrap(), token);
    assert_eq!(codec.read(token.as_bytes()), Some(session));
}

#[test]
fn a_token_of_each_layout_never_changes() {
    for (secrets, tokens) in [
        (
            &[][..],
            [
                "AgEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze-ZDJDNBT9mgg",
                "AgMAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2HtUKzz-lkzi",
                "AgUAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8EAAAAAAAAAAAAAP__CgECAx-QqkSNISZJQos",
                "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AQAAAAAAAAAAAAA__8KAQIDH5BdyhI5O1_MAA",
            ],
        ),
        (
            &[SECRET],
            [
                "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwxJjg_56LBB3EFCV3erC31co1wlFLxI-iwnEIFIc_Ez61Zjmzvs8HQ-",
                "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFw5Jjg_56LBB3EFCV3erC31co1wlFLxI-ixB5zQPZ8IaEZOWuyaOPexxZ8aDZgXu9n4",
                "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwhJjg_56LBB3EFCV3erC31co1wlFLxI-ixF5zWEqCeKyayL9vTH9fcRswfjsR0qoXseBYdnjLIeia1MOQ",
                "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwpJjg_56LBB3EFCV3erC31co1wlFLxI-ixB5zQPZ8IaEaiL9gs4__YTsBhzjQeJexiQTS4Z7mEEdPAN0Dj6NNH8-kQc",
            ],
        ),
    ] {
        for (layout, token) in LAYOUTS.into_iter().zip(tokens) {
            assert_golden(&codec(secrets, layout), kept(session(), layout), token);
        }
    }
}

#[test]
fn a_token_with_an_ipv6_endpoint_never_changes() {
    let session = Session { endpoint: Some(at("[2001:db8::1]:443")), ..session() };
    for (secrets, token) in [
        (&[][..], "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AYgAQ24AAAAAAAAAAAAAAABAbvzH90LL6dSlQ"),
        (
            &[SECRET],
            "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwpJjg_56LBB3EFCV3erC31co1wlFLxI-ixB5zQPZ8IaEaqr9waA__YTsBhzcviDehqSUwW4UOGrSGBPbcSd6sK60mcm",
        ),
    ] {
        assert_golden(&codec(secrets, LARGEST), session, token);
    }
}

#[test]
fn a_token_with_an_unknown_endpoint_never_changes() {
    let session = Session { endpoint: None, ..session() };
    for (secrets, token) in [
        (&[][..], "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AAAAAAAAAAAAAAAAAAAAAAAAABdoYsjqlVlYw"),
        (
            &[SECRET],
            "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwpJjg_56LBB3EFCV3erC31co1wlFLxI-ixB5zQPZ8IaEayL9gs4__YTsBhzcviDehqTUr6dFMVe8e6khm98HTQThbe1",
        ),
    ] {
        assert_golden(&codec(secrets, LARGEST), session, token);
    }
}

#[test]
fn a_token_of_a_session_over_http_never_changes() {
    let session = Session { https: false, ..kept(session(), SMALLEST) };
    for (secrets, token) in [
        (&[][..], "AgAAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8hJkRJAaCeUQ"),
        (
            &[SECRET],
            "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFw1Jjg_56LBB3EFCV3erC31co1wlFLxI-izaG0AivyBKSltV9DHVQGDY",
        ),
    ] {
        assert_golden(&codec(secrets, SMALLEST), session, token);
    }
}

#[test]
fn a_token_in_a_header_never_changes() {
    for (secrets, token) in [
        (&[][..], "AgEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze85gysyyZHL3g"),
        (
            &[SECRET],
            "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwxJjg_56LBB3EFCV3erC31co1wlFLxI-iyuQKIRl172gSSdKmnk5pSl",
        ),
    ] {
        let codec = codec_of(secrets, "shop", Carrier::Header("x-session"), SMALLEST);
        assert_golden(&codec, kept(session(), SMALLEST), token);
    }
}

#[test]
fn an_envelope_never_changes() {
    for (secrets, layout, envelope) in [
        (&[][..], SMALLEST, "AgEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8wZjM2YThhNS3_fOkwHHcP2Iw"),
        (
            &[SECRET],
            SMALLEST,
            "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwxJjg_56LBB3EFCV3erC31co1wlFLxI-ixxgQayyR_r_IF0s5KWHWL_2rmMKY5WWMKYhw",
        ),
        (
            &[],
            LARGEST,
            "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AQAAAAAAAAAAAAA__8KAQIDH5AwZjM2YThhNS3_LtoJtrrCkUA",
        ),
        (
            &[SECRET],
            LARGEST,
            "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwpJjg_56LBB3EFCV3erC31co1wlFLxI-ixB5zQPZ8IaEaiL9gs4__YTsBhzjQeJexiQTS7w8jdVt4gWTTxyq65X4Nru70Zi5quPFhkjpQ",
        ),
    ] {
        let codec = codec_of(secrets, "shop", Carrier::HeaderEnvelope("mcp-session-id"), layout);
        assert_eq!(codec.write_envelope(&session(), VALUE, NONCE).unwrap(), envelope);
        let expected = (kept(session(), layout), VALUE.to_vec());
        assert_eq!(codec.read_envelope(envelope.as_bytes()), Some(expected));
    }
}
