//! The response: what it says about the backend, whether the session moves, and what the client receives.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::host::{self, Bytes, Headers};
use super::stream::RequestState;
use super::upstream;
use super::warnings::Warnings;
use super::worker::Worker;
use crate::balance::{Backend, BackendId};
use crate::config::{Affinity, OnUnavailable, Pin};
use crate::headers::cookie_envelope::{WrappedCookies, sets_session, wrap_cookies};
use crate::headers::set_token::{TokenHeaders, set_token};
use crate::headers::{HeaderMutation, endpoint};
use crate::health::classify::of_timeout;
use crate::health::{Observation, ResponseClass};
use crate::routing::{Outcome, Service, SessionUpdate, TokenInputs, envelope, token_update};
use crate::session::token::NONCE_LEN;
use crate::session::{Millis, Session};

/// The status of `stateful_session` when it refuses to use another endpoint (`strict: true`).
const STRICT_STATUS: u32 = 503;

/// Handles the response to a request of a service.
pub(super) fn handle(worker: &Worker, request: RequestState) {
    Response { worker, request, headers: OnceCell::new() }.handle();
}

/// Handles any other response: removes the endpoint header, which `stateful_session` may set on every route.
pub(super) fn remove_endpoint(worker: &Worker) {
    if let Some(name) = &worker.endpoint_header {
        host::remove_header(Headers::Response, name);
    }
}

/// A response and its request.
struct Response<'w> {
    worker: &'w Worker,
    request: RequestState,
    headers: OnceCell<Vec<(String, Bytes)>>,
}

impl Response<'_> {
    fn handle(mut self) {
        let decided = self.request.outcome;
        let endpoint = self.take_endpoint();
        let value = self.application_value();
        let sets_session = self.application_sets_session();
        if sets_session {
            self.begin_enveloped_session();
        }
        let needs_token = self.request.session.needs_token() || value.is_some() || sets_session;
        let is_strict = self.strict_status().is_some();
        let class = self.observe(needs_token || endpoint.is_some() || is_strict);
        let is_answered = class == Some(ResponseClass::Answered);
        if is_answered && self.service().pin.has_endpoint() {
            self.follow_endpoint(endpoint);
        }
        self.apply_strict_status(class);
        if self.request.outcome != decided {
            self.worker.log_outcome(self.request.outcome);
        }
        self.count();
        if is_answered {
            match &self.service().affinity {
                Affinity::CookieEnvelope { name } if sets_session => self.wrap_cookies(name),
                Affinity::CookieEnvelope { .. } => {}
                _ => self.set_token(value.as_deref()),
            }
        }
        if self.warnings().should_check_route() {
            self.is_route_changed();
        }
    }

    fn service(&self) -> &Service {
        &self.request.active.service
    }

    fn warnings(&self) -> &Warnings {
        &self.request.active.warnings
    }

    /// All headers of the response.
    fn headers(&self) -> &[(String, Bytes)] {
        self.headers.get_or_init(|| host::headers(Headers::Response))
    }

    // What the response says about backends.

    /// Examines the response if necessary, and reports what the response says about the backend. It is necessary if the
    /// class is needed anyway, if the backend failed recently, or if the sampler selects the response.
    fn observe(&mut self, is_class_needed: bool) -> Option<ResponseClass> {
        let Some(backend) = self.request.backend.clone() else {
            return is_class_needed.then(upstream::class_by_details);
        };
        let answering = if self.service().failover { self.answering_backend() } else { None };
        let elsewhere = answering.filter(|answering| answering.id() != backend.id());
        if !is_class_needed && elsewhere.is_none() && !self.should_examine(backend.id()) {
            return None;
        }
        let class = upstream::class_by_details();
        match elsewhere {
            Some(other) if class == ResponseClass::Answered => {
                let answer = upstream::class_of_answer();
                if answer == ResponseClass::Answered {
                    self.follow_backend(other.id());
                }
                self.report(backend.id(), ResponseClass::AnsweredElsewhere);
                self.report(other.id(), answer);
            }
            _ => self.report(backend.id(), self.class_for_detection(class)),
        }
        Some(class)
    }

    fn should_examine(&self, backend: BackendId) -> bool {
        let active = &self.request.active;
        active.service.health.outlier_detection().is_on()
            && (active.availability().is_failing(backend)
                || active.sampler.should_examine(backend, self.worker.now()))
    }

    /// The class that outlier detection counts. Inputs other than the details cost host calls, so they are read only if
    /// gateway errors count.
    fn class_for_detection(&self, class: ResponseClass) -> ResponseClass {
        let counts_gateway_errors = self.service().health.outlier_detection().counts_gateway_errors();
        match class {
            ResponseClass::NotConnected if self.concerns_one_endpoint() => ResponseClass::Nothing,
            ResponseClass::NotConnected | ResponseClass::NoHost if self.strict_status().is_some() => {
                ResponseClass::Nothing
            }
            ResponseClass::TimedOut if counts_gateway_errors => of_timeout(upstream::was_sent()),
            ResponseClass::Answered if counts_gateway_errors => upstream::class_of_answer(),
            class => class,
        }
    }

    /// Whether a failed connection says nothing about the backend's other endpoints: the request named the session's
    /// endpoint, and Envoy tried no other endpoint.
    fn concerns_one_endpoint(&self) -> bool {
        self.service().pin.has_endpoint()
            && self.request.session.has_endpoint()
            && upstream::is_first_attempt()
    }

    /// The backend that the metadata of the answering endpoint names.
    fn answering_backend(&self) -> Option<Rc<Backend>> {
        self.service().backends().get(upstream::answering_backend()?).cloned()
    }

    fn report(&self, backend: BackendId, class: ResponseClass) {
        if self.service().health.outlier_detection().is_on() {
            let was_unavailable = self.request.availability.is_unavailable(backend);
            self.worker.report(&self.request.active, Observation { backend, class, was_unavailable });
        }
    }

    // Moves of the session.

    /// Moves the session to a backend that answered in place of the chosen backend. The caller makes sure that the
    /// response is not a gateway error, because a path that fails on every backend must not move sessions. The session
    /// does not move to a backend that it would have to leave at once.
    fn follow_backend(&mut self, other: BackendId) {
        let drains = self.service().backends().get(other).is_some_and(|backend| backend.drains());
        if !drains && self.request.availability.takes_requests(other) {
            let now = self.worker.now();
            if self.request.session.relocate(now, |session| session.moved_to(other)) {
                self.request.outcome = Outcome::Repinned;
            }
        }
    }

    /// Moves the session to the endpoint that answered. If the response is a gateway error, a session with an endpoint
    /// stays. Envoy names the endpoint only if it differs from the endpoint of the request.
    fn follow_endpoint(&mut self, endpoint: Option<SocketAddr>) {
        let Some(endpoint) = endpoint else {
            return;
        };
        let known = self.request.session.session().and_then(|session| session.endpoint);
        if known == Some(endpoint)
            || (known.is_some() && upstream::class_of_answer() == ResponseClass::GatewayError)
        {
            return;
        }
        let relocate = |session| Session { endpoint: Some(endpoint), ..session };
        let has_moved = self.request.session.relocate(self.worker.now(), relocate);
        // A session without an endpoint did not move, it got its first endpoint.
        if has_moved && known.is_some() {
            self.request.outcome = Outcome::Repinned;
            if matches!(self.service().on_unavailable, OnUnavailable::Reject(_)) {
                self.warnings().left_endpoint();
            }
        }
    }

    /// Removes the endpoint header, because the client must not see it, and returns its endpoint. An application can
    /// send this header too. So the endpoint counts only if Envoy reports that this endpoint answered.
    fn take_endpoint(&self) -> Option<SocketAddr> {
        if !self.service().pin.has_endpoint() {
            remove_endpoint(self.worker);
            return None;
        }
        let name = self.worker.endpoint_header.as_ref()?;
        let value = host::header(Headers::Response, name)?;
        host::remove_header(Headers::Response, name);
        let named = endpoint::from_header(&value)?;
        (upstream::answering_endpoint() == Some(named)).then_some(named)
    }

    /// The status for a request whose session must not leave its endpoint. `None` if the session may move.
    fn strict_status(&self) -> Option<u32> {
        let OnUnavailable::Reject(status) = self.service().on_unavailable else {
            return None;
        };
        (self.service().pin.has_endpoint() && self.request.session.has_endpoint()).then_some(status)
    }

    /// If `stateful_session` with `strict` refused to use another endpoint, the outcome is a rejection with the status
    /// of the configuration. A gRPC response keeps `:status` 200 and Envoy's `grpc-status`.
    fn apply_strict_status(&mut self, class: Option<ResponseClass>) {
        let is_refusal = matches!(class, Some(ResponseClass::NotConnected | ResponseClass::NoHost));
        let Some(status) = self.strict_status().filter(|_| is_refusal) else {
            return;
        };
        self.request.outcome = Outcome::Rejected;
        if status != STRICT_STATUS && !upstream::is_grpc() {
            host::set_header(Headers::Response, ":status", status.to_string().as_bytes());
        }
    }

    // Counters, and the headers for the client.

    fn count(&self) {
        let outcome = self.request.outcome;
        self.request.active.outcomes.count(outcome);
        if let Some(name) = &self.worker.debug_header {
            let value = format!("{}; service={}", outcome.name(), self.service().name);
            host::set_header(Headers::Response, name, value.as_bytes());
        }
    }

    /// The application's own session id, if the filter wraps it.
    fn application_value(&self) -> Option<Bytes> {
        match &self.service().affinity {
            Affinity::HeaderEnvelope { name, .. } => host::header(Headers::Response, name),
            _ => None,
        }
    }

    /// Whether the application sets its own session cookie and the filter wraps that cookie.
    fn application_sets_session(&self) -> bool {
        let Affinity::CookieEnvelope { name } = &self.service().affinity else {
            return false;
        };
        // Most responses set no cookie, and reading one header costs less than reading all.
        host::header(Headers::Response, "set-cookie").is_some()
            && sets_session(name, self.headers(), self.worker.now())
    }

    /// Begins a session on the backend that set the application's own session cookie, if the request had no session.
    fn begin_enveloped_session(&mut self) {
        let backend = self.request.backend.as_deref().map(Backend::id);
        let has_destination = backend.is_some() || !self.service().pin.has_cluster();
        if self.request.session != SessionUpdate::None || !has_destination {
            return;
        }
        if let Some(seed) = self.seed() {
            let backend = backend.unwrap_or(BackendId::from_bits(0));
            let session = Session::new(self.worker.now(), seed, backend, false);
            self.request.session = SessionUpdate::New(session);
        }
    }

    /// Wraps the application's own session cookies.
    fn wrap_cookies(&self, name: &str) {
        let RequestState { session, envelope: sent, .. } = &self.request;
        let WrappedCookies { mutations, is_too_long } =
            wrap_cookies(name, self.headers(), self.worker.now(), |value| {
                envelope(self.service(), session, sent.as_ref(), value, self)
            });
        if is_too_long {
            self.warnings().long_cookie(name);
        }
        if !mutations.is_empty() && self.may_send_token() {
            mutations.iter().for_each(apply);
        }
    }

    /// Sends the client a new token, if the client needs one. `value` is the application's own value.
    fn set_token(&self, value: Option<&[u8]>) {
        let RequestState { session, envelope, .. } = &self.request;
        let Some(update) = token_update(self.service(), session, envelope.as_ref(), value, self) else {
            return;
        };
        if !self.may_send_token() {
            return;
        }
        match set_token(&self.service().affinity, update, self.headers()) {
            TokenHeaders::Ours(mutations) => mutations.iter().for_each(apply),
            TokenHeaders::Applications => {
                self.warnings().foreign_token(&self.service().affinity.carrier());
            }
        }
    }

    // Routes and filters that do not match the configuration.

    /// Whether the client may receive the token. Warns if the route, the endpoint or the cluster is not the expected
    /// one.
    fn may_send_token(&self) -> bool {
        if self.is_route_changed() || self.lacks_endpoint() {
            return false;
        }
        self.check_cluster();
        true
    }

    /// Whether Envoy used a different route than the filter saw, because an earlier filter had the route cache cleared.
    /// The session then belongs to the wrong service, and the client must not receive it.
    fn is_route_changed(&self) -> bool {
        let Some(seen) = &self.request.route else {
            return false;
        };
        let taken = upstream::route_name();
        let is_changed = taken != *seen;
        if is_changed {
            self.warnings().other_route(seen, &taken);
        }
        is_changed
    }

    /// Warns if the request did not go to the cluster that the filter chose, because affinity does not work then.
    fn check_cluster(&self) {
        let (SessionUpdate::New(_), Some(backend)) = (&self.request.session, &self.request.backend) else {
            return;
        };
        if !self.warnings().should_check_cluster() {
            return;
        }
        let taken = upstream::cluster_name();
        if taken != backend.cluster().as_bytes() {
            self.warnings().other_cluster(&taken, backend.cluster(), &self.worker.cluster_header);
        }
    }

    /// Whether the session needs an endpoint and has none. Warns if so.
    fn lacks_endpoint(&self) -> bool {
        let pin = self.service().pin;
        let session = &self.request.session;
        if !pin.has_endpoint() || session.session().is_none() || session.has_endpoint() {
            return false;
        }
        self.warnings().no_endpoint(self.worker.endpoint_header.as_deref().unwrap_or_default());
        pin == Pin::Endpoint && !self.service().affinity.is_envelope()
    }
}

impl TokenInputs for Response<'_> {
    fn now(&self) -> Millis {
        self.worker.now()
    }

    fn nonce(&self) -> Option<[u8; NONCE_LEN]> {
        self.worker.random().secret()
    }

    fn seed(&self) -> Option<u64> {
        self.worker.random().secret().map(u64::from_ne_bytes)
    }
}

fn apply(mutation: &HeaderMutation) {
    match mutation {
        HeaderMutation::Add(name, value) => host::add_header(Headers::Response, name, value),
        HeaderMutation::Set(name, value) => host::set_header(Headers::Response, name, value),
        HeaderMutation::Remove(name) => host::remove_header(Headers::Response, name),
    }
}
