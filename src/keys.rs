//! Secrets and what is derived from them: each key's AEAD for tokens.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;

/// Separates the uses of a secret from each other and from every other (RFC 5869, section 3.2).
const TOKEN_PURPOSE: &[u8] = b"session-affinity/v1/token";
const ENVELOPE_PURPOSE: &[u8] = b"session-affinity/v1/envelope";

/// One configured key, ready to seal and open tokens and envelopes.
pub struct Key {
    id: String,
    pub(crate) token_cipher: XChaCha20Poly1305,
    pub(crate) envelope_cipher: XChaCha20Poly1305,
}

impl Key {
    /// Derives the subkeys of `secret`, which has at least 32 bytes of good randomness. The id is public: it
    /// stands in every token.
    #[must_use]
    pub fn new(id: String, secret: &[u8]) -> Self {
        let secret = Hkdf::<Sha256>::new(None, secret);
        Self {
            id,
            token_cipher: cipher(&secret, TOKEN_PURPOSE),
            envelope_cipher: cipher(&secret, ENVELOPE_PURPOSE),
        }
    }

    /// Its public name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn cipher(secret: &Hkdf<Sha256>, purpose: &[u8]) -> XChaCha20Poly1305 {
    let mut subkey = [0_u8; 32];
    // 32 bytes are one HMAC-SHA256 block; only more than 255 blocks could fail.
    let derived = secret.expand(purpose, &mut subkey);
    debug_assert!(derived.is_ok(), "32 bytes are within the reach of HKDF");
    XChaCha20Poly1305::new(&subkey.into())
}

/// Shows the id alone.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
