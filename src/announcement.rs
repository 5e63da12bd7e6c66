//! How a client is told of its session: the changes to a response's headers.

use crate::caching;
use crate::config::Affinity;
use crate::cookie;
use crate::service::Service;
use crate::session::{Millis, Session};
use crate::token::NONCE_LEN;

/// One change to the headers of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Adds a line beside those that are there.
    Add(&'static str, Vec<u8>),
    /// Replaces all lines of that name.
    Set(&'static str, Vec<u8>),
    /// Removes all lines of that name.
    Remove(&'static str),
}

impl Service {
    /// The changes that tell the client of `session`, given the headers that the application answered with. None
    /// where the application itself sets a cookie of our name: its word stands. `nonce` is fresh randomness.
    #[must_use]
    pub fn announce<'h>(
        &self,
        session: &Session,
        now: Millis,
        nonce: [u8; NONCE_LEN],
        response: &(impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone),
    ) -> Vec<HeaderEdit> {
        let (Affinity::GeneratedCookie { cookie, life }, Some(tokens)) = (&self.affinity, &self.tokens)
        else {
            return Vec::new();
        };
        let lines = |name: &'static str| {
            let named = move |(field, _): &(&[u8], &[u8])| field.eq_ignore_ascii_case(name.as_bytes());
            response.clone().filter(named).map(|(_, value)| value)
        };
        if lines("set-cookie").any(|line| cookie::sets(line, &cookie.name)) {
            return Vec::new();
        }
        let token = tokens.write(session, nonce);
        let set_cookie = cookie.set(&token, life.max_age(session, now), session.https);
        let mut edits = vec![HeaderEdit::Add("set-cookie", set_cookie.into_bytes())];
        let cache_control: Vec<&[u8]> = lines("cache-control").collect();
        if let Some(value) = caching::uncacheable_by_shared_caches(&cache_control) {
            edits.push(HeaderEdit::Set("cache-control", value));
        }
        let present = caching::SHARED_CACHE_FIELDS.into_iter().filter(|name| lines(name).next().is_some());
        edits.extend(present.map(HeaderEdit::Remove));
        edits
    }
}
