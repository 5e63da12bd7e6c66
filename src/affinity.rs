//! Where a request goes: the facts of one request in, a decision out.

use crate::backends::{Backend, BackendId};
use crate::client_ip;
use crate::config::{Affinity, OnUnavailable};
use crate::cookie::{self, Cookie};
use crate::health::View;
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
    /// It goes to this backend, as part of this session.
    Forward(&'a Backend, Part),
    /// It is answered with this status.
    Reject(u32),
}

/// What a request is to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Part of none.
    None,
    /// The first of one. Its true start, and whether it began over https, are for the filter to fill in.
    First(Session),
    /// One that is known, and of which the client need not be told.
    Known(Session),
    /// One that moved or was renewed, of which the client must be told.
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
    pub fn decide<'a>(&'a self, facts: &Facts<'_>, view: &'a View) -> Decision<'a> {
        match &self.affinity {
            Affinity::None => by_weight(facts, view),
            Affinity::ClientIp(prefixes) => client_ip::hash_key(facts.client_address, *prefixes)
                .map_or_else(|| by_weight(facts, view), |key| self.by_hash(key, view)),
            Affinity::GeneratedCookie { cookie, life } => {
                if cookie.covers_everything() || cookie.covers(facts.path) {
                    self.by_session(facts, view, *life, cookie::values(facts.cookies, &cookie.name))
                } else {
                    by_weight(facts, view)
                }
            }
        }
    }

    /// The consistent choice among all, or where that one is out, among the rest.
    fn by_hash<'a>(&'a self, key: u64, view: &'a View) -> Decision<'a> {
        let backend = self.backends.all().choose(key);
        if view.is_available(backend.id()) {
            forward(Outcome::Hashed, backend, Part::None)
        } else {
            forward(Outcome::Repinned, view.choice().choose(key), Part::None)
        }
    }

    /// By the first of several tokens that holds a living session.
    fn by_session<'a, 't>(
        &'a self,
        facts: &Facts<'_>,
        view: &'a View,
        life: Life,
        tokens: impl Iterator<Item = &'t [u8]>,
    ) -> Decision<'a> {
        let mut outcome = Outcome::Assigned;
        for token in tokens.take(MAX_TRIED) {
            let session = self.tokens.as_ref().and_then(|tokens| tokens.read(token));
            let standing = session.map(|session| (session, life.standing(&session, facts.now)));
            match standing {
                Some((session, standing @ (Standing::Live | Standing::Renewable))) => {
                    return self.resume(session, standing, facts.now, view);
                }
                Some((_, Standing::Expired)) => outcome = Outcome::Expired,
                None | Some((_, Standing::FromTheFuture)) if outcome == Outcome::Assigned => {
                    outcome = Outcome::Invalid;
                }
                None | Some((_, Standing::FromTheFuture)) => {}
            }
        }
        let backend = view.choice().pick(facts.random);
        // The choice used up the high bits; the seed must not repeat them for every session of a backend.
        let seed = crate::hash::mix(facts.random);
        forward(outcome, backend, Part::First(Session::begin(facts.now, seed, backend.id(), false)))
    }

    /// A living session: to its backend, or where it goes in its stead.
    fn resume<'a>(
        &'a self,
        session: Session,
        standing: Standing,
        now: Millis,
        view: &'a View,
    ) -> Decision<'a> {
        let backend = self.backends.get(session.backend).filter(|known| view.is_available(known.id()));
        if let Some(backend) = backend {
            let part = match standing {
                Standing::Renewable => Part::Changed(session.used_at(now)),
                _ => Part::Known(session),
            };
            return forward(Outcome::Pinned, backend, part);
        }
        match self.on_unavailable {
            OnUnavailable::Reject(status) => {
                Decision { outcome: Outcome::Rejected, verdict: Verdict::Reject(status) }
            }
            OnUnavailable::Repin => {
                // The seed and the lost backend decide alone, so that all requests of the session meet again.
                let key = crate::hash::mix(session.seed ^ lost(session.backend));
                let backend = view.choice().choose(key);
                let moved = Session { backend: backend.id(), ..session.used_at(now) };
                forward(Outcome::Repinned, backend, Part::Changed(moved))
            }
        }
    }
}

/// Without affinity.
#[must_use]
pub fn by_weight<'a>(facts: &Facts<'_>, view: &'a View) -> Decision<'a> {
    forward(Outcome::None, view.choice().pick(facts.random), Part::None)
}

/// What a lost backend adds to the key of the next choice: sessions that moved once must not move together
/// again.
const fn lost(backend: BackendId) -> u64 {
    crate::hash::mix(backend.to_bits())
}

const fn forward(outcome: Outcome, backend: &Backend, part: Part) -> Decision<'_> {
    Decision { outcome, verdict: Verdict::Forward(backend, part) }
}
