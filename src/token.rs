//! The session token: a [`Session`] as text for a cookie or header; and the envelope, a session together with the
//! application's own value.
//!
//! The text is unpadded URL-safe base64 (RFC 4648, section 5), in its one canonical spelling, of
//!
//! | with keys | without keys |
//! | --- | --- |
//! | version, 1 byte: 2 | version, 1 byte: 1 |
//! | length of the key's id, 1 byte; the id, at most 8 | |
//! | nonce, 24 random bytes | |
//! | the session, encrypted; tag, 16 bytes | the session; checksum, 8 bytes |
//!
//! With keys it is sealed by XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), whose nonce is long enough to be
//! drawn at random for ever. Version, key id, service, carrier and its name are associated data: a token is
//! worth nothing anywhere else. The checksum of a token without keys finds accidents, not forgers.
//!
//! The session, big-endian: flags (1: began over https, 2: has room for an endpoint, 4: the endpoint is known,
//! 8: it is IPv6), start in ms (6 bytes), last use in quarter seconds after it (4), seed (8), backend id (8);
//! where there is room, the endpoint's address as IPv6 (16) and port (2). In an envelope the application's value
//! follows.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::backends::BackendId;
use crate::hash::hash;
use crate::keys::Key;
use crate::remembered::Remembered;
use crate::session::Session;

/// No token is longer, in bytes of text. An envelope adds the application's value.
pub const MAX_LEN: usize = 128;
/// No longer value of an application's is put into an envelope.
pub const MAX_VALUE_LEN: usize = 4096;
/// Bytes of randomness that sealing one token takes.
pub const NONCE_LEN: usize = 24;

/// No envelope is longer, in bytes of text.
const MAX_ENVELOPE_LEN: usize = MAX_LEN + MAX_VALUE_LEN / 3 * 4 + 4;

const PLAIN: u8 = 1;
const SEALED: u8 = 2;
const TAG_LEN: usize = 16;
const CHECKSUM_LEN: usize = 8;

const HTTPS: u8 = 1;
const HAS_ENDPOINT: u8 = 2;
const KNOWS_ENDPOINT: u8 = 4;
const IPV6: u8 = 8;

/// What carries a token between client and Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier<'a> {
    /// The cookie of this name.
    Cookie(&'a str),
    /// The header of this name.
    Header(&'a str),
    /// The application's header of this name.
    Envelope(&'a str),
}

/// Writes and reads the tokens of one service and carrier.
#[derive(Debug)]
pub struct Tokens {
    keys: Rc<[Key]>,
    remembered: Rc<Remembered>,
    /// Its name towards `remembered`: the place of its service.
    owner: usize,
    /// Service, carrier and its name: what a token is bound to.
    binding: Vec<u8>,
    envelope: bool,
    /// Whether tokens have room for an endpoint, known or not: their length must tell nothing.
    has_endpoint: bool,
}

impl Tokens {
    /// For a service and carrier. The first key makes tokens, every key reads them; without keys tokens are
    /// neither encrypted nor authenticated.
    ///
    /// `remembered` is shared by all services of a worker, among which `owner` is this one's number.
    #[must_use]
    pub fn new(
        keys: Rc<[Key]>,
        (remembered, owner): (Rc<Remembered>, usize),
        service: &str,
        carrier: Carrier<'_>,
        has_endpoint: bool,
    ) -> Self {
        let (kind, name) = match carrier {
            Carrier::Cookie(name) => ("cookie", name),
            Carrier::Header(name) => ("header", name),
            Carrier::Envelope(name) => ("envelope", name),
        };
        // NUL separates: it stands in no service's, no cookie's and no header's name.
        let binding = [service.as_bytes(), kind.as_bytes(), name.as_bytes()].join(&0);
        let envelope = matches!(carrier, Carrier::Envelope(_));
        Self { keys, remembered, owner, binding, envelope, has_endpoint }
    }

    /// The token of a session. `nonce` is fresh randomness for each token.
    #[must_use]
    pub fn write(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> String {
        self.write_envelope(session, b"", nonce)
    }

    /// The envelope of a session and the application's value, at most [`MAX_VALUE_LEN`] bytes of it.
    #[must_use]
    pub fn write_envelope(&self, session: &Session, value: &[u8], nonce: [u8; NONCE_LEN]) -> String {
        let mut payload = encode(session, self.has_endpoint);
        payload.extend(value.iter().take(MAX_VALUE_LEN));
        let bytes = match self.keys.first() {
            None => {
                let checksum = self.checksum(&payload);
                [&[PLAIN], payload.as_slice(), checksum.as_slice()].concat()
            }
            Some(key) => {
                let header = sealed_header(key);
                let associated = [header.as_slice(), &self.binding].concat();
                let nonce = XNonce::from(nonce);
                let sealed = self.cipher(key).encrypt_inout_detached(
                    &nonce,
                    &associated,
                    payload.as_mut_slice().into(),
                );
                let Ok(tag) = sealed else {
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
        if let Some((session, _)) = self.remembered.recall(self.owner, text) {
            return Some(session);
        }
        let mut buffer = [0; MAX_LEN / 4 * 3];
        let payload = self.open(Base64UrlUnpadded::decode(text, &mut buffer).ok()?)?;
        let (session, value) = decode(&payload)?;
        value.is_empty().then_some(())?;
        self.remembered.note(self.owner, text, session, value);
        Some(session)
    }

    /// The session and the application's value of an envelope; `None` for any bytes that are no valid envelope of
    /// this service and header, or hold what is no value of a header's (RFC 9110, section 5.5).
    #[must_use]
    pub fn read_envelope(&self, text: &[u8]) -> Option<(Session, Vec<u8>)> {
        if let Some(opened) = self.remembered.recall(self.owner, text) {
            return Some(opened);
        }
        if text.len() > MAX_ENVELOPE_LEN {
            return None;
        }
        let mut buffer = vec![0; text.len()];
        let payload = self.open(Base64UrlUnpadded::decode(text, &mut buffer).ok()?)?;
        let (session, value) = decode(&payload)?;
        let is_value = value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
        (is_value && !value.is_empty()).then_some(())?;
        self.remembered.note(self.owner, text, session, value);
        Some((session, value.to_vec()))
    }

    /// The payload of a token, if it is whole and ours.
    fn open(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match (*bytes.first()?, self.keys.is_empty()) {
            (PLAIN, true) => {
                let (payload, checksum) = bytes.get(1..)?.split_last_chunk::<CHECKSUM_LEN>()?;
                (*checksum == self.checksum(payload)).then(|| payload.to_vec())
            }
            (SEALED, false) => {
                let id_len = usize::from(*bytes.get(1)?);
                let (header, sealed) = bytes.split_at_checked(id_len.checked_add(2)?)?;
                let id = header.get(2..)?;
                let key = self.keys.iter().find(|key| key.id().as_bytes() == id)?;
                let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
                let (payload, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
                let mut payload = payload.to_vec();
                let associated = [header, &self.binding].concat();
                self.cipher(key)
                    .decrypt_inout_detached(
                        &XNonce::from(*nonce),
                        &associated,
                        payload.as_mut_slice().into(),
                        &(*tag).into(),
                    )
                    .ok()?;
                Some(payload)
            }
            _ => None,
        }
    }

    const fn cipher<'k>(&self, key: &'k Key) -> &'k XChaCha20Poly1305 {
        if self.envelope { &key.envelope_cipher } else { &key.token_cipher }
    }

    fn checksum(&self, payload: &[u8]) -> [u8; CHECKSUM_LEN] {
        hash(&[&[PLAIN], self.binding.as_slice(), &[0], payload].concat()).to_be_bytes()
    }
}

fn sealed_header(key: &Key) -> Vec<u8> {
    let id = key.id().as_bytes();
    let len = u8::try_from(id.len()).unwrap_or(u8::MAX);
    [&[SEALED, len], id].concat()
}

fn encode(session: &Session, has_endpoint: bool) -> Vec<u8> {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let endpoint = session.endpoint.filter(|_| has_endpoint);
    let flags = flag(session.https, HTTPS)
        | flag(has_endpoint, HAS_ENDPOINT)
        | flag(endpoint.is_some(), KNOWS_ENDPOINT)
        | flag(endpoint.is_some_and(|endpoint| endpoint.is_ipv6()), IPV6);
    let mut payload = vec![flags];
    payload.extend(session.start.to_be_bytes().into_iter().skip(2));
    payload.extend(session.used.to_be_bytes());
    payload.extend(session.seed.to_be_bytes());
    payload.extend(session.backend.to_bits().to_be_bytes());
    if has_endpoint {
        let address = endpoint.map_or(Ipv6Addr::UNSPECIFIED, |endpoint| match endpoint.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        });
        payload.extend(address.octets());
        payload.extend(endpoint.map_or(0, |endpoint| endpoint.port()).to_be_bytes());
    }
    payload
}

/// The session, and what follows it.
fn decode(payload: &[u8]) -> Option<(Session, &[u8])> {
    let (&[flags], rest) = payload.split_first_chunk()?;
    let (start, rest) = rest.split_first_chunk::<6>()?;
    let (used, rest) = rest.split_first_chunk()?;
    let (seed, rest) = rest.split_first_chunk()?;
    let (backend, mut rest) = rest.split_first_chunk()?;
    (flags & !(HTTPS | HAS_ENDPOINT | KNOWS_ENDPOINT | IPV6) == 0).then_some(())?;
    let mut endpoint = None;
    if flags & HAS_ENDPOINT != 0 {
        let (address, after) = rest.split_first_chunk::<16>()?;
        let (port, after) = after.split_first_chunk()?;
        if flags & KNOWS_ENDPOINT != 0 {
            let address = Ipv6Addr::from(*address);
            let address =
                if flags & IPV6 != 0 { address.into() } else { IpAddr::V4(address.to_ipv4_mapped()?) };
            endpoint = Some(SocketAddr::new(address, u16::from_be_bytes(*port)));
        }
        rest = after;
    }
    let session = Session {
        start: start.iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte)),
        used: u32::from_be_bytes(*used),
        seed: u64::from_be_bytes(*seed),
        backend: BackendId::from_bits(u64::from_be_bytes(*backend)),
        endpoint,
        https: flags & HTTPS != 0,
    };
    Some((session, rest))
}
