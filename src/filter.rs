//! One HTTP stream: gather the facts, ask, apply the answer.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::affinity::{self, Decision, Facts, Needs, Part, Verdict};
use crate::announcement::HeaderEdit;
use crate::backends::{Backend, BackendId};
use crate::cookie::{self, Cookie, Secure};
use crate::evidence::{self, Evidence};
use crate::health::{Testimony, View};
use crate::host::{self, Headers};
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::service::Service;
use crate::session::Session;
use crate::token::NONCE_LEN;
use crate::watch::Look;

/// One request and its response.
pub struct Filter {
    plugin: Rc<Plugin>,
    /// What the response stage must know; `None` where no service serves the route, and once it is over.
    served: Option<Served>,
}

struct Served {
    service: usize,
    outcome: Outcome,
    /// Where the request went; `None` where it was rejected.
    backend: Option<BackendId>,
    /// What was known of backends then.
    view: Rc<View>,
    /// What the request is to a session.
    part: Part,
    /// Randomness for the token that the client is to be given, if it is.
    nonce: Option<[u8; NONCE_LEN]>,
}

impl Filter {
    /// For a new stream.
    #[must_use]
    pub fn new(plugin: Rc<Plugin>) -> Self {
        Self { plugin, served: None }
    }
}

impl Context for Filter {}

/// A request that nobody answered counts too.
impl Drop for Filter {
    fn drop(&mut self) {
        if let Some(served) = &self.served {
            self.plugin.count(served.service, served.outcome);
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        #[cfg(feature = "trap-for-tests")]
        if host::header(Headers::Request, "x-trap").is_some() {
            std::process::abort();
        }
        let plugin = Rc::clone(&self.plugin);
        let services = &plugin.services;
        let route = if services.depend_on_route() { host::property("xds\0route_name") } else { None };
        let index = services.index_for(route.as_deref());
        if let Some(index) = index
            && let (Some(service), Some(view)) = (services.all().get(index), plugin.watch.view(index))
        {
            return self.serve(&plugin, index, service, &view);
        }
        host::remove_header(Headers::Request, &plugin.cluster_header);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, count: usize, _end_of_stream: bool) -> Action {
        let plugin = Rc::clone(&self.plugin);
        if let Some(mut served) = self.served.take()
            && let Some(service) = plugin.services.all().get(served.service)
        {
            let answered = learn(&plugin, service, &mut served, count);
            plugin.count(served.service, served.outcome);
            if let Some(name) = &plugin.debug_header {
                let value = format!("{}; service={}", served.outcome.name(), service.name);
                host::set_header(Headers::Response, name, value.as_bytes());
            }
            if answered {
                announce(&plugin, service, &served);
            }
        }
        Action::Continue
    }
}

impl Filter {
    fn serve(&mut self, plugin: &Plugin, index: usize, service: &Service, view: &Rc<View>) -> Action {
        let mut facts = Facts { now: plugin.now(), random: plugin.random(), ..Facts::default() };
        let (address, cookies, path);
        match service.needs() {
            Needs::Nothing => {}
            Needs::ClientAddress => {
                address = host::property("source\0address").unwrap_or_default();
                facts.client_address = &address;
            }
            Needs::Cookies(cookie) => {
                cookies = cookie_header(cookie);
                facts.cookies = &cookies;
                if !cookie.covers_everything() {
                    path = host::property("request\0path").unwrap_or_default();
                    facts.path = &path;
                }
                if cookie.hide_from_upstream {
                    hide(cookie, &cookies);
                }
            }
        }
        let mut decision = service.decide(&facts, view);
        let mut nonce = None;
        if let Verdict::Forward(_, part @ (Part::First(_) | Part::Changed(_))) = &mut decision.verdict {
            nonce = host::random();
            match part {
                Part::First(session) if nonce.is_some() => {
                    *session = Session { start: plugin.read_clock(), https: is_https(service), ..*session };
                }
                // No randomness, no token, no session.
                Part::First(_) => decision = affinity::by_weight(&facts, view),
                _ => {}
            }
        }
        let (backend, part) = match decision.verdict {
            Verdict::Forward(backend, part) => (Some(backend.id()), part),
            Verdict::Reject(_) => (None, Part::None),
        };
        let outcome = decision.outcome;
        let view = Rc::clone(view);
        self.served = Some(Served { service: index, outcome, backend, view, part, nonce });
        apply(plugin, service, &decision)
    }
}

/// Envoy's own replies have at most so many headers where nobody adds any: status, length, type, and one more for
/// an overload. An application's have more as a rule, Envoy's `x-envoy-upstream-service-time` among them.
const FEW_HEADERS: usize = 4;

/// Learns from a response what it says of its backend, and whether the session goes where it was answered. Returns
/// whether it is the application's own, if that matters to anyone.
fn learn(plugin: &Plugin, service: &Service, served: &mut Served, headers: usize) -> bool {
    let Some(backend) = served.backend else {
        return false;
    };
    let to_announce = served.nonce.is_some();
    let watched = service.outlier_detection.is_on();
    if !watched && !to_announce {
        return false;
    }
    let suspect = plugin.watch.view(served.service).is_some_and(|view| view.is_suspect(backend));
    let look = if !watched {
        Look::Details
    } else if to_announce || suspect {
        Look::Both
    } else {
        plugin.watch.look(served.service, backend)
    };
    let mut evidence = match look {
        Look::Details | Look::Both => evidence_of_details(),
        Look::Answerer => Evidence::Answered,
    };
    if evidence == Evidence::Answered && look != Look::Details {
        let answerer = answerer(service);
        if answerer.is_some() {
            plugin.watch.note_label(served.service, backend);
        }
        if let Some(other) = answerer.filter(|answerer| *answerer != backend) {
            if look == Look::Answerer {
                evidence = evidence_of_details();
            }
            if evidence == Evidence::Answered {
                follow(plugin, served, other);
                testify(plugin, service, served, Evidence::LocalOriginFailure, backend);
                testify(plugin, service, served, Evidence::Answered, other);
                return true;
            }
        } else if look == Look::Answerer && headers <= FEW_HEADERS {
            evidence = evidence_of_details();
        }
    }
    if watched {
        if evidence == Evidence::Answered && service.outlier_detection.consecutive_gateway_errors > 0 {
            let status = host::header(Headers::Response, ":status").unwrap_or_default();
            if evidence::is_gateway_error(&status) {
                testify(plugin, service, served, Evidence::GatewayError, backend);
                return true;
            }
        }
        testify(plugin, service, served, evidence, backend);
    }
    evidence == Evidence::Answered
}

fn testify(plugin: &Plugin, service: &Service, served: &Served, evidence: Evidence, backend: BackendId) {
    plugin.testify(service, Testimony { backend, evidence, was_out: served.view.is_out(backend) });
}

/// The session goes where it was answered.
fn follow(plugin: &Plugin, served: &mut Served, answerer: BackendId) {
    served.part = match served.part {
        Part::None => return,
        Part::First(session) => Part::First(Session { backend: answerer, ..session }),
        Part::Known(session) | Part::Changed(session) => {
            served.outcome = Outcome::Repinned;
            Part::Changed(Session { backend: answerer, ..session.used_at(plugin.now()) })
        }
    };
    served.nonce = served.nonce.or_else(host::random);
}

/// Tells the client of its session, if there is something to tell.
fn announce(plugin: &Plugin, service: &Service, served: &Served) {
    let (Part::First(session) | Part::Changed(session), Some(nonce)) = (served.part, served.nonce) else {
        return;
    };
    if let (Part::First(_), Some(chosen)) = (served.part, served.backend) {
        warn_of_route(plugin, service, served.service, chosen);
    }
    let response = host::headers(Headers::Response);
    for edit in service.announce(&session, plugin.now(), nonce, &response.iter()) {
        match edit {
            HeaderEdit::Add(name, value) => host::add_header(Headers::Response, name, &value),
            HeaderEdit::Set(name, value) => host::set_header(Headers::Response, name, &value),
            HeaderEdit::Remove(name) => host::remove_header(Headers::Response, name),
        }
    }
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

fn apply(plugin: &Plugin, service: &Service, decision: &Decision<'_>) -> Action {
    let outcome = decision.outcome.name();
    match decision.verdict {
        Verdict::Forward(backend, _) => {
            log::debug!("session-affinity: service {}: {outcome} to {}", service.name, backend.cluster());
            host::set_header(Headers::Request, &plugin.cluster_header, backend.cluster().as_bytes());
            Action::Continue
        }
        Verdict::Reject(status) => {
            log::debug!("session-affinity: service {}: {outcome} with {status}", service.name);
            host::send_local_response(
                status,
                "session_affinity_backend_unavailable",
                "the backend of this session is unavailable\n",
            );
            Action::Pause
        }
    }
}

/// The `Cookie` header; several lines as one.
fn cookie_header(cookie: &Cookie) -> Vec<u8> {
    let joined = host::property("request\0headers\0cookie").unwrap_or_default();
    if cookie::is_ambiguous(&joined, &cookie.name) {
        let headers = host::headers(Headers::Request);
        let lines = headers.iter().filter(|(name, _)| *name == b"cookie").map(|(_, line)| line);
        return lines.collect::<Vec<_>>().join(b"; ".as_slice());
    }
    joined
}

/// Takes our cookie out of what the application sees.
fn hide(cookie: &Cookie, joined: &[u8]) {
    if cookie::values(joined, &cookie.name).next().is_none() {
        return;
    }
    // A comma may stand within a cookie or between two joined lines: then only the lines themselves can tell.
    let kept = if joined.contains(&b',') {
        let headers = host::headers(Headers::Request);
        let lines: Vec<&[u8]> =
            headers.iter().filter(|(name, _)| *name == b"cookie").map(|(_, line)| line).collect();
        cookie::without(&lines, &cookie.name)
    } else {
        cookie::without(&[joined], &cookie.name)
    };
    match kept {
        Some(line) => host::set_header(Headers::Request, "cookie", &line),
        None => host::remove_header(Headers::Request, "cookie"),
    }
}

/// Whether the request came over https, where that makes a difference.
fn is_https(service: &Service) -> bool {
    let matters = service.affinity.generated_cookie().is_some_and(|cookie| cookie.secure == Secure::Auto);
    matters && host::property("request\0scheme").is_some_and(|scheme| scheme == b"https")
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
