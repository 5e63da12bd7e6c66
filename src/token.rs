//! The session token: a [`Session`] as text for a cookie or header.
//!
//! The text is unpadded URL-safe base64 (RFC 4648, section 5), in its one canonical spelling, of
//!
//! | with keys | without keys |
//! | --- | --- |
//! | version, 1 byte: 2 | version, 1 byte: 1 |
//! | length of the key's id, 1 byte; the id, at most 8 | |
//! | nonce, 24 random bytes | |
//! | the session, 27 bytes, encrypted; tag, 16 bytes | the session, 27 bytes; checksum, 8 bytes |
//!
//! With keys it is sealed by XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), whose nonce is long enough to be
//! drawn at random for ever. Version, key id, service, carrier and its name are associated data: a token is
//! worth nothing anywhere else. The checksum of a token without keys finds accidents, not forgers.
//!
//! The session, big-endian: flags (1: began over https), start in ms (6 bytes), last use in quarter seconds
//! after it (4), seed (8), backend id (8).

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::AeadInOut;

use crate::backends::BackendId;
use crate::hash::hash;
use crate::keys::Key;
use crate::session::Session;

/// No token is longer, in bytes of text.
pub const MAX_LEN: usize = 128;
/// Bytes of randomness that sealing one token takes.
pub const NONCE_LEN: usize = 24;

const PLAIN: u8 = 1;
const SEALED: u8 = 2;
const HTTPS: u8 = 1;
const SESSION_LEN: usize = 27;

/// What carries a token between client and Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier<'a> {
    /// The cookie of this name.
    Cookie(&'a str),
}

/// Writes and reads the tokens of one service and carrier.
#[derive(Debug)]
pub struct Tokens {
    keys: Rc<[Key]>,
    /// Service, carrier and its name: what a token is bound to.
    binding: Vec<u8>,
}

impl Tokens {
    /// For a service and carrier. The first key makes tokens, every key reads them; without keys tokens are
    /// neither encrypted nor authenticated.
    #[must_use]
    pub fn new(keys: Rc<[Key]>, service: &str, carrier: Carrier<'_>) -> Self {
        let Carrier::Cookie(name) = carrier;
        // NUL separates: it stands in no service's and no cookie's name.
        let binding = [service.as_bytes(), b"cookie", name.as_bytes()].join(&0);
        Self { keys, binding }
    }

    /// The token of a session. `nonce` is fresh randomness for each token.
    #[must_use]
    pub fn write(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> String {
        let mut payload = encode(session);
        let bytes = match self.keys.first() {
            None => {
                let checksum = self.checksum(&payload).to_be_bytes();
                [&[PLAIN], payload.as_slice(), checksum.as_slice()].concat()
            }
            Some(key) => {
                let header = sealed_header(key);
                let associated = [header.as_slice(), &self.binding].concat();
                let nonce = XNonce::from(nonce);
                let Ok(tag) = key.token_cipher.encrypt_inout_detached(
                    &nonce,
                    &associated,
                    payload.as_mut_slice().into(),
                ) else {
                    // Only a payload of 256 GiB gets here. An empty token is no token: a new session.
                    return String::new();
                };
                [header.as_slice(), nonce.as_slice(), payload.as_slice(), tag.as_slice()].concat()
            }
        };
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// The session of a token; `None` for any bytes that are no valid token of this service and carrier.
    #[must_use]
    pub fn read(&self, text: &[u8]) -> Option<Session> {
        let mut buffer = [0; MAX_LEN / 4 * 3];
        let bytes = Base64UrlUnpadded::decode(text, &mut buffer).ok()?;
        match (*bytes.first()?, self.keys.is_empty()) {
            (PLAIN, true) => self.read_plain(bytes),
            (SEALED, false) => self.read_sealed(bytes),
            _ => None,
        }
    }

    fn read_plain(&self, bytes: &[u8]) -> Option<Session> {
        let (payload, checksum) = bytes.get(1..)?.split_first_chunk::<SESSION_LEN>()?;
        (checksum == self.checksum(payload).to_be_bytes()).then(|| decode(payload))?
    }

    fn read_sealed(&self, bytes: &[u8]) -> Option<Session> {
        let id_len = usize::from(*bytes.get(1)?);
        let (header, sealed) = bytes.split_at_checked(id_len.checked_add(2)?)?;
        let id = header.get(2..)?;
        let key = self.keys.iter().find(|key| key.id().as_bytes() == id)?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (payload, tag) = sealed.split_first_chunk::<SESSION_LEN>()?;
        let tag: [u8; 16] = tag.try_into().ok()?;
        let mut payload = *payload;
        let associated = [header, &self.binding].concat();
        key.token_cipher
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &associated,
                payload.as_mut_slice().into(),
                &tag.into(),
            )
            .ok()?;
        decode(&payload)
    }

    fn checksum(&self, payload: &[u8]) -> u64 {
        hash(&[&[PLAIN], self.binding.as_slice(), &[0], payload].concat())
    }
}

fn sealed_header(key: &Key) -> Vec<u8> {
    let id = key.id().as_bytes();
    let len = u8::try_from(id.len()).unwrap_or(u8::MAX);
    [&[SEALED, len], id].concat()
}

fn encode(session: &Session) -> [u8; SESSION_LEN] {
    let mut payload = [0; SESSION_LEN];
    let flags = if session.https { HTTPS } else { 0 };
    let start = session.start.to_be_bytes();
    let bytes = std::iter::once(flags)
        .chain(start.into_iter().skip(2))
        .chain(session.used.to_be_bytes())
        .chain(session.seed.to_be_bytes())
        .chain(session.backend.to_bits().to_be_bytes());
    for (place, byte) in payload.iter_mut().zip(bytes) {
        *place = byte;
    }
    payload
}

fn decode(payload: &[u8; SESSION_LEN]) -> Option<Session> {
    let (&[flags], rest) = payload.split_first_chunk()?;
    let (start, rest) = rest.split_first_chunk::<6>()?;
    let (used, rest) = rest.split_first_chunk()?;
    let (seed, backend) = rest.split_first_chunk()?;
    (flags & !HTTPS == 0).then_some(())?;
    Some(Session {
        start: start.iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte)),
        used: u32::from_be_bytes(*used),
        seed: u64::from_be_bytes(*seed),
        backend: BackendId::from_bits(u64::from_be_bytes(backend.try_into().ok()?)),
        https: flags & HTTPS != 0,
    })
}
