//! Host names in cookies and in requests.

use std::net::Ipv6Addr;

/// Whether the text is a host name: labels of letters, digits and inner hyphens (RFC 1123, section 2.1).
pub(crate) fn is_host_name(text: &str) -> bool {
    has_labels(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether the text is a valid Host header: a host with an optional port. Underscores are allowed, because DNS names of
/// containers often have them.
pub(crate) fn is_host(text: &str) -> bool {
    let is_port = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = port.strip_prefix(':');
        let ends = text.ends_with(']');
        return address.parse::<Ipv6Addr>().is_ok() && (ends || port.is_some_and(is_port));
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    has_labels(name, legal) && port.is_none_or(is_port)
}

/// Whether browsers read the host name as an IPv4 address (WHATWG URL, "ends in a number").
pub(crate) fn ends_in_a_number(host_name: &str) -> bool {
    let last = host_name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn has_labels(text: &str, legal: impl Fn(u8) -> bool) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(&legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}
