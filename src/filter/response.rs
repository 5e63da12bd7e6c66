//! The response: what it says of the backend and the endpoint, and what becomes of the session and the count.

use std::cell::OnceCell;
use std::net::SocketAddr;

use super::Served;
use crate::affinity::Part;
use crate::backends::BackendId;
use crate::config::{Affinity, OnUnavailable};
use crate::endpoint;
use crate::evidence::Evidence;
use crate::host::{self, Bytes, HeaderPairs, Headers};
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::service::Service;
use crate::session::Session;

/// What `stateful_session` answers with.
const STRICT_STATUS: u32 = 503;

/// The response of one request, and what was asked of Envoy about it so far.
pub struct Response<'p> {
    pub plugin: &'p Plugin,
    pub service: &'p Service,
    /// How many headers it has.
    pub count: usize,
    headers: OnceCell<HeaderPairs>,
}

/// Whether there is anything to do about the response to a request that went to this backend.
pub fn matters(plugin: &Plugin, service: &Service, backend: Option<BackendId>, part: &Part) -> bool {
    let learns = backend.is_some() && service.outlier_detection.is_on();
    let wraps = matches!(service.affinity, Affinity::HeaderEnvelope { .. });
    learns || wraps || part.is_news() || plugin.debug_header.is_some() || plugin.endpoint_header.is_some()
}

/// Learns from the response, which has so many headers, counts the request and tells the client what there is to tell.
pub fn answer(plugin: &Plugin, service: &Service, mut served: Served, count: usize) {
    let response = Response { plugin, service, count, headers: OnceCell::new() };
    let endpoint = response.endpoint_named();
    let value = response.value_named();
    let news = served.nonce.is_some() || value.is_some() || matches!(served.part, Part::FirstKey(_));
    let evidence = response.learn(&mut served, news || endpoint.is_some());
    let answered = evidence == Some(Evidence::Answered);
    if answered && service.pin.has_endpoint() {
        response.follow_endpoint(&mut served, endpoint);
    }
    if let Some(status) = response.rejected_by_envoy(&served, evidence) {
        served.outcome = Outcome::Rejected;
        if status != STRICT_STATUS {
            host::set_header(Headers::Response, ":status", status.to_string().as_bytes());
        }
    }
    plugin.count(served.service, served.outcome);
    if let Some(name) = &plugin.debug_header {
        let debug = format!("{}; service={}", served.outcome.name(), service.name);
        host::set_header(Headers::Response, name, debug.as_bytes());
    }
    if answered {
        response.announce(&served, value);
    }
}

/// `stateful_session` names endpoints on every route, whether or not it belongs to a service that pins them.
pub fn hide_endpoint(plugin: &Plugin) {
    if let Some(name) = &plugin.endpoint_header {
        host::remove_header(Headers::Response, name);
    }
}

impl Response<'_> {
    /// All of its headers.
    pub fn headers(&self) -> &HeaderPairs {
        self.headers.get_or_init(|| host::headers(Headers::Response))
    }

    /// The value of its `:status`.
    pub fn status(&self) -> Vec<u8> {
        match self.headers.get() {
            Some(headers) => {
                let status = headers.iter().find(|(name, _)| *name == b":status");
                status.map(|(_, value)| value.to_vec()).unwrap_or_default()
            }
            None => host::header(Headers::Response, ":status").unwrap_or_default().to_vec(),
        }
    }

    /// What `stateful_session` says of the endpoint that answered: nothing where it is the one that was asked for. The
    /// client must not see it. An application may send such a header too: it counts only if Envoy says the same.
    fn endpoint_named(&self) -> Option<SocketAddr> {
        if !self.service.pin.has_endpoint() {
            hide_endpoint(self.plugin);
            return None;
        }
        let name = self.plugin.endpoint_header.as_ref()?;
        let value = host::header(Headers::Response, name)?;
        host::remove_header(Headers::Response, name);
        let named = endpoint::from_header(&value)?;
        let answered = host::property("upstream\0address")?;
        (endpoint::from_text(&answered) == Some(named)).then_some(named)
    }

    /// The application's own name for the session, where one is to be wrapped.
    fn value_named(&self) -> Option<Bytes> {
        match &self.service.affinity {
            Affinity::HeaderEnvelope { name, .. } => host::header(Headers::Response, name),
            _ => None,
        }
    }

    /// The session goes to the endpoint that answered.
    fn follow_endpoint(&self, served: &mut Served, endpoint: Option<SocketAddr>) {
        let Some(endpoint) = endpoint else {
            return;
        };
        let known = served.part.session().and_then(|session| session.endpoint);
        if known == Some(endpoint) {
            return;
        }
        let outcome = served.outcome;
        self.move_session(served, |session| Session { endpoint: Some(endpoint), ..session });
        if known.is_none() {
            // It had no endpoint to move from.
            served.outcome = outcome;
        } else if matches!(self.service.on_unavailable, OnUnavailable::Reject(_)) {
            self.warn_of_strict(served.service);
        }
    }

    /// Changes where the session goes, which the client must be told.
    pub fn move_session(&self, served: &mut Served, change: impl FnOnce(Session) -> Session) {
        served.part = match served.part {
            Part::None | Part::FirstKey(_) => return,
            Part::First(session) => Part::First(change(session)),
            Part::Known(session) | Part::Changed(session) => {
                served.outcome = Outcome::Repinned;
                Part::Changed(change(session.used_at(self.plugin.now())))
            }
        };
        served.nonce = served.nonce.or_else(|| self.plugin.nonce());
    }

    /// The status for `stateful_session`'s refusal, with `strict`, to go to another endpoint than the session's; `None`
    /// where this is none.
    pub fn rejected_by_envoy(&self, served: &Served, evidence: Option<Evidence>) -> Option<u32> {
        let status = self.status_of_strict(served)?;
        matches!(evidence, Some(Evidence::NotConnected | Evidence::NoHost)).then_some(status)
    }

    /// The status to answer with, where the request named an endpoint that its session must not leave.
    pub fn status_of_strict(&self, served: &Served) -> Option<u32> {
        let OnUnavailable::Reject(status) = self.service.on_unavailable else {
            return None;
        };
        let had_endpoint = served.part.session().is_some_and(|session| session.endpoint.is_some());
        (self.service.pin.has_endpoint() && had_endpoint).then_some(status)
    }
}
