//! How a client is told of its session: the changes to a response's headers.

use crate::affinity::key_text;
use crate::caching::{self, SHARED_CACHE_FIELDS};
use crate::config::Affinity;
use crate::cookie;
use crate::service::Service;
use crate::session::{Millis, Session};
use crate::token::NONCE_LEN;

/// One change to the headers of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit<'a> {
    /// Adds a line beside those that are there.
    Add(&'a str, Vec<u8>),
    /// Replaces all lines of that name.
    Set(&'a str, Vec<u8>),
    /// Removes all lines of that name.
    Remove(&'a str),
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A session, sealed with fresh randomness.
    Session(Session, [u8; NONCE_LEN]),
    /// A key to keep. Whether it came over https decides on `Secure`.
    Key(u64, bool),
    /// An envelope to send in place of the application's value.
    Envelope(String),
}

/// What the headers of a response say that matters to the one that is told the news in it.
#[derive(Default)]
struct Said<'h> {
    /// So many lines carry what ours would: a cookie of that name, or a header.
    like_ours: usize,
    cache_control: Vec<&'h [u8]>,
    /// Which of the fields for shared caches are there.
    shared_cache: [bool; SHARED_CACHE_FIELDS.len()],
}

impl<'h> Said<'h> {
    fn by(response: impl Iterator<Item = (&'h [u8], &'h [u8])>, affinity: &Affinity) -> Self {
        let mut said = Self::default();
        for (field, value) in response {
            let is = |name: &str| field.eq_ignore_ascii_case(name.as_bytes());
            let is_like_ours = match affinity {
                Affinity::GeneratedCookie { cookie, .. } | Affinity::HttpCookie { cookie, .. } => {
                    is("set-cookie") && cookie::sets(value, &cookie.name)
                }
                Affinity::GeneratedHeader { name, .. } | Affinity::HeaderEnvelope { name, .. } => is(name),
                Affinity::None | Affinity::ClientIp(_) | Affinity::HeaderField { .. } => false,
            };
            said.like_ours = said.like_ours.saturating_add(usize::from(is_like_ours));
            if is("cache-control") {
                said.cache_control.push(value);
            }
            for (present, name) in said.shared_cache.iter_mut().zip(SHARED_CACHE_FIELDS) {
                *present |= is(name);
            }
        }
        said
    }
}

impl Service {
    /// The changes that tell the client the news, given the headers that the application answered with. None where
    /// the application itself sets our cookie, or our header: its word stands.
    #[must_use]
    pub fn announce<'s, 'h>(
        &'s self,
        news: News,
        now: Millis,
        response: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Vec<HeaderEdit<'s>> {
        let said = Said::by(response, &self.affinity);
        let told = match (&self.affinity, news) {
            (Affinity::GeneratedCookie { cookie, life }, News::Session(session, nonce))
                if said.like_ours == 0 =>
            {
                let token = self.token(&session, nonce);
                cookie_edit(cookie.set(&token, life.max_age(&session, now), session.https))
            }
            (Affinity::HttpCookie { cookie, ttl_sec }, News::Key(key, https)) if said.like_ours == 0 => {
                cookie_edit(cookie.set(&key_text(key), Some(u64::from(*ttl_sec)), https))
            }
            (Affinity::GeneratedHeader { name, .. }, News::Session(session, nonce))
                if said.like_ours == 0 =>
            {
                HeaderEdit::Add(name, self.token(&session, nonce).into_bytes())
            }
            // Several values are no name of a session.
            (Affinity::HeaderEnvelope { name, .. }, News::Envelope(envelope)) if said.like_ours <= 1 => {
                HeaderEdit::Set(name, envelope.into_bytes())
            }
            _ => return Vec::new(),
        };
        let mut edits = Vec::with_capacity(4);
        edits.push(told);
        if let Some(value) = caching::uncacheable_by_shared_caches(&said.cache_control) {
            edits.push(HeaderEdit::Set("cache-control", value));
        }
        let present = SHARED_CACHE_FIELDS.into_iter().zip(said.shared_cache).filter(|(_, present)| *present);
        edits.extend(present.map(|(name, _)| HeaderEdit::Remove(name)));
        edits
    }

    fn token(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> String {
        self.tokens.as_ref().map(|tokens| tokens.write(session, nonce)).unwrap_or_default()
    }
}

fn cookie_edit<'a>(line: String) -> HeaderEdit<'a> {
    HeaderEdit::Add("set-cookie", line.into_bytes())
}
