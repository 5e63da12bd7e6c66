//! The decision on one request.

use std::net::SocketAddr;
use std::rc::Rc;

use super::{Outcome, Service, SessionUpdate};
use crate::balance::client_address::{self, PrefixLengths};
use crate::balance::hash::{hash, mix};
use crate::balance::{Backend, BackendId};
use crate::config::{Affinity, Cookie, Fallback, OnUnavailable};
use crate::headers::{cookie, query};
use crate::health::Availability;
use crate::session::{Lifetime, Millis, Session, SessionState};

/// Maximum tokens examined per request, so that a client cannot make us decrypt thousands.
const MAX_EXAMINED: usize = 16;

/// The inputs of a decision. Most inputs cost a host call, so each is read only if the decision depends on it.
pub(crate) trait DecisionInputs {
    /// The wall clock.
    fn now(&self) -> Millis;
    /// A number that is uniform over 64 bits, for spreading load.
    fn random(&self) -> u64;
    /// Cryptographic randomness for a new session. `None` if the host gives none.
    fn seed(&self) -> Option<u64>;
    /// Envoy's `source.address`.
    fn client_address(&self) -> Option<Vec<u8>>;
    /// `:path`, with the query.
    fn path(&self) -> Vec<u8>;
    /// Whether the request came over https.
    fn is_https(&self) -> bool;
    /// Whether the request is a CORS preflight. Browsers send no cookies with a preflight and store none.
    fn is_cors_preflight(&self) -> bool;
    /// A header. Several lines are joined by commas. `None` if the header is missing or empty.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
    /// The first `Cookie` line.
    fn first_cookie_line(&self) -> Option<Vec<u8>>;
    /// All other `Cookie` lines. Nearly always there are none.
    fn further_cookie_lines(&self) -> Vec<Vec<u8>>;
    /// All `Cookie` lines.
    fn cookie_lines(&self) -> Vec<Vec<u8>>;
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The outcome that is counted.
    pub(crate) outcome: Outcome,
    /// Where the request goes.
    pub(crate) routing: Routing,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// The request is forwarded.
    Forward(Forward),
    /// The request is answered with this status.
    Reject(u32),
}

/// How a request is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forward {
    /// The backend. `None` if the route itself names the cluster.
    pub(crate) backend: Option<Rc<Backend>>,
    /// The endpoint, if the session has one.
    pub(crate) endpoint: Option<SocketAddr>,
    /// The session of the request, and whether the client needs a new token.
    pub(crate) session: SessionUpdate,
    /// The envelope in the request. The application receives the envelope's value.
    pub(crate) envelope: Option<Envelope>,
    /// The `Cookie` header with opened envelopes that the application receives. `None` if the header stays unchanged.
    pub(crate) cookies: Option<Vec<u8>>,
}

/// A valid envelope: the text that the client sent, and the application's value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The text that the client sent.
    pub(crate) text: Vec<u8>,
    /// The application's value.
    pub(crate) value: Vec<u8>,
}

/// Decides where a request goes.
pub(crate) fn decide(
    service: &Service,
    availability: &Availability,
    inputs: &impl DecisionInputs,
) -> Decision {
    Decider { service, availability, inputs }.decide()
}

struct Decider<'a, I> {
    service: &'a Service,
    availability: &'a Availability,
    inputs: &'a I,
}

impl<I: DecisionInputs> Decider<'_, I> {
    fn decide(&self) -> Decision {
        match &self.service.affinity {
            Affinity::None => self.by_weight(),
            Affinity::ClientIp(prefixes) => self.by_hash(self.client_key(*prefixes)),
            Affinity::HeaderField { name } => self.by_hash(self.inputs.header(name).as_deref().map(hash)),
            Affinity::QueryParameter { name } => {
                self.by_hash(query::parameter(&self.inputs.path(), name).as_deref().map(hash))
            }
            Affinity::HttpCookie { cookie, ttl_sec } => self.by_cookie_value(cookie, *ttl_sec),
            Affinity::GeneratedCookie { cookie, lifetime } => {
                if self.is_within(cookie) {
                    self.by_cookie_token(cookie, *lifetime)
                } else {
                    self.by_weight()
                }
            }
            Affinity::GeneratedHeader { name, lifetime } => self.by_header_token(name, *lifetime),
            Affinity::HeaderEnvelope { name, lifetime } => self.by_envelope(name, *lifetime),
            Affinity::CookieEnvelope { name } => self.by_cookie_envelope(name),
        }
    }

    /// Chooses the backend by weight, without affinity.
    fn by_weight(&self) -> Decision {
        forward(Outcome::None, self.any_backend(), SessionUpdate::None)
    }

    /// The hash of the client's address. `None` if the client has no IP address.
    fn client_key(&self, prefixes: PrefixLengths) -> Option<u64> {
        client_address::hash_key(&self.inputs.client_address()?, prefixes)
    }

    /// Chooses the backend by consistent hash among all backends. If that backend is unavailable, chooses among the
    /// available backends. Without a key, `fallback` decides.
    fn by_hash(&self, key: Option<u64>) -> Decision {
        let Some(key) = key else {
            return forward(Outcome::None, self.new_backend(), SessionUpdate::None);
        };
        let first_choice = self.service.backends().candidates().by_hash(key);
        if let Some(backend) = first_choice.filter(|backend| !self.availability.is_unavailable(backend.id()))
        {
            return forward(Outcome::Hashed, Some(backend), SessionUpdate::None);
        }
        // In panic mode, the choice is usually the first choice again.
        let choice = self.availability.candidates().by_hash(key);
        let outcome = if choice == first_choice { Outcome::Hashed } else { Outcome::Repinned };
        forward(outcome, choice, SessionUpdate::None)
    }

    /// Chooses the backend by the value of the application's cookie. If the cookie is missing and there is a TTL, the
    /// filter makes the cookie.
    fn by_cookie_value(&self, cookie: &Cookie, ttl_sec: u32) -> Decision {
        let first_line = self.inputs.first_cookie_line();
        let hash_in =
            |line: &[u8]| cookie::values(line, &cookie.name).find(|value| !value.is_empty()).map(hash);
        let mut key = first_line.as_deref().and_then(hash_in);
        if key.is_none() && first_line.is_some() {
            key = self.inputs.further_cookie_lines().iter().find_map(|line| hash_in(line));
        }
        if key.is_some() || ttl_sec == 0 || !self.is_within(cookie) {
            return self.by_hash(key);
        }
        // With `fallback: CLIENT_IP`, simultaneous first requests of one client get the same key.
        let made = format!("{:016x}", mix(self.fallback_key().unwrap_or_else(|| self.inputs.random())));
        let mut decision = self.by_hash(Some(hash(made.as_bytes())));
        if self.inputs.is_cors_preflight() {
            decision.outcome = Outcome::None;
            return decision;
        }
        decision.outcome = Outcome::Assigned;
        if let Routing::Forward(forward) = &mut decision.routing {
            forward.session = SessionUpdate::NewKey { key: made, https: self.is_https() };
        }
        decision
    }

    fn by_cookie_token(&self, cookie: &Cookie, lifetime: Lifetime) -> Decision {
        let mut found = FoundSessions::default();
        let first_line = self.inputs.first_cookie_line();
        if let Some(line) = &first_line {
            self.examine(cookie::values(line, &cookie.name), lifetime, &mut found);
            if found.available.is_none() {
                for line in self.inputs.further_cookie_lines() {
                    self.examine(cookie::values(&line, &cookie.name), lifetime, &mut found);
                }
            }
        }
        self.by_session(&found)
    }

    fn by_header_token(&self, name: &str, lifetime: Lifetime) -> Decision {
        let mut found = FoundSessions::default();
        if let Some(header) = self.inputs.header(name) {
            let tokens = header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.examine(tokens, lifetime, &mut found);
        }
        self.by_session(&found)
    }

    /// Looks for living sessions, up to the first whose backend is available.
    fn examine<'t>(
        &self,
        tokens: impl Iterator<Item = &'t [u8]>,
        lifetime: Lifetime,
        found: &mut FoundSessions,
    ) {
        let Some(codec) = &self.service.tokens else {
            return;
        };
        for token in tokens {
            if found.available.is_some() {
                return;
            }
            if !codec.may_be_token(token) || found.examined >= MAX_EXAMINED {
                found.invalid = true;
                continue;
            }
            found.examined = found.examined.saturating_add(1);
            let Some(session) = codec.read(token) else {
                found.invalid = true;
                continue;
            };
            match lifetime.state(&session, self.inputs.now()) {
                SessionState::InTheFuture => found.invalid = true,
                SessionState::Expired => found.expired = true,
                state @ (SessionState::Live | SessionState::Renewable) => {
                    if self.may_stay(&session) {
                        found.available = Some((session, state));
                    }
                    found.living.get_or_insert(session);
                }
            }
        }
    }

    /// Uses the first living session whose backend is available, else the first living session, else a new session.
    fn by_session(&self, found: &FoundSessions) -> Decision {
        if let Some((session, state)) = found.available {
            self.keep_backend(session, state)
        } else if let Some(session) = found.living {
            self.leave_backend(session)
        } else if found.expired {
            self.begin_session(Outcome::Expired)
        } else if found.invalid {
            self.begin_session(Outcome::Invalid)
        } else {
            self.begin_session(Outcome::Assigned)
        }
    }

    /// Uses the session in an envelope. A value that is not an envelope of this filter reaches the application
    /// unchanged.
    fn by_envelope(&self, name: &str, lifetime: Lifetime) -> Decision {
        let Some(text) = self.inputs.header(name) else {
            return self.begin_session(Outcome::Assigned);
        };
        let opened = self.service.tokens.as_ref().and_then(|codec| codec.read_envelope(&text));
        let Some((session, value)) = opened else {
            return self.begin_session(Outcome::Invalid);
        };
        let mut decision = match lifetime.state(&session, self.inputs.now()) {
            SessionState::InTheFuture => return self.begin_session(Outcome::Invalid),
            SessionState::Expired => self.begin_session(Outcome::Expired),
            state @ (SessionState::Live | SessionState::Renewable) => self.continue_session(session, state),
        };
        if let Routing::Forward(forward) = &mut decision.routing {
            forward.envelope = Some(Envelope { text, value });
        }
        decision
    }

    /// Uses the session in the application's own cookie. A value that is not an envelope reaches the application
    /// unchanged. Its hash chooses the backend, so that such a client stays on one backend.
    fn by_cookie_envelope(&self, name: &str) -> Decision {
        let lines = self.inputs.cookie_lines();
        let values =
            || lines.iter().flat_map(|line| cookie::values(line, name)).filter(|value| !value.is_empty());
        let opened: Vec<_> = self.opened(values()).collect();
        let found = opened.iter().find(|(_, session, _)| self.may_stay(session)).or(opened.first());
        let mut decision = match (found, values().next()) {
            (Some((_, session, _)), _) => self.continue_session(*session, SessionState::Live),
            (None, Some(text)) => Decision { outcome: Outcome::Invalid, ..self.by_hash(Some(hash(text))) },
            (None, None) => self.by_hash(None),
        };
        if let (Routing::Forward(forward), Some((text, _, value))) = (&mut decision.routing, found) {
            forward.envelope = Some(Envelope { text: text.to_vec(), value: value.clone() });
            forward.cookies = cookie::replaced(&lines, name, |text| {
                opened.iter().find(|(other, ..)| *other == text).map(|(_, _, value)| value.clone())
            });
        }
        decision
    }

    /// The valid envelopes among these texts: the text, the session, and the application's value.
    fn opened<'t>(
        &self,
        texts: impl Iterator<Item = &'t [u8]>,
    ) -> impl Iterator<Item = (&'t [u8], Session, Vec<u8>)> {
        let codec = self.service.tokens.as_ref();
        let candidates = texts.filter(move |text| codec.is_some_and(|codec| codec.may_be_envelope(text)));
        candidates.take(MAX_EXAMINED).filter_map(move |text| {
            let (session, value) = codec?.read_envelope(text)?;
            self.has_begun(&session).then_some((text, session, value))
        })
    }

    /// Whether the session has begun. The clock that set the start may be a little ahead of ours.
    fn has_begun(&self, session: &Session) -> bool {
        Lifetime::default().state(session, self.inputs.now()) != SessionState::InTheFuture
    }

    /// Forwards a living session to its backend, or to the backend that replaces it.
    fn continue_session(&self, session: Session, state: SessionState) -> Decision {
        if self.may_stay(&session) { self.keep_backend(session, state) } else { self.leave_backend(session) }
    }

    /// Whether the session stays where it is: its backend takes requests, or the service pins only endpoints.
    fn may_stay(&self, session: &Session) -> bool {
        !self.service.pin.has_cluster() || self.available_backend(session).is_some()
    }

    /// Forwards to the session's backend, which takes requests.
    fn keep_backend(&self, session: Session, state: SessionState) -> Decision {
        let backend = self.available_backend(&session).map(Rc::clone);
        let endpoint = session.endpoint.filter(|_| self.service.pin.has_endpoint());
        let session = match state {
            SessionState::Renewable => SessionUpdate::Changed(session.used_at(self.inputs.now())),
            _ => SessionUpdate::Unchanged(session),
        };
        let forward = Forward { backend, endpoint, session, ..Forward::default() };
        Decision { outcome: Outcome::Pinned, routing: Routing::Forward(forward) }
    }

    /// Moves or rejects a session whose backend is gone or unavailable.
    fn leave_backend(&self, session: Session) -> Decision {
        match self.service.on_unavailable {
            OnUnavailable::Reject(status) => {
                Decision { outcome: Outcome::Rejected, routing: Routing::Reject(status) }
            }
            OnUnavailable::Repin => {
                // Only the seed and the lost backend decide. So all requests of the session move to the same backend,
                // and sessions that moved together once do not stay together at the next move.
                let key = mix(session.seed ^ mix(session.backend.to_bits()));
                let backend = self.availability.candidates().by_hash(key);
                let id = backend.map_or(session.backend, |backend| backend.id());
                let moved = session.used_at(self.inputs.now()).moved_to(id);
                forward(Outcome::Repinned, backend, SessionUpdate::Changed(moved))
            }
        }
    }

    /// Begins a new session. A CORS preflight of a new client begins no session. Without randomness, no session begins.
    fn begin_session(&self, outcome: Outcome) -> Decision {
        let is_new_client = outcome == Outcome::Assigned;
        if is_new_client && self.inputs.is_cors_preflight() {
            return forward(Outcome::None, self.new_backend(), SessionUpdate::None);
        }
        let Some(seed) = self.inputs.seed() else {
            return self.by_weight();
        };
        let backend = self.new_backend();
        let id = backend.map_or(BackendId::from_bits(0), |backend| backend.id());
        let session = Session::new(self.inputs.now(), seed, id, self.is_https());
        forward(outcome, backend, SessionUpdate::New(session))
    }

    /// A backend for a new session, according to `fallback`. `None` if the service pins only endpoints.
    fn new_backend(&self) -> Option<&Rc<Backend>> {
        match self.fallback_key() {
            Some(key) => self.availability.candidates().by_hash(key),
            None => self.any_backend(),
        }
    }

    /// The hash of the client's address, with `fallback: CLIENT_IP`.
    fn fallback_key(&self) -> Option<u64> {
        match self.service.fallback {
            Fallback::Weight => None,
            Fallback::ClientIp(prefixes) => self.client_key(prefixes),
        }
    }

    /// A backend by weight. `None` if the service pins only endpoints.
    fn any_backend(&self) -> Option<&Rc<Backend>> {
        if self.service.pin.has_cluster() {
            self.availability.candidates().by_weight(self.inputs.random())
        } else {
            None
        }
    }

    /// The session's backend, if it takes requests.
    fn available_backend(&self, session: &Session) -> Option<&Rc<Backend>> {
        let backend = self.service.backends().get(session.backend);
        backend.filter(|backend| self.availability.takes_requests(backend.id()))
    }

    fn is_within(&self, cookie: &Cookie) -> bool {
        cookie.covers_every_path() || cookie.covers(&self.inputs.path())
    }

    /// Whether the request came over https. Asked only if the cookie depends on it.
    fn is_https(&self) -> bool {
        let cookie = self.service.affinity.generated_cookie();
        cookie.is_some_and(Cookie::depends_on_scheme) && self.inputs.is_https()
    }
}

/// The sessions in the tokens of a request.
#[derive(Default)]
struct FoundSessions {
    examined: usize,
    /// The first living session whose backend is available.
    available: Option<(Session, SessionState)>,
    /// The first living session.
    living: Option<Session>,
    expired: bool,
    invalid: bool,
}

fn forward(outcome: Outcome, backend: Option<&Rc<Backend>>, session: SessionUpdate) -> Decision {
    let forward = Forward { backend: backend.map(Rc::clone), session, ..Forward::default() };
    Decision { outcome, routing: Routing::Forward(forward) }
}

#[cfg(test)]
mod tests;
