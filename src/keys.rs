//! Secrets and what is derived from them: each key's AEADs, and the mask over seeds.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;

/// Separates the uses of a secret from each other and from every other (RFC 5869, section 3.2).
const TOKEN_PURPOSE: &[u8] = b"session-affinity/v1/token";
const ENVELOPE_PURPOSE: &[u8] = b"session-affinity/v1/envelope";
const SEED_PURPOSE: &[u8] = b"session-affinity/v1/seed";

/// One configured key, ready to seal and open tokens and envelopes.
pub struct Key {
    id: String,
    pub(crate) token_cipher: XChaCha20Poly1305,
    pub(crate) envelope_cipher: XChaCha20Poly1305,
    /// Lies over the seeds that nonces show.
    pub(crate) seed_mask: u64,
}

impl Key {
    /// Derives the subkeys of `secret`, which has at least 32 bytes of good randomness. The id is public:
    /// two bits of a hash of it stand in every token.
    #[must_use]
    pub fn new(id: String, secret: &[u8]) -> Self {
        let secret = Hkdf::<Sha256>::new(None, secret);
        Self {
            id,
            token_cipher: XChaCha20Poly1305::new(&subkey::<32>(&secret, TOKEN_PURPOSE).into()),
            envelope_cipher: XChaCha20Poly1305::new(&subkey::<32>(&secret, ENVELOPE_PURPOSE).into()),
            seed_mask: u64::from_be_bytes(subkey(&secret, SEED_PURPOSE)),
        }
    }

    /// Its public name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn subkey<const N: usize>(secret: &Hkdf<Sha256>, purpose: &[u8]) -> [u8; N] {
    let mut subkey = [0; N];
    // Up to 32 bytes are one HMAC-SHA256 block; only more than 255 blocks could fail.
    let derived = secret.expand(purpose, &mut subkey);
    debug_assert!(derived.is_ok(), "{N} bytes are within the reach of HKDF");
    subkey
}

/// Shows the id alone.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
