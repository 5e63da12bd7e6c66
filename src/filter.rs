//! One HTTP stream: gather the facts, ask, apply the answer.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::affinity::{Decision, Facts, Needs, News, Verdict};
use crate::announcement::HeaderEdit;
use crate::cookie::{self, Cookie, Secure};
use crate::host::{self, Headers};
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::service::Service;
use crate::session::Session;
use crate::token::NONCE_LEN;

/// One request and its response.
pub struct Filter {
    plugin: Rc<Plugin>,
    /// What the response stage must know; `None` where no service serves the route.
    served: Option<Served>,
}

struct Served {
    service: usize,
    outcome: Outcome,
    announcement: Option<Announcement>,
}

/// What the client is told once the application answers.
struct Announcement {
    session: Session,
    nonce: [u8; NONCE_LEN],
    /// Whether this is a session's first response, which shows whether the route follows us.
    first: bool,
}

impl Filter {
    /// For a new stream.
    #[must_use]
    pub fn new(plugin: Rc<Plugin>) -> Self {
        Self { plugin, served: None }
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let plugin = Rc::clone(&self.plugin);
        let services = &plugin.services;
        let route = if services.depend_on_route() { host::property("xds\0route_name") } else { None };
        let found = services.index_for(route.as_deref());
        let Some((index, service)) = found.and_then(|index| Some((index, services.all().get(index)?))) else {
            host::remove_header(Headers::Request, &plugin.cluster_header);
            return Action::Continue;
        };
        self.serve(&plugin, index, service)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(served) = self.served.take() else {
            return Action::Continue;
        };
        let Some(service) = self.plugin.services.all().get(served.service) else {
            return Action::Continue;
        };
        if let Some(name) = &self.plugin.debug_header {
            let value = format!("{}; service={}", served.outcome.name(), service.name);
            host::set_header(Headers::Response, name, value.as_bytes());
        }
        if let Some(announcement) = served.announcement
            && answered_by_the_application()
        {
            self.announce(served.service, service, &announcement);
        }
        Action::Continue
    }
}

impl Filter {
    fn serve(&mut self, plugin: &Plugin, index: usize, service: &Service) -> Action {
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
        let mut decision = service.decide(&facts);
        let announcement = match decision.verdict {
            Verdict::Forward(_, News::Began(session)) => {
                let begun = host::random().map(|nonce| {
                    let session = Session { start: plugin.read_clock(), https: is_https(service), ..session };
                    Announcement { session, nonce, first: true }
                });
                if begun.is_none() {
                    decision = service.by_weight(&facts);
                }
                begun
            }
            Verdict::Forward(_, News::Changed(session)) => {
                host::random().map(|nonce| Announcement { session, nonce, first: false })
            }
            Verdict::Forward(_, News::None) | Verdict::Reject(_) => None,
        };
        plugin.count(index, decision.outcome);
        self.served = Some(Served { service: index, outcome: decision.outcome, announcement });
        apply(plugin, service, &decision)
    }

    fn announce(&self, index: usize, service: &Service, announcement: &Announcement) {
        let session = &announcement.session;
        if announcement.first {
            self.warn_of_route(index, service, session);
        }
        let response = host::headers(Headers::Response);
        for edit in service.announce(session, self.plugin.now(), announcement.nonce, &response.iter()) {
            match edit {
                HeaderEdit::Add(name, value) => host::add_header(Headers::Response, name, &value),
                HeaderEdit::Set(name, value) => host::set_header(Headers::Response, name, &value),
                HeaderEdit::Remove(name) => host::remove_header(Headers::Response, name),
            }
        }
    }

    /// A route that does not go by our header makes every session a lottery: somebody should know.
    fn warn_of_route(&self, index: usize, service: &Service, session: &Session) {
        let Some(chosen) = service.backends.get(session.backend) else {
            return;
        };
        let Some(cluster) = host::property("xds\0cluster_name") else {
            return;
        };
        if cluster != chosen.cluster().as_bytes() && self.plugin.may_warn_of_route(index) {
            log::warn!(
                "session-affinity: service {}: the response came from cluster {}, not from the chosen {}: \
                 does the route have cluster_header: {}?",
                service.name,
                String::from_utf8_lossy(&cluster),
                chosen.cluster(),
                self.plugin.cluster_header,
            );
        }
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
            let answered = host::send_local_response(
                status,
                "session_affinity_backend_unavailable",
                "the backend of this session is unavailable\n",
            );
            if answered {
                return Action::Pause;
            }
            // A stream that waits for no answer would wait for ever; without a cluster Envoy answers itself.
            host::remove_header(Headers::Request, &plugin.cluster_header);
            Action::Continue
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

/// Whether the response is the application's own and not one of Envoy's, or this filter's.
fn answered_by_the_application() -> bool {
    host::property("response\0code_details").is_some_and(|details| details == b"via_upstream")
}
