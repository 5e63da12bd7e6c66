//! The one hash of this crate: FNV-1a over bytes, then a finalizer that spreads every input bit over all 64
//! output bits. FNV alone leaves the high bits of short inputs (addresses, `neg-0`, `neg-1`) nearly equal, and
//! consistent choice compares exactly those.

use std::hash::Hasher;

use fnv::FnvHasher;

/// Hashes bytes to 64 well-mixed bits. The same on every platform and in every release: tokens depend on it.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    mix(hasher.finish())
}

/// The 64-bit finalizer of `MurmurHash3` (Austin Appleby, public domain): a bijection.
#[must_use]
pub const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}
