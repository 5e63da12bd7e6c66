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
        let lines = |name: &str| {
            let name = name.to_owned();
            let named = move |(field, _): &(&[u8], &[u8])| field.eq_ignore_ascii_case(name.as_bytes());
            response.clone().filter(named).map(|(_, value)| value)
        };
        let sets = |cookie: &Cookie| lines("set-cookie").any(|line| cookie::sets(line, &cookie.name));
        let token = match (&self.affinity, news) {
            (Affinity::GeneratedCookie { cookie, life }, News::Session(session, nonce)) if !sets(cookie) => {
                let token = self.token(&session, nonce);
                cookie_edit(cookie.set(&token, life.max_age(&session, now), session.https))
            }
            (Affinity::HttpCookie { cookie, ttl_sec }, News::Key(key, https)) if !sets(cookie) => {
                cookie_edit(cookie.set(&key_text(key), Some(u64::from(*ttl_sec)), https))
            }
            (Affinity::GeneratedHeader { name, .. }, News::Session(session, nonce))
                if lines(name).next().is_none() =>
            {
                HeaderEdit::Add(name, self.token(&session, nonce).into_bytes())
            }
            // Several values are no name of a session.
            (Affinity::HeaderEnvelope { name, .. }, News::Envelope(envelope))
                if lines(name).nth(1).is_none() =>
            {
                HeaderEdit::Set(name, envelope.into_bytes())
            }
            _ => return Vec::new(),
        };
        let mut edits = vec![token];
        let cache_control: Vec<&[u8]> = lines("cache-control").collect();
        if let Some(value) = caching::uncacheable_by_shared_caches(&cache_control) {
            edits.push(HeaderEdit::Set("cache-control", value));
        }
        let present = caching::SHARED_CACHE_FIELDS.into_iter().filter(|name| lines(name).next().is_some());
        edits.extend(present.map(HeaderEdit::Remove));
        edits
    }

    fn token(&self, session: &Session, nonce: [u8; NONCE_LEN]) -> String {
        self.tokens.as_ref().map(|tokens| tokens.write(session, nonce)).unwrap_or_default()
    }
}

fn cookie_edit<'a>(line: String) -> HeaderEdit<'a> {
    HeaderEdit::Add("set-cookie", line.into_bytes())
}
