//! Where a request goes: the facts of one request in, a decision out.

use crate::backends::{Backend, BackendId};
use crate::client_ip;
use crate::config::{Affinity, OnUnavailable};
use crate::cookie::{self, Cookie};
use crate::outcome::Outcome;
use crate::service::Service;
use crate::session::{Life, Millis, Session, Standing};

/// So many cookies of our name are tried; a client may send thousands.
const MAX_TRIED: usize = 4;

/// What a decision for a service is made from. Each fact costs a call to the host, so the filter gathers only
/// these; the rest may be left empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs<'a> {
    /// No fact of the request.
    Nothing,
    /// The client's address.
    ClientAddress,
    /// The `Cookie` header, and the path unless the cookie covers every path.
    Cookies(&'a Cookie),
}

/// The facts of one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The wall clock.
    pub now: Millis,
    /// Uniform over all 64-bit numbers.
    pub random: u64,
    /// `source.address` as Envoy has it.
    pub client_address: &'a [u8],
    /// The `Cookie` header; several lines as one.
    pub cookies: &'a [u8],
    /// `:path`, query and all.
    pub path: &'a [u8],
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What is counted.
    pub outcome: Outcome,
    /// What is done.
    pub verdict: Verdict<'a>,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It goes to this backend, and the client is told the news.
    Forward(&'a Backend, News),
    /// It is answered with this status.
    Reject(u32),
}

/// What the client must be told of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// A session begins. Whether over https is for the filter to fill in.
    Began(Session),
    /// The session moved or was renewed.
    Changed(Session),
}

impl Service {
    /// The facts that [`decide`](Self::decide) wants.
    #[must_use]
    pub const fn needs(&self) -> Needs<'_> {
        match &self.affinity {
            Affinity::None => Needs::Nothing,
            Affinity::ClientIp(_) => Needs::ClientAddress,
            Affinity::GeneratedCookie { cookie, .. } => Needs::Cookies(cookie),
        }
    }

    /// Decides where a request goes.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>) -> Decision<'_> {
        match &self.affinity {
            Affinity::None => self.by_weight(facts),
            Affinity::ClientIp(prefixes) => client_ip::hash_key(facts.client_address, *prefixes).map_or_else(
                || self.by_weight(facts),
                |key| forward(Outcome::Hashed, self.backends.choose(key), News::None),
            ),
            Affinity::GeneratedCookie { cookie, life } => {
                if cookie.covers_everything() || cookie.covers(facts.path) {
                    self.by_session(facts, *life, cookie::values(facts.cookies, &cookie.name))
                } else {
                    self.by_weight(facts)
                }
            }
        }
    }

    /// Without affinity.
    #[must_use]
    pub fn by_weight(&self, facts: &Facts<'_>) -> Decision<'_> {
        forward(Outcome::None, self.backends.pick(facts.random), News::None)
    }

    /// By the first of several tokens that holds a living session.
    fn by_session<'t>(
        &self,
        facts: &Facts<'_>,
        life: Life,
        tokens: impl Iterator<Item = &'t [u8]>,
    ) -> Decision<'_> {
        let mut outcome = Outcome::Assigned;
        for token in tokens.take(MAX_TRIED) {
            let session = self.tokens.as_ref().and_then(|tokens| tokens.read(token));
            let standing = session.map(|session| (session, life.standing(&session, facts.now)));
            match standing {
                Some((session, standing @ (Standing::Live | Standing::Renewable))) => {
                    return self.resume(session, standing, facts.now);
                }
                Some((_, Standing::Expired)) => outcome = Outcome::Expired,
                None | Some((_, Standing::FromTheFuture)) if outcome == Outcome::Assigned => {
                    outcome = Outcome::Invalid;
                }
                None | Some((_, Standing::FromTheFuture)) => {}
            }
        }
        let backend = self.backends.pick(facts.random);
        // The choice used up the high bits; the seed must not repeat them for every session of a backend.
        let seed = crate::hash::mix(facts.random);
        forward(outcome, backend, News::Began(Session::begin(facts.now, seed, backend.id(), false)))
    }

    /// A living session: to its backend, or where it goes in its stead.
    fn resume(&self, session: Session, standing: Standing, now: Millis) -> Decision<'_> {
        if let Some(backend) = self.backends.get(session.backend) {
            let renewed = standing == Standing::Renewable;
            let news = if renewed { News::Changed(session.used_at(now)) } else { News::None };
            return forward(Outcome::Pinned, backend, news);
        }
        match self.on_unavailable {
            OnUnavailable::Reject(status) => {
                Decision { outcome: Outcome::Rejected, verdict: Verdict::Reject(status) }
            }
            OnUnavailable::Repin => {
                // The seed and the lost backend decide alone, so that all requests of the session meet again.
                let key = crate::hash::mix(session.seed ^ lost(session.backend));
                let backend = self.backends.choose(key);
                let moved = Session { backend: backend.id(), ..session.used_at(now) };
                forward(Outcome::Repinned, backend, News::Changed(moved))
            }
        }
    }
}

/// What a lost backend adds to the key of the next choice: sessions that moved once must not move together
/// again.
const fn lost(backend: BackendId) -> u64 {
    crate::hash::mix(backend.to_bits())
}

const fn forward(outcome: Outcome, backend: &Backend, news: News) -> Decision<'_> {
    Decision { outcome, verdict: Verdict::Forward(backend, news) }
}
