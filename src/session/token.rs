//! The session token is a [`Session`] as text for a cookie or header. The envelope is a session together with the
//! application's own value.
//!
//! The text is unpadded URL-safe base64 (RFC 4648, section 5), in its canonical spelling, of
//!
//! | with keys | without keys |
//! | --- | --- |
//! | version 1 (1 byte) | version 2 (1 byte) |
//! | nonce, 24 random bytes | |
//! | session and value, encrypted | session and value |
//! | authentication tag (16) | checksum (8) |
//!
//! With keys, XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) encrypts and authenticates the token. Its nonce is long
//! enough to be drawn at random for every token. The associated data are the version, the service, the carrier and the
//! carrier's name, so a token is invalid anywhere else. The checksum of a token without keys detects accidental
//! changes, but not forgeries.
//!
//! The session, in big-endian numbers of fixed width:
//!
//! | field | bytes |
//! | --- | --- |
//! | flags: 1 = the session began over https, 2 = the last use follows, 4 = the endpoint follows | 1 |
//! | start, milliseconds since 1970 | 8 |
//! | id of the backend | 8 |
//! | seed | 8 |
//! | last use, milliseconds since 1970 | 8 if flagged |
//! | endpoint: IP version, 0 where none is known (1), address (16), port (2) | 19 if flagged |
//!
//! Only the configuration decides which fields follow, so the length of a token does not depend on its session. In an
//! envelope, the application's value follows the session.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::AeadInOut;

use super::key::Key;
use super::token_cache::{CacheOwner, TokenCache};
use super::{Millis, Session};
use crate::balance::BackendId;
use crate::balance::hash::hash;

/// Maximum length of a token, in bytes of text. An envelope adds the application's value.
pub(crate) const MAX_LEN: usize = 128;
/// Maximum length of an application's value in an envelope, in bytes.
pub(crate) const MAX_VALUE_LEN: usize = 4096;
/// Random bytes that each token needs.
pub(crate) const NONCE_LEN: usize = 24;

const MAX_ENVELOPE_LEN: usize = MAX_LEN + MAX_VALUE_LEN.div_ceil(3) * 4;

const ENCRYPTED: u8 = 1;
const UNENCRYPTED: u8 = 2;
/// The first base64 character of both versions. It encodes the upper six bits of the first byte.
const FIRST_BYTE: u8 = b'A';
const TAG_LEN: usize = 16;
const CHECKSUM_LEN: usize = 8;

const HTTPS: u8 = 1;
const HAS_LAST_USE: u8 = 2;
const HAS_ENDPOINT: u8 = 4;

const FIXED_LEN: usize = 25;
const LAST_USE_LEN: usize = 8;
const ENDPOINT_LEN: usize = 19;

const UNKNOWN: u8 = 0;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

/// The cookie or header that carries a token between client and Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier<'a> {
    /// The cookie of this name.
    Cookie(&'a str),
    /// The header of this name.
    Header(&'a str),
    /// The application's own header of this name, in which the filter wraps the application's value.
    HeaderEnvelope(&'a str),
    /// The application's own cookie of this name, in which the filter wraps the application's value.
    CookieEnvelope(&'a str),
}

/// Which optional fields every token of a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The last use, for an idle timeout.
    pub(crate) last_use: bool,
    /// The endpoint.
    pub(crate) endpoint: bool,
}

/// Writes and reads the tokens of one service and carrier.
#[derive(Debug)]
pub(crate) struct TokenCodec {
    keys: Rc<[Key]>,
    /// Version, service, carrier and the carrier's name. A token is bound to all of them.
    associated_data: Vec<u8>,
    layout: Layout,
    /// The possible lengths of tokens, in bytes of text: one for each layout.
    lengths: [usize; 4],
    cache: Rc<TokenCache>,
    cache_owner: CacheOwner,
}

impl TokenCodec {
    /// The first key makes tokens, and every key reads them. Without keys, tokens are neither encrypted nor
    /// authenticated. All services of a worker share `cache`.
    pub(crate) fn new(
        keys: Rc<[Key]>,
        cache: Rc<TokenCache>,
        service: &str,
        carrier: Carrier<'_>,
        layout: Layout,
    ) -> Self {
        let (kind, name) = match carrier {
            Carrier::Cookie(name) => ("cookie", name),
            Carrier::Header(name) => ("header", name),
            Carrier::HeaderEnvelope(name) => ("header envelope", name),
            Carrier::CookieEnvelope(name) => ("cookie envelope", name),
        };
        let version = if keys.is_empty() { UNENCRYPTED } else { ENCRYPTED };
        // The name of a service, cookie or header never contains NUL.
        let binding = [service, kind, name].join("\0");
        let associated_data = [&[version], binding.as_bytes()].concat();
        let overhead = if keys.is_empty() { 1 + CHECKSUM_LEN } else { 1 + NONCE_LEN + TAG_LEN };
        let lengths = [0, LAST_USE_LEN, ENDPOINT_LEN, LAST_USE_LEN + ENDPOINT_LEN]
            .map(|optional| base64_len(overhead.saturating_add(FIXED_LEN).saturating_add(optional)));
        let cache_owner = cache.new_owner();
        Self { keys, associated_data, layout, lengths, cache, cache_owner }
    }

    /// The token of a session. `nonce` is fresh randomness for each token. `None` only if the payload is longer than
    /// 256 GiB, so never in practice.
    pub(crate) fn write(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> Option<String> {
        self.write_envelope(session, b"", nonce)
    }

    /// The envelope of a session and the application's value, which has at most [`MAX_VALUE_LEN`] bytes. `None` as for
    /// [`write`](Self::write).
    pub(crate) fn write_envelope(
        &self,
        session: &Session,
        value: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> Option<String> {
        let mut bytes = Vec::with_capacity(MAX_LEN.saturating_add(value.len()));
        if let Some(key) = self.keys.first() {
            bytes.push(ENCRYPTED);
            bytes.extend_from_slice(&nonce);
            let start = bytes.len();
            self.push_session(session, &mut bytes);
            bytes.extend_from_slice(value);
            let payload = bytes.get_mut(start..).unwrap_or_default();
            let nonce = XNonce::from(nonce);
            let cipher = &key.cipher;
            let tag = cipher.encrypt_inout_detached(&nonce, &self.associated_data, payload.into()).ok()?;
            bytes.extend_from_slice(&tag);
        } else {
            bytes.push(UNENCRYPTED);
            self.push_session(session, &mut bytes);
            bytes.extend_from_slice(value);
            let checksum = self.checksum(&bytes);
            bytes.extend_from_slice(&checksum);
        }
        Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Whether the text has the length and the first byte of a token. A cheap check before `read`.
    pub(crate) fn may_be_token(&self, text: &[u8]) -> bool {
        text.first() == Some(&FIRST_BYTE) && self.lengths.contains(&text.len())
    }

    /// Whether the text has a possible length and the first byte of an envelope. A cheap check before `read_envelope`.
    pub(crate) fn may_be_envelope(&self, text: &[u8]) -> bool {
        let shortest = self.lengths.iter().min().copied().unwrap_or_default();
        text.first() == Some(&FIRST_BYTE) && text.len() > shortest && text.len() <= MAX_ENVELOPE_LEN
    }

    /// The session of a token. `None` if the bytes are not a valid token of this service and carrier.
    pub(crate) fn read(&self, text: &[u8]) -> Option<Session> {
        let cached = self.cache.get(self.cache_owner, text, |session, _| *session);
        if cached.is_some() {
            return cached;
        }
        let mut buffer = [0; MAX_LEN / 4 * 3];
        let (session, value) = self.open(text, &mut buffer)?;
        if !value.is_empty() {
            return None;
        }
        self.cache.insert(self.cache_owner, text, session, value);
        Some(session)
    }

    /// The session and the application's value of an envelope. `None` if the bytes are not a valid envelope of this
    /// service and carrier, or if the value is not a valid header value (RFC 9110, section 5.5).
    pub(crate) fn read_envelope(&self, text: &[u8]) -> Option<(Session, Vec<u8>)> {
        let cached = self.cache.get(self.cache_owner, text, |session, value| (*session, value.to_vec()));
        if cached.is_some() {
            return cached;
        }
        if !self.may_be_envelope(text) {
            return None;
        }
        let mut buffer = vec![0; text.len()];
        let (session, value) = self.open(text, &mut buffer)?;
        let is_header_value = value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
        if value.is_empty() || !is_header_value {
            return None;
        }
        self.cache.insert(self.cache_owner, text, session, value);
        Some((session, value.to_vec()))
    }

    /// The session and the bytes that follow it. `buffer` receives the decoded text.
    fn open<'b>(&self, text: &[u8], buffer: &'b mut [u8]) -> Option<(Session, &'b [u8])> {
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
        let bytes = buffer.get_mut(..len)?;
        if bytes.first() != self.associated_data.first() {
            return None;
        }
        if self.keys.is_empty() {
            let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
            return (*checksum == self.checksum(bytes)).then(|| read_session(bytes.get(1..)?))?;
        }
        let (nonce, bytes) = bytes.get_mut(1..)?.split_first_chunk_mut::<NONCE_LEN>()?;
        let (payload, tag) = bytes.split_last_chunk_mut::<TAG_LEN>()?;
        let (nonce, tag) = (XNonce::from(*nonce), (*tag).into());
        // A failed attempt leaves the payload unchanged.
        let opened = self.keys.iter().any(|key| {
            let payload = (&mut *payload).into();
            key.cipher.decrypt_inout_detached(&nonce, &self.associated_data, payload, &tag).is_ok()
        });
        opened.then(|| read_session(payload))?
    }

    fn checksum(&self, bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
        hash(&[self.associated_data.as_slice(), bytes].join(&0)).to_be_bytes()
    }

    fn push_session(&self, session: &Session, bytes: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        bytes.push(
            flag(session.https, HTTPS)
                | flag(self.layout.last_use, HAS_LAST_USE)
                | flag(self.layout.endpoint, HAS_ENDPOINT),
        );
        for number in [session.start, session.backend.to_bits(), session.seed] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        if self.layout.last_use {
            // A session without a last use was last used at its start.
            bytes.extend_from_slice(&session.last_use.unwrap_or(session.start).to_be_bytes());
        }
        if self.layout.endpoint {
            push_endpoint(session.endpoint, bytes);
        }
    }
}

/// The length of unpadded base64.
const fn base64_len(bytes: usize) -> usize {
    bytes.saturating_mul(4).div_ceil(3)
}

fn push_endpoint(endpoint: Option<SocketAddr>, bytes: &mut Vec<u8>) {
    let (version, address) = match endpoint.map(|endpoint| endpoint.ip()) {
        None => (UNKNOWN, Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V4(address)) => (IPV4, address.to_ipv6_mapped()),
        Some(IpAddr::V6(address)) => (IPV6, address),
    };
    bytes.push(version);
    bytes.extend_from_slice(&address.octets());
    bytes.extend_from_slice(&endpoint.map_or(0, |endpoint| endpoint.port()).to_be_bytes());
}

/// The session at the beginning of a payload, and the bytes that follow it.
fn read_session(payload: &[u8]) -> Option<(Session, &[u8])> {
    let mut rest = payload;
    let [flags] = take(&mut rest)?;
    let start = u64::from_be_bytes(take(&mut rest)?);
    let backend = BackendId::from_bits(u64::from_be_bytes(take(&mut rest)?));
    let seed = u64::from_be_bytes(take(&mut rest)?);
    let last_use: Option<Millis> =
        if flags & HAS_LAST_USE == 0 { None } else { Some(u64::from_be_bytes(take(&mut rest)?)) };
    let endpoint = if flags & HAS_ENDPOINT == 0 { None } else { read_endpoint(&mut rest)? };
    let known_flags = flags & !(HTTPS | HAS_LAST_USE | HAS_ENDPOINT) == 0;
    let session = Session { start, last_use, seed, backend, endpoint, https: flags & HTTPS != 0 };
    known_flags.then_some((session, rest))
}

/// The endpoint at the beginning of the bytes. The inner `None` means an unknown endpoint.
#[expect(clippy::option_option, reason = "an unknown endpoint is valid, a malformed one is not")]
fn read_endpoint(rest: &mut &[u8]) -> Option<Option<SocketAddr>> {
    let [version] = take(rest)?;
    let address = Ipv6Addr::from(take::<16>(rest)?);
    let port = u16::from_be_bytes(take(rest)?);
    let ip = match version {
        UNKNOWN => return Some(None),
        IPV4 => IpAddr::V4(address.to_ipv4_mapped()?),
        IPV6 => IpAddr::V6(address),
        _ => return None,
    };
    Some(Some(SocketAddr::new(ip, port)))
}

/// Removes and returns the first `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests;
