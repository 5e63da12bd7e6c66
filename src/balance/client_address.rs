//! The client's address as the key of a consistent hash.

use std::net::{IpAddr, SocketAddr};

use super::hash::hash;

/// How many bits of an address count. Clients that share these bits share a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PrefixLengths {
    /// Bits of an IPv4 address, 0 to 32.
    pub(crate) ipv4: u32,
    /// Bits of an IPv6 address, 0 to 128.
    pub(crate) ipv6: u32,
}

impl Default for PrefixLengths {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 128 }
    }
}

/// The hash key of a client, from Envoy's `source.address` (`127.0.0.1:39944`, `[2001:db8::1]:0`). The port has no
/// effect, and an IPv4 address mapped into IPv6 counts as IPv4. `None` if the address is not an IP address, such as
/// that of a Unix socket.
pub(crate) fn hash_key(source_address: &[u8], prefixes: PrefixLengths) -> Option<u64> {
    let address: SocketAddr = std::str::from_utf8(source_address).ok()?.parse().ok()?;
    Some(match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefixes.ipv4)).unwrap_or(0);
            hash(&(ip.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefixes.ipv6)).unwrap_or(0);
            hash(&(ip.to_bits() & mask).to_be_bytes())
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(address: &str) -> Option<u64> {
        key_with(address, 32, 128)
    }

    fn key_with(address: &str, ipv4: u32, ipv6: u32) -> Option<u64> {
        hash_key(address.as_bytes(), PrefixLengths { ipv4, ipv6 })
    }

    #[test]
    fn the_port_and_the_spelling_of_an_address_have_no_effect() {
        for (one, other) in [
            ("10.1.2.3:80", "10.1.2.3:0"),
            ("10.1.2.3:80", "[::ffff:10.1.2.3]:80"),
            ("[2001:db8::1]:1", "[2001:DB8:0:0:0:0:0:1]:65535"),
        ] {
            assert!(key(one).is_some());
            assert_eq!(key(one), key(other), "{one} and {other}");
        }
    }

    #[test]
    fn clients_within_a_prefix_have_one_key() {
        for (ipv4, ipv6, one, other, same) in [
            (32, 128, "10.1.2.3:1", "10.1.2.4:1", false),
            (24, 128, "10.1.2.3:1", "10.1.2.4:1", true),
            (24, 128, "10.1.2.3:1", "10.1.3.3:1", false),
            (31, 128, "10.1.2.2:1", "10.1.2.3:1", true),
            (1, 128, "127.0.0.1:1", "1.2.3.4:1", true),
            (1, 128, "127.0.0.1:1", "128.0.0.1:1", false),
            (0, 128, "127.0.0.1:1", "255.0.0.1:1", true),
            (24, 128, "10.1.2.3:1", "[::ffff:10.1.2.4]:1", true),
            (32, 128, "[2001:db8::1]:1", "[2001:db8::2]:1", false),
            (32, 64, "[2001:db8::1]:1", "[2001:db8::2]:1", true),
            (32, 64, "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false),
            (32, 0, "[2001:db8::1]:1", "[::1]:1", true),
            (0, 64, "10.1.2.3:1", "[2001:db8::1]:1", false),
        ] {
            assert_eq!(
                key_with(one, ipv4, ipv6) == key_with(other, ipv4, ipv6),
                same,
                "{one} {other} /{ipv4} /{ipv6}"
            );
        }
    }

    #[test]
    fn a_text_that_is_not_an_address_with_a_port_has_no_key() {
        for text in [
            "",
            "10.1.2.3",
            "10.1.2.3:",
            "10.1.2:80",
            "2001:db8::1",
            "/tmp/socket",
            "@abstract",
            "a.example:80",
        ] {
            assert_eq!(key(text), None, "{text}");
        }
    }

    /// A change here moves every client that is routed by address.
    #[test]
    fn the_key_of_an_address_never_changes() {
        // Computed by an independent implementation: tests/golden/tokens.py.
        assert_eq!(key("127.0.0.1:39944"), Some(0xe2b8_dcd1_4d0d_e18a));
        assert_eq!(key("[2001:db8::1]:0"), Some(0x8dec_2b2d_0b0e_530f));
        assert_eq!(key_with("[2001:db8::1]:0", 32, 64), Some(0x5d20_b828_001d_10e2));
    }

    proptest! {
        #[test]
        fn addresses_of_any_bytes_are_read(bytes: Vec<u8>, ipv4 in 0..=32_u32, ipv6 in 0..=128_u32) {
            let _ = hash_key(&bytes, PrefixLengths { ipv4, ipv6 });
        }

        #[test]
        fn every_address_has_a_key(address: SocketAddr) {
            prop_assert!(key(&address.to_string()).is_some());
        }
    }
}
