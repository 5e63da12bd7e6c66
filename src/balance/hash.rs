//! The only hash function of this crate: FNV-1a over bytes, then a finalizer that spreads every input bit over all 64
//! output bits. FNV alone leaves the high bits of short inputs (addresses, `neg-0`, `neg-1`) nearly equal, and
//! rendezvous hashing compares exactly those bits.

use std::hash::Hasher;

use fnv::FnvHasher;

/// Hashes bytes to 64 well-mixed bits. The result is the same on every platform and in every release: tokens and
/// consistent choices depend on it.
#[must_use]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    mix(hasher.finish())
}

/// The 64-bit finalizer of `MurmurHash3` (Austin Appleby, public domain): a bijection.
#[must_use]
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_name_never_changes() {
        // Computed by an independent implementation: tests/golden/tokens.py.
        for (name, expected) in [
            ("", 0xefd0_1f60_ba99_2926),
            ("neg-demo-0", 0xe7a4_475c_adf1_9e2d),
            ("neg-demo-1", 0x2cf8_9a15_866e_b23e),
            ("blue", 0x97da_d3af_10ad_029a),
            ("outbound|80||shop.default.svc.cluster.local", 0x3bfd_2fd7_855b_c300),
        ] {
            assert_eq!(hash(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn one_changed_bit_of_a_key_changes_about_half_of_the_bits_of_its_hash() {
        for bit in 0..64 {
            let changed = (mix(0x1234_5678_9abc_def0) ^ mix(0x1234_5678_9abc_def0 ^ (1 << bit))).count_ones();
            assert!((16..=48).contains(&changed), "bit {bit} changes {changed} bits");
        }
    }
}
