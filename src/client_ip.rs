//! The client's address as the key of a hash.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// How much of an address counts. Clients that share the prefix share a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Bits of an IPv4 address, 0..=32.
    pub ipv4: u32,
    /// Bits of an IPv6 address, 0..=128.
    pub ipv6: u32,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 128 }
    }
}

/// The hash key of a client from Envoy's `source.address` (`127.0.0.1:39944`, `[2001:db8::1]:0`). The port
/// plays no part, and an IPv4 address mapped into IPv6 counts as IPv4. `None` for what is no IP address, such
/// as a Unix socket.
#[must_use]
pub fn hash_key(source_address: &[u8], prefixes: Prefixes) -> Option<u64> {
    let address: SocketAddr = std::str::from_utf8(source_address).ok()?.parse().ok()?;
    Some(match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefixes.ipv4)).unwrap_or(0);
            crate::hash::hash(&(ip.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(ip) => crate::hash::hash(&masked(ip, prefixes.ipv6).to_be_bytes()),
    })
}

fn masked(ip: Ipv6Addr, prefix: u32) -> u128 {
    ip.to_bits() & u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0)
}
