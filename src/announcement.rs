//! How a client is told of its session: the changes to a response's headers.

use crate::affinity::key_text;
use crate::caching;
use crate::config::Affinity;
use crate::cookie::{self, Cookie};
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

impl Service {
    /// The changes that tell the client the news, given the headers that the application answered with. None where
    /// the application itself sets our cookie, or our header: its word stands.
    #[must_use]
    pub fn announce<'s, 'h>(
        &'s self,
        news: News,
        now: Millis,
        response: &(impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone),
    ) -> Vec<HeaderEdit<'s>> {
        let fields: Vec<(&[u8], &[u8])> = response.clone().collect();
        let token = match (&self.affinity, news) {
            (Affinity::GeneratedCookie { cookie, life }, News::Session(session, nonce))
                if !sets(&fields, cookie) =>
            {
                let token = self.token(&session, nonce);
                cookie_edit(cookie.set(&token, life.max_age(&session, now), session.https))
            }
            (Affinity::HttpCookie { cookie, ttl_sec }, News::Key(key, https)) if !sets(&fields, cookie) => {
                cookie_edit(cookie.set(&key_text(key), Some(u64::from(*ttl_sec)), https))
            }
            (Affinity::GeneratedHeader { name, .. }, News::Session(session, nonce))
                if !has(&fields, name, 1) =>
            {
                HeaderEdit::Add(name, self.token(&session, nonce).into_bytes())
            }
            // Several values are no name of a session.
            (Affinity::HeaderEnvelope { name, .. }, News::Envelope(envelope)) if !has(&fields, name, 2) => {
                HeaderEdit::Set(name, envelope.into_bytes())
            }
            _ => return Vec::new(),
        };
        let mut edits = vec![token];
        let cache_control: Vec<&[u8]> = values(&fields, "cache-control").collect();
        if let Some(value) = caching::uncacheable_by_shared_caches(&cache_control) {
            edits.push(HeaderEdit::Set("cache-control", value));
        }
        for name in caching::SHARED_CACHE_FIELDS {
            if has(&fields, name, 1) {
                edits.push(HeaderEdit::Remove(name));
            }
        }
        edits
    }

    fn token(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> String {
        self.tokens.as_ref().map(|tokens| tokens.write(session, nonce)).unwrap_or_default()
    }
}

fn cookie_edit<'a>(line: String) -> HeaderEdit<'a> {
    HeaderEdit::Add("set-cookie", line.into_bytes())
}

/// The values of a header.
fn values<'h>(fields: &[(&[u8], &'h [u8])], name: &str) -> impl Iterator<Item = &'h [u8]> {
    let named = |(field, _): &&(&[u8], &[u8])| field.eq_ignore_ascii_case(name.as_bytes());
    fields.iter().filter(named).map(|(_, value)| *value)
}

/// Whether there are so many lines of a header.
#[inline(never)]
fn has(fields: &[(&[u8], &[u8])], name: &str, lines: usize) -> bool {
    values(fields, name).take(lines).count() == lines
}

/// Whether the application sets a cookie of this name.
#[inline(never)]
fn sets(fields: &[(&[u8], &[u8])], cookie: &Cookie) -> bool {
    values(fields, "set-cookie").any(|line| cookie::sets(line, &cookie.name))
}
