//! A configured secret, and the cipher that is derived from it.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;

/// Separates this use of a secret from every other use (RFC 5869, section 3.2).
const TOKEN_SUBKEY: &[u8] = b"session-affinity token v1";

/// One configured key, ready to encrypt and decrypt tokens.
pub(crate) struct Key {
    id: String,
    pub(super) cipher: XChaCha20Poly1305,
}

impl Key {
    /// Derives the subkey for tokens by HKDF-SHA256 (RFC 5869). `secret` has at least 32 bytes of good randomness.
    pub(crate) fn new(id: String, secret: &[u8]) -> Self {
        let mut subkey = [0; 32];
        let derived = Hkdf::<Sha256>::new(None, secret).expand(TOKEN_SUBKEY, &mut subkey);
        debug_assert!(derived.is_ok(), "HKDF gives up to 8,160 bytes");
        Self { id, cipher: XChaCha20Poly1305::new(&subkey.into()) }
    }

    /// The key's public name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// Shows only the id, never the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
