//! An endpoint's address as Envoy's `stateful_session` filter with header state writes it: the base64 (RFC 4648,
//! section 4) of `IP:port`.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The header's value for an endpoint.
pub(crate) fn to_header(endpoint: SocketAddr) -> String {
    BASE64_STANDARD.encode(endpoint.to_string())
}

/// The endpoint that a header's value names. `None` for any bytes that name no endpoint.
pub(crate) fn from_header(value: &[u8]) -> Option<SocketAddr> {
    parse(&BASE64_STANDARD.decode(value).ok()?)
}

/// The endpoint in Envoy's own form, `IP:port`. `None` for any bytes that name no endpoint.
pub(crate) fn parse(text: &[u8]) -> Option<SocketAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_can_be_written_and_read_again() {
        for endpoint in ["127.0.0.1:80", "[2001:db8::1]:65535"] {
            let endpoint: SocketAddr = endpoint.parse().unwrap();
            assert_eq!(from_header(to_header(endpoint).as_bytes()), Some(endpoint));
        }
    }

    #[test]
    fn bytes_that_are_not_an_endpoint_give_none() {
        for value in [&b""[..], b"\xff", b"MTI3LjAuMC4x", b"127.0.0.1:80"] {
            assert_eq!(from_header(value), None, "{value:?}");
        }
    }
}
