//! Where a request goes: the facts of one request in, a decision out.

use std::net::SocketAddr;

use crate::backends::{Backend, BackendId};
use crate::client_ip;
use crate::config::{Affinity, OnUnavailable};
use crate::cookie::Cookie;
use crate::hash::{hash, mix};
use crate::health::View;
use crate::outcome::Outcome;
use crate::service::Service;
use crate::session::{Life, Millis, Session, Standing};

/// So many tokens are tried; a client may send thousands.
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
    /// The header of this name.
    Header(&'a str),
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
    /// The header that the service needs; several lines joined by commas. `None` where there is none.
    pub header: Option<&'a [u8]>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What is counted.
    pub outcome: Outcome,
    /// What is done.
    pub verdict: Verdict<'a>,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It goes on.
    Forward(Forward<'a>),
    /// It is answered with this status.
    Reject(u32),
}

/// How a request goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward<'a> {
    /// To this backend; `None` where the route itself names the cluster.
    pub backend: Option<&'a Backend>,
    /// To this endpoint, where the session knows one.
    pub endpoint: Option<SocketAddr>,
    /// As part of this session.
    pub part: Part,
    /// With this value of the application's own in place of the envelope that came.
    pub unwrapped: Option<Vec<u8>>,
}

/// What a request is to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Part of none.
    None,
    /// The first of one. Its seed, and whether it began over https, are for the filter to fill in.
    First(Session),
    /// One that is known, and of which the client need not be told.
    Known(Session),
    /// One that moved or was renewed, of which the client must be told.
    Changed(Session),
    /// The first with a key that the client is to keep.
    FirstKey(u64),
}

impl Part {
    /// Whether there is something to tell the client.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        matches!(self, Self::First(_) | Self::Changed(_) | Self::FirstKey(_))
    }

    /// The session, if it is part of one.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        match self {
            Self::First(session) | Self::Known(session) | Self::Changed(session) => Some(session),
            Self::None | Self::FirstKey(_) => None,
        }
    }
}

impl Service {
    /// The facts that [`decide`](Self::decide) wants.
    #[must_use]
    pub fn needs(&self) -> Needs<'_> {
        match &self.affinity {
            Affinity::None => Needs::Nothing,
            Affinity::ClientIp(_) => Needs::ClientAddress,
            Affinity::GeneratedCookie { cookie, .. } | Affinity::HttpCookie { cookie, .. } => {
                Needs::Cookies(cookie)
            }
            Affinity::HeaderField { name }
            | Affinity::GeneratedHeader { name, .. }
            | Affinity::HeaderEnvelope { name, .. } => Needs::Header(name),
        }
    }

    /// Decides where a request goes.
    #[must_use]
    pub fn decide<'a>(&'a self, facts: &Facts<'_>, view: &'a View) -> Decision<'a> {
        match &self.affinity {
            Affinity::None => self.by_weight(facts, view),
            Affinity::ClientIp(prefixes) => {
                self.by_hash(client_ip::hash_key(facts.client_address, *prefixes), facts, view)
            }
            Affinity::HeaderField { .. } => self.by_hash(facts.header.map(hash), facts, view),
            Affinity::HttpCookie { cookie, ttl_sec } => self.by_cookie(cookie, *ttl_sec, facts, view),
            Affinity::GeneratedCookie { cookie, life } => {
                if cookie.covers_everything() || cookie.covers(facts.path) {
                    self.by_session(facts, view, *life, self.cookie.values(facts.cookies))
                } else {
                    self.by_weight(facts, view)
                }
            }
            Affinity::GeneratedHeader { life, .. } => {
                let header = facts.header.into_iter();
                let tokens = header.flat_map(|header| header.split(|byte| *byte == b','));
                self.by_session(facts, view, *life, tokens.map(<[u8]>::trim_ascii))
            }
            Affinity::HeaderEnvelope { life, .. } => self.by_envelope(facts, view, *life),
        }
    }

    /// Without affinity.
    fn by_weight<'a>(&'a self, facts: &Facts<'_>, view: &'a View) -> Decision<'a> {
        forward(Outcome::None, self.pick(facts, view), Part::None)
    }

    /// The consistent choice among all, or where that one is out, among the rest. Without a key by weight.
    fn by_hash<'a>(&'a self, key: Option<u64>, facts: &Facts<'_>, view: &'a View) -> Decision<'a> {
        let Some(key) = key else {
            return self.by_weight(facts, view);
        };
        let backend = self.backends.all().choose(key);
        if view.is_available(backend.id()) {
            forward(Outcome::Hashed, Some(backend), Part::None)
        } else {
            forward(Outcome::Repinned, Some(view.choice().choose(key)), Part::None)
        }
    }

    /// By the application's cookie, or one made in its place.
    fn by_cookie<'a>(
        &'a self,
        cookie: &Cookie,
        ttl_sec: u32,
        facts: &Facts<'_>,
        view: &'a View,
    ) -> Decision<'a> {
        let value = self.cookie.values(facts.cookies).find(|value| !value.is_empty());
        let covered = cookie.covers_everything() || cookie.covers(facts.path);
        if value.is_none() && ttl_sec > 0 && covered {
            let key = mix(facts.random);
            let chosen = self.by_hash(Some(hash(key_text(key).as_bytes())), facts, view);
            return match chosen.verdict {
                Verdict::Forward(to) => forward(Outcome::Assigned, to.backend, Part::FirstKey(key)),
                Verdict::Reject(_) => chosen,
            };
        }
        self.by_hash(value.map(hash), facts, view)
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
        self.begin(outcome, facts, view)
    }

    /// By the session in an envelope. What is no envelope of ours reaches the application as it came.
    fn by_envelope<'a>(&'a self, facts: &Facts<'_>, view: &'a View, life: Life) -> Decision<'a> {
        let Some(text) = facts.header else {
            return self.begin(Outcome::Assigned, facts, view);
        };
        let opened = self.tokens.as_ref().and_then(|tokens| tokens.read_envelope(text));
        let Some((session, value)) = opened else {
            return self.begin(Outcome::Invalid, facts, view);
        };
        let mut decision = match life.standing(&session, facts.now) {
            Standing::FromTheFuture => return self.begin(Outcome::Invalid, facts, view),
            Standing::Expired => self.begin(Outcome::Expired, facts, view),
            standing => self.resume(session, standing, facts.now, view),
        };
        if let Verdict::Forward(to) = &mut decision.verdict {
            to.unwrapped = Some(value);
        }
        decision
    }

    /// A new session.
    fn begin<'a>(&'a self, outcome: Outcome, facts: &Facts<'_>, view: &'a View) -> Decision<'a> {
        let backend = self.pick(facts, view);
        let id = backend.map_or(BackendId::from_bits(0), Backend::id);
        // The choice used up the high bits; this must not repeat them for every session of a backend.
        forward(outcome, backend, Part::First(Session::begin(facts.now, mix(facts.random), id)))
    }

    fn pick<'a>(&'a self, facts: &Facts<'_>, view: &'a View) -> Option<&'a Backend> {
        self.pin.has_cluster().then(|| view.choice().pick(facts.random))
    }

    /// A living session: to its backend, or where it goes in its stead.
    #[inline]
    fn resume<'a>(
        &'a self,
        session: Session,
        standing: Standing,
        now: Millis,
        view: &'a View,
    ) -> Decision<'a> {
        let backend = self.backends.get(session.backend).filter(|known| view.is_available(known.id()));
        if backend.is_some() || !self.pin.has_cluster() {
            let part = match standing {
                Standing::Renewable => Part::Changed(session.used_at(now)),
                _ => Part::Known(session),
            };
            let endpoint = session.endpoint.filter(|_| self.pin.has_endpoint());
            let verdict = Verdict::Forward(Forward { backend, endpoint, part, unwrapped: None });
            return Decision { outcome: Outcome::Pinned, verdict };
        }
        match self.on_unavailable {
            OnUnavailable::Reject(status) => {
                Decision { outcome: Outcome::Rejected, verdict: Verdict::Reject(status) }
            }
            OnUnavailable::Repin => {
                // The seed and the lost backend decide alone, so that all requests of the session meet again.
                let key = mix(session.seed ^ lost(session.backend));
                let backend = view.choice().choose(key);
                let moved = Session { backend: backend.id(), endpoint: None, ..session.used_at(now) };
                forward(Outcome::Repinned, Some(backend), Part::Changed(moved))
            }
        }
    }
}

/// The text of a key that the filter makes.
#[must_use]
pub fn key_text(key: u64) -> String {
    format!("{key:016x}")
}

/// What a lost backend adds to the key of the next choice: sessions that moved once must not move together
/// again.
const fn lost(backend: BackendId) -> u64 {
    mix(backend.to_bits())
}

const fn forward(outcome: Outcome, backend: Option<&Backend>, part: Part) -> Decision<'_> {
    Decision {
        outcome,
        verdict: Verdict::Forward(Forward { backend, endpoint: None, part, unwrapped: None }),
    }
}
