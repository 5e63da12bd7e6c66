//! Addresses as keys.

use proptest::prelude::*;
use session_affinity::client_ip::{Prefixes, hash_key};

fn key(address: &str) -> Option<u64> {
    key_with(address, 32, 128)
}

fn key_with(address: &str, ipv4: u32, ipv6: u32) -> Option<u64> {
    hash_key(address.as_bytes(), Prefixes { ipv4, ipv6 })
}

#[test]
fn an_address_is_its_bytes_whatever_its_port_and_spelling() {
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
fn clients_within_a_prefix_are_one() {
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
fn what_is_no_address_with_a_port_is_no_key() {
    for text in
        ["", "10.1.2.3", "10.1.2.3:", "10.1.2:80", "2001:db8::1", "/tmp/socket", "@abstract", "a.example:80"]
    {
        assert_eq!(key(text), None, "{text}");
    }
}

/// From `golden.py`: a change here moves every client there is.
#[test]
fn keys_are_what_they_were_in_every_release() {
    assert_eq!(key("127.0.0.1:39944"), Some(0xe2b8_dcd1_4d0d_e18a));
    assert_eq!(key("[2001:db8::1]:0"), Some(0x8dec_2b2d_0b0e_530f));
    assert_eq!(key_with("[2001:db8::1]:0", 32, 64), Some(0x5d20_b828_001d_10e2));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>, ipv4 in 0..=32_u32, ipv6 in 0..=128_u32) {
        let _ = hash_key(&bytes, Prefixes { ipv4, ipv6 });
    }

    #[test]
    fn every_address_is_a_key(address: std::net::SocketAddr) {
        prop_assert!(key(&address.to_string()).is_some());
    }
}
