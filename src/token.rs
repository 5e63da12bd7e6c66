//! The session token: a [`Session`] as text for a cookie or header; and the envelope, a session together with the
//! application's own value.
//!
//! The text is unpadded URL-safe base64 (RFC 4648, section 5), in its one canonical spelling, of
//!
//! | with keys | without keys |
//! | --- | --- |
//! | 1 byte: version 2 (2 bits), a hash of the key's id (2), flags (4) | 1 byte: version 1 (2 bits), 0 (2), flags (4) |
//! | nonce, 24 random bytes: 8 of the session, 16 of the token | the session's seed, 8 bytes |
//! | the session, encrypted; tag, 16 bytes | the session; checksum, 8 bytes |
//!
//! With keys it is sealed by XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), whose nonce is long enough to be
//! drawn at random for ever. Its beginning is the session's seed under a mask of the key's. Version, flags, key id,
//! service, carrier and its name are associated data: a token is worth nothing anywhere else. The checksum of a token
//! without keys finds accidents, not forgers.
//!
//! The session, big-endian: start in hundredths of a second since 1970, rounded up (5 bytes), backend id (5), and what
//! the flags say. What is there depends on the configuration alone: lengths must tell nothing of a session.
//!
//! | flag | what follows, in this order |
//! | ---: | --- |
//! | 1 | nothing: it began over https |
//! | 2 | the last use, in quarter seconds after the start (4 bytes); otherwise that is the start |
//! | 4 | room for an endpoint: 1 where it is known, 3 where it is IPv6 (1); address as IPv6 (16); port (2) |
//!
//! In an envelope the application's value follows. Every byte counts: clients send it with each request, and Envoy
//! spends 50 instructions on each.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::backends::BackendId;
use crate::hash::hash;
use crate::keys::Key;
use crate::remembered::Remembered;
use crate::session::{Millis, Session};

/// No token is longer, in bytes of text. An envelope adds the application's value.
pub const MAX_LEN: usize = 128;
/// No longer value of an application's is put into an envelope.
pub const MAX_VALUE_LEN: usize = 4096;
/// Bytes of randomness that sealing one token takes.
pub const NONCE_LEN: usize = 24;

/// No envelope is longer, in bytes of text.
const MAX_ENVELOPE_LEN: usize = MAX_LEN + MAX_VALUE_LEN / 3 * 4 + 4;

/// Versions, in the first byte.
const PLAIN: u8 = 0x40;
const SEALED: u8 = 0x80;
const TAG_LEN: usize = 16;
const CHECKSUM_LEN: usize = 8;

/// Flags, in its low half.
const HTTPS: u8 = 1;
const HAS_USE: u8 = 2;
const HAS_ENDPOINT: u8 = 4;
const FLAGS: u8 = HTTPS | HAS_USE | HAS_ENDPOINT;

/// What the room for an endpoint begins with.
const UNKNOWN: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 3;

/// The unit of a start.
const HUNDREDTH: Millis = 10;

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
    keys: Vec<Bound>,
    remembered: Rc<Remembered>,
    /// Its name towards `remembered`: the place of its service.
    owner: usize,
    /// Service, carrier and its name: what a token is bound to.
    binding: Vec<u8>,
    envelope: bool,
    room: Room,
}

/// What there is room for in each token of a service, needed or not: their length must tell nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// For the last use, which an idle timeout goes by.
    pub last_use: bool,
    /// For an endpoint.
    pub endpoint: bool,
}

/// A key, as it is used for one service and carrier.
#[derive(Debug)]
struct Bound {
    key: Rc<Key>,
    /// The first byte of its tokens, without flags: two bits stand in for the key's id, which others may have too.
    first: u8,
    /// The key's id, and what a token is bound to.
    binding: Vec<u8>,
}

impl Bound {
    fn new(key: &Rc<Key>, binding: &[u8]) -> Self {
        let id = key.id().as_bytes();
        let [hash, ..] = hash(id).to_be_bytes();
        Self { key: Rc::clone(key), first: SEALED | (hash >> 6 << 4), binding: [id, binding].join(&0) }
    }
}

impl Tokens {
    /// For a service and carrier. The first key makes tokens, every key reads them; without keys tokens are
    /// neither encrypted nor authenticated.
    ///
    /// `remembered` is shared by all services of a worker, among which `owner` is this one's number.
    #[must_use]
    pub fn new(
        keys: &[Rc<Key>],
        (remembered, owner): (Rc<Remembered>, usize),
        service: &str,
        carrier: Carrier<'_>,
        room: Room,
    ) -> Self {
        let (kind, name) = match carrier {
            Carrier::Cookie(name) => ("cookie", name),
            Carrier::Header(name) => ("header", name),
            Carrier::Envelope(name) => ("envelope", name),
        };
        // NUL separates: it stands in no service's, no cookie's and no header's name.
        let binding = [service.as_bytes(), kind.as_bytes(), name.as_bytes()].join(&0);
        let envelope = matches!(carrier, Carrier::Envelope(_));
        let keys = keys.iter().map(|key| Bound::new(key, &binding)).collect();
        Self { keys, remembered, owner, binding, envelope, room }
    }

    /// The seed of a session whose first token is made with this nonce.
    #[must_use]
    pub fn seed(&self, nonce: &[u8; NONCE_LEN]) -> u64 {
        seed_in(nonce) ^ self.keys.first().map_or(0, |bound| bound.key.seed_mask)
    }

    /// The token of a session. `nonce` is fresh randomness for each token.
    #[must_use]
    pub fn write(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> String {
        self.write_envelope(session, b"", nonce)
    }

    /// The envelope of a session and the application's value, at most [`MAX_VALUE_LEN`] bytes of it.
    #[must_use]
    pub fn write_envelope(&self, session: &Session, value: &[u8], nonce: [u8; NONCE_LEN]) -> String {
        let value = value.get(..MAX_VALUE_LEN).unwrap_or(value);
        let mut bytes = Vec::with_capacity(MAX_LEN.saturating_add(value.len()));
        // An empty token is no token: a new session. Only a payload of 256 GiB would get there.
        self.put(session, value, nonce, &mut bytes)
            .map_or_else(String::new, |()| BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    fn put(
        &self,
        session: &Session,
        value: &[u8],
        nonce: [u8; NONCE_LEN],
        bytes: &mut Vec<u8>,
    ) -> Option<()> {
        match self.keys.first() {
            None => {
                bytes.push(PLAIN | self.flags(session));
                bytes.extend_from_slice(&session.seed.to_be_bytes());
                self.put_session(session, bytes);
                bytes.extend_from_slice(value);
                let checksum = self.checksum(bytes);
                bytes.extend_from_slice(&checksum);
            }
            Some(bound) => {
                let first = bound.first | self.flags(session);
                let nonce = with_seed(nonce, session.seed ^ bound.key.seed_mask);
                bytes.push(first);
                bytes.extend_from_slice(&nonce);
                let start = bytes.len();
                self.put_session(session, bytes);
                bytes.extend_from_slice(value);
                let payload = bytes.get_mut(start..)?;
                let associated = [&[first], bound.binding.as_slice()].concat();
                let cipher = self.cipher(&bound.key);
                let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), &associated, payload.into());
                bytes.extend_from_slice(&tag.ok()?);
            }
        }
        Some(())
    }

    /// The session of a token; `None` for any bytes that are no valid token of this service and carrier.
    #[must_use]
    #[inline]
    pub fn read(&self, text: &[u8]) -> Option<Session> {
        let remembered = self.remembered.recall(self.owner, text, |session, _| *session);
        if remembered.is_some() {
            return remembered;
        }
        let mut buffer = [0; MAX_LEN / 4 * 3];
        let (session, value) = self.open(text, &mut buffer)?;
        value.is_empty().then_some(())?;
        self.remembered.note(self.owner, text, session, value);
        Some(session)
    }

    /// The session and the application's value of an envelope; `None` for any bytes that are no valid envelope of
    /// this service and header, or hold what is no value of a header's (RFC 9110, section 5.5).
    #[must_use]
    pub fn read_envelope(&self, text: &[u8]) -> Option<(Session, Vec<u8>)> {
        let remembered =
            self.remembered.recall(self.owner, text, |session, value| (*session, value.to_vec()));
        if remembered.is_some() {
            return remembered;
        }
        if text.len() > MAX_ENVELOPE_LEN {
            return None;
        }
        let mut buffer = vec![0; text.len()];
        let (session, value) = self.open(text, &mut buffer)?;
        let is_value = value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
        (is_value && !value.is_empty()).then_some(())?;
        self.remembered.note(self.owner, text, session, value);
        Some((session, value.to_vec()))
    }

    /// The session and what follows it, if the text is whole and ours and its bytes find room in the buffer.
    fn open<'b>(&self, text: &[u8], buffer: &'b mut [u8]) -> Option<(Session, &'b [u8])> {
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
        let bytes = buffer.get_mut(..len)?;
        let first = *bytes.first()?;
        if self.keys.is_empty() {
            let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
            (first & !FLAGS == PLAIN && *checksum == self.checksum(bytes)).then_some(())?;
            let (seed, payload) = bytes.get(1..)?.split_first_chunk()?;
            return session_in(payload, first, u64::from_be_bytes(*seed));
        }
        let (nonce, bytes) = bytes.get_mut(1..)?.split_first_chunk_mut()?;
        let (payload, tag) = bytes.split_last_chunk_mut::<TAG_LEN>()?;
        for Bound { key, binding, .. } in self.keys.iter().filter(|bound| bound.first == first & !FLAGS) {
            let associated = [&[first], binding.as_slice()].concat();
            let (iv, inout, tag) = (XNonce::from(*nonce), (&mut *payload).into(), (*tag).into());
            // What is refused stays as it is.
            if self.cipher(key).decrypt_inout_detached(&iv, &associated, inout, &tag).is_ok() {
                return session_in(payload, first, seed_in(nonce) ^ key.seed_mask);
            }
        }
        None
    }

    const fn cipher<'k>(&self, key: &'k Key) -> &'k XChaCha20Poly1305 {
        if self.envelope { &key.envelope_cipher } else { &key.token_cipher }
    }

    /// Of all bytes before it.
    fn checksum(&self, bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
        hash(&[self.binding.as_slice(), bytes].join(&0)).to_be_bytes()
    }

    fn flags(&self, session: &Session) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        flag(session.https, HTTPS)
            | flag(self.room.last_use, HAS_USE)
            | flag(self.room.endpoint, HAS_ENDPOINT)
    }

    /// Appends what the flags say.
    fn put_session(&self, session: &Session, bytes: &mut Vec<u8>) {
        let [_, _, _, start @ ..] = session.start.div_ceil(HUNDREDTH).to_be_bytes();
        bytes.extend_from_slice(&start);
        let [_, _, _, backend @ ..] = session.backend.to_bits().to_be_bytes();
        bytes.extend_from_slice(&backend);
        if self.room.last_use {
            bytes.extend_from_slice(&session.used.to_be_bytes());
        }
        if self.room.endpoint {
            let (kind, address) = match session.endpoint.map(|endpoint| endpoint.ip()) {
                None => (UNKNOWN, Ipv6Addr::UNSPECIFIED),
                Some(IpAddr::V4(address)) => (IPV4, address.to_ipv6_mapped()),
                Some(IpAddr::V6(address)) => (IPV6, address),
            };
            bytes.push(kind);
            bytes.extend_from_slice(&address.octets());
            bytes.extend_from_slice(&session.endpoint.map_or(0, |endpoint| endpoint.port()).to_be_bytes());
        }
    }
}

/// A nonce that begins with a seed.
fn with_seed(mut nonce: [u8; NONCE_LEN], seed: u64) -> [u8; NONCE_LEN] {
    for (byte, of_seed) in nonce.iter_mut().zip(seed.to_be_bytes()) {
        *byte = of_seed;
    }
    nonce
}

/// The seed that a nonce begins with.
const fn seed_in(nonce: &[u8; NONCE_LEN]) -> u64 {
    let [seed @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *nonce;
    u64::from_be_bytes(seed)
}

/// The session of this seed that the payload begins with, and what follows it.
fn session_in(payload: &[u8], flags: u8, seed: u64) -> Option<(Session, &[u8])> {
    let (start, rest) = payload.split_first_chunk::<5>()?;
    let (backend, mut rest) = rest.split_first_chunk::<5>()?;
    let mut used = 0;
    if flags & HAS_USE != 0 {
        let (bytes, after) = rest.split_first_chunk()?;
        used = u32::from_be_bytes(*bytes);
        rest = after;
    }
    let mut endpoint = None;
    if flags & HAS_ENDPOINT != 0 {
        let ([kind], after) = rest.split_first_chunk()?;
        let (address, after) = after.split_first_chunk::<16>()?;
        let (port, after) = after.split_first_chunk()?;
        let address = Ipv6Addr::from(*address);
        let ip = match *kind {
            UNKNOWN => None,
            IPV4 => Some(IpAddr::V4(address.to_ipv4_mapped()?)),
            IPV6 => Some(IpAddr::V6(address)),
            _ => return None,
        };
        endpoint = ip.map(|ip| SocketAddr::new(ip, u16::from_be_bytes(*port)));
        rest = after;
    }
    let session = Session {
        start: number(start).saturating_mul(HUNDREDTH),
        used,
        seed,
        backend: BackendId::from_bits(number(backend)),
        endpoint,
        https: flags & HTTPS != 0,
    };
    Some((session, rest))
}

/// A big-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}
