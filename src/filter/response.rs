//! The response: what it says of the backend, and what the client is told.

use std::net::SocketAddr;

use super::Served;
use crate::affinity::Part;
use crate::announcement::{HeaderEdit, News};
use crate::backends::{Backend, BackendId};
use crate::config::{Affinity, OnUnavailable, Pin};
use crate::endpoint;
use crate::evidence::{self, Evidence};
use crate::health::Testimony;
use crate::host::{self, Headers};
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::service::Service;
use crate::session::Session;
use crate::token::MAX_VALUE_LEN;
use crate::watch::Look;

/// What `stateful_session` answers with.
const STRICT_STATUS: u32 = 503;

/// Envoy's own replies have at most so many headers where nobody adds any: status, length, type, and one more for
/// an overload. An application's have more as a rule, Envoy's `x-envoy-upstream-service-time` among them.
const FEW_HEADERS: usize = 4;

/// Learns from the response, which has so many headers, counts the request and tells the client what there is to tell.
pub fn answer(plugin: &Plugin, service: &Service, mut served: Served, headers: usize) {
    let endpoint = endpoint_named(plugin, service);
    let value = value_named(service);
    let matters = served.nonce.is_some()
        || endpoint.is_some()
        || value.is_some()
        || matches!(served.part, Part::FirstKey(_))
        || named_endpoint_to_stay_on(service, &served).is_some();
    let evidence = learn(plugin, service, &mut served, matters, headers);
    let answered = evidence == Some(Evidence::Answered);
    if answered && service.pin.has_endpoint() {
        follow_endpoint(plugin, &mut served, endpoint);
    }
    if let Some(status) = rejected_by_envoy(service, &served, evidence) {
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
        announce(plugin, service, &served, value);
    }
}

/// What `stateful_session` says of the endpoint that answered: nothing where it is the one that was asked for. The
/// client must not see it.
fn endpoint_named(plugin: &Plugin, service: &Service) -> Option<SocketAddr> {
    if !service.pin.has_endpoint() {
        hide_endpoint(plugin);
        return None;
    }
    let name = plugin.endpoint_header.as_ref()?;
    let value = host::header(Headers::Response, name)?;
    host::remove_header(Headers::Response, name);
    endpoint::from_header(&value)
}

/// `stateful_session` names endpoints on every route, whether or not it belongs to a service that pins them.
pub fn hide_endpoint(plugin: &Plugin) {
    if let Some(name) = &plugin.endpoint_header {
        host::remove_header(Headers::Response, name);
    }
}

/// The application's own name for the session, where one is to be wrapped.
fn value_named(service: &Service) -> Option<Vec<u8>> {
    match &service.affinity {
        Affinity::HeaderEnvelope { name, .. } => host::header(Headers::Response, name),
        _ => None,
    }
}

/// Learns what a response says of its backend, and follows the session to where it was answered. Returns how the
/// response came to be, if that matters to anyone.
fn learn(
    plugin: &Plugin,
    service: &Service,
    served: &mut Served,
    matters: bool,
    headers: usize,
) -> Option<Evidence> {
    let watched = served.backend.filter(|_| service.outlier_detection.is_on());
    let Some(backend) = watched else {
        return matters.then(evidence_of_details);
    };
    let suspect = plugin.watch.view(served.service).is_some_and(|view| view.is_suspect(backend));
    let look = if matters || suspect { Look::Both } else { plugin.watch.look(served.service, backend) };
    let mut evidence = if look == Look::Answerer { Evidence::Answered } else { evidence_of_details() };
    let answerer =
        if evidence == Evidence::Answered && look != Look::Details { answerer(service) } else { None };
    if answerer.is_some() {
        plugin.watch.note_label(served.service, backend);
    }
    let elsewhere = answerer.filter(|answerer| *answerer != backend);
    if look == Look::Answerer && (elsewhere.is_some() || headers <= FEW_HEADERS) {
        evidence = evidence_of_details();
    }
    let mut verdict = evidence;
    if let Some(other) = elsewhere {
        if evidence == Evidence::Answered {
            follow(plugin, served, other);
            verdict = Evidence::LocalOriginFailure;
        }
    } else if evidence == Evidence::Answered && service.outlier_detection.consecutive_gateway_errors > 0 {
        let status = host::header(Headers::Response, ":status").unwrap_or_default();
        if evidence::is_gateway_error(&status) {
            verdict = Evidence::GatewayError;
        }
    }
    if rejected_by_envoy(service, served, Some(evidence)).is_some() {
        // Of the backend's other endpoints it says nothing.
        verdict = Evidence::Nothing;
    }
    testify(plugin, service, served, backend, verdict);
    if let Some(other) = elsewhere.filter(|_| evidence == Evidence::Answered) {
        testify(plugin, service, served, other, Evidence::Answered);
    }
    Some(evidence)
}

fn testify(plugin: &Plugin, service: &Service, served: &Served, backend: BackendId, evidence: Evidence) {
    plugin.testify(service, Testimony { backend, evidence, was_out: served.view.is_out(backend) });
}

/// The session goes to the backend that answered.
fn follow(plugin: &Plugin, served: &mut Served, answerer: BackendId) {
    move_session(plugin, served, |session| Session { backend: answerer, endpoint: None, ..session });
}

/// The session goes to the endpoint that answered.
fn follow_endpoint(plugin: &Plugin, served: &mut Served, endpoint: Option<SocketAddr>) {
    let Some(endpoint) = endpoint else {
        return;
    };
    let knew_one = served.part.session().is_some_and(|session| session.endpoint.is_some());
    let outcome = served.outcome;
    move_session(plugin, served, |session| Session { endpoint: Some(endpoint), ..session });
    if !knew_one {
        // It had no endpoint to move from.
        served.outcome = outcome;
    }
}

fn move_session(plugin: &Plugin, served: &mut Served, change: impl FnOnce(Session) -> Session) {
    served.part = match served.part {
        Part::None | Part::FirstKey(_) => return,
        Part::First(session) => Part::First(change(session)),
        Part::Known(session) | Part::Changed(session) => {
            served.outcome = Outcome::Repinned;
            Part::Changed(change(session.used_at(plugin.now())))
        }
    };
    served.nonce = served.nonce.or_else(host::random);
}

/// The status for `stateful_session`'s refusal, with `strict`, to go to another endpoint than the session's; `None`
/// where this is none.
fn rejected_by_envoy(service: &Service, served: &Served, evidence: Option<Evidence>) -> Option<u32> {
    let status = named_endpoint_to_stay_on(service, served)?;
    (evidence == Some(Evidence::LocalOriginFailure)).then_some(status)
}

/// The status to answer with, where the request named an endpoint that its session must not leave.
fn named_endpoint_to_stay_on(service: &Service, served: &Served) -> Option<u32> {
    let OnUnavailable::Reject(status) = service.on_unavailable else {
        return None;
    };
    let had_endpoint = served.part.session().is_some_and(|session| session.endpoint.is_some());
    (service.pin.has_endpoint() && had_endpoint).then_some(status)
}

/// Tells the client of its session, if there is something to tell.
fn announce(plugin: &Plugin, service: &Service, served: &Served, value: Option<Vec<u8>>) {
    let news = match (&service.affinity, served.part) {
        (Affinity::HeaderEnvelope { .. }, part) => {
            value.and_then(|value| envelope(plugin, service, served, part, &value))
        }
        (_, Part::FirstKey(key)) => Some(News::Key(key, served.https)),
        (_, Part::First(session) | Part::Changed(session)) => {
            served.nonce.map(|nonce| News::Session(session, nonce))
        }
        (_, Part::None | Part::Known(_)) => None,
    };
    let Some(news) = news else {
        return;
    };
    if let (Part::First(_), Some(chosen)) = (served.part, served.backend) {
        warn_of_route(plugin, service, served.service, chosen);
    }
    if service.pin.has_endpoint() && served.part.session().is_some_and(|session| session.endpoint.is_none()) {
        warn_of_endpoint(plugin, service, served.service);
        if service.pin == Pin::Endpoint && matches!(news, News::Session(..)) {
            return;
        }
    }
    let response = host::headers(Headers::Response);
    for edit in service.announce(news, plugin.now(), &response.iter()) {
        match edit {
            HeaderEdit::Add(name, value) => host::add_header(Headers::Response, name, &value),
            HeaderEdit::Set(name, value) => host::set_header(Headers::Response, name, &value),
            HeaderEdit::Remove(name) => host::remove_header(Headers::Response, name),
        }
    }
}

/// The envelope for a value of the application's: the one that came where nothing changed. `None` for a value that
/// is too long, which goes out as it is.
fn envelope(plugin: &Plugin, service: &Service, served: &Served, part: Part, value: &[u8]) -> Option<News> {
    let session = *part.session()?;
    if value.is_empty() || value.len() > MAX_VALUE_LEN {
        return None;
    }
    let came = served.envelope.as_ref().filter(|envelope| envelope.value == value);
    if let (Part::Known(_), Some(envelope)) = (part, came) {
        return String::from_utf8(envelope.text.clone()).ok().map(News::Envelope);
    }
    let session = match (part, came) {
        // Another value of the application's is another session, in the same place.
        (Part::Known(_) | Part::Changed(_), None) => Session {
            endpoint: session.endpoint,
            ..Session::begin(plugin.read_clock(), plugin.random(), session.backend)
        },
        _ => session,
    };
    let nonce = served.nonce.or_else(host::random)?;
    let tokens = service.tokens.as_ref()?;
    Some(News::Envelope(tokens.write_envelope(&session, value, nonce)))
}

/// A route that does not go by our header makes every session a lottery: somebody should know.
fn warn_of_route(plugin: &Plugin, service: &Service, index: usize, chosen: BackendId) {
    let (Some(chosen), Some(cluster)) = (service.backends.get(chosen), host::property("xds\0cluster_name"))
    else {
        return;
    };
    if cluster != chosen.cluster().as_bytes() && plugin.may_warn_of_route(index) {
        log::warn!(
            "session-affinity: service {}: the response came from cluster {}, not from the chosen {}: \
             does the route have cluster_header: {}?",
            service.name,
            String::from_utf8_lossy(&cluster),
            chosen.cluster(),
            plugin.cluster_header,
        );
    }
}

/// The same goes for a chain of filters in which nobody tells or honours endpoints.
fn warn_of_endpoint(plugin: &Plugin, service: &Service, index: usize) {
    if plugin.may_warn_of_endpoint(index) {
        log::warn!(
            "session-affinity: service {}: Envoy named no endpoint: \
             does stateful_session with header state {} stand behind this filter?",
            service.name,
            plugin.endpoint_header.as_deref().unwrap_or_default(),
        );
    }
}

/// How the response came to be.
fn evidence_of_details() -> Evidence {
    host::property("response\0code_details")
        .map_or(Evidence::Nothing, |details| evidence::from_details(&details))
}

/// The backend of this service that the answering endpoint's metadata name.
fn answerer(service: &Service) -> Option<BackendId> {
    let name = host::property("xds\0upstream_host_metadata\0filter_metadata\0session_affinity\0backend")?;
    let id = BackendId::of(std::str::from_utf8(&name).ok()?);
    service.backends.get(id).map(Backend::id)
}
