//! An endpoint's address as Envoy's `stateful_session` filter with header state writes it: the base64 (RFC 4648,
//! section 4) of `IP:port`.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The header's value for an endpoint.
#[must_use]
pub fn to_header(endpoint: SocketAddr) -> String {
    BASE64_STANDARD.encode(endpoint.to_string())
}

/// The endpoint that a header's value names; `None` for any bytes that name none.
#[must_use]
pub fn from_header(value: &[u8]) -> Option<SocketAddr> {
    let text = BASE64_STANDARD.decode(value).ok()?;
    from_text(&text)
}

/// The endpoint in Envoy's own words, `IP:port`; `None` for any bytes that name none.
#[must_use]
pub fn from_text(text: &[u8]) -> Option<SocketAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
