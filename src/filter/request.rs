//! The request: facts in, decision out, headers for Envoy.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::{Action, Envelope, Served, response};
use crate::affinity::{Decision, Facts, Forward, Needs, Part, Verdict};
use crate::backends::Backend;
use crate::config::Affinity;
use crate::cookie::{self, Cookie, Secure};
use crate::endpoint;
use crate::health::View;
use crate::host::{self, HeaderPairs, Headers};
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::service::Service;
use crate::token::NONCE_LEN;

/// Decides where a request of `service` goes, and tells Envoy. `keep` gets what its response must know of it, where
/// that makes a difference.
pub fn serve(
    plugin: &Plugin,
    index: usize,
    service: &Service,
    view: &Rc<View>,
    keep: impl FnOnce(Served),
) -> Action {
    let mut facts = Facts { now: plugin.now(), random: plugin.random(), ..Facts::default() };
    let all = AllHeaders::default();
    let (address, first_line, cookies, every_line, path, header);
    let mut came_with_cookies = false;
    match service.needs() {
        Needs::Nothing => {}
        Needs::ClientAddress => {
            address = host::property("source\0address").unwrap_or_default();
            facts.client_address = &address;
        }
        Needs::Cookies(cookie) => {
            if cookie.hide_from_upstream {
                cookies = all.cookies();
                facts.cookies = &cookies;
                hide(cookie, &cookies);
            } else {
                first_line = host::header(Headers::Request, "cookie");
                came_with_cookies = first_line.is_some();
                facts.cookies = first_line.as_deref().unwrap_or_default();
            }
            if !cookie.covers_everything() {
                path = host::header(Headers::Request, ":path").unwrap_or_default();
                facts.path = &path;
            }
        }
        Needs::Header(name) => {
            header = host::property(&format!("request\0headers\0{name}"));
            facts.header = header.as_deref().filter(|value| !value.is_empty());
        }
    }
    let mut decision = service.decide(&facts, view);
    if came_with_cookies
        && may_be_on_another_line(service, &decision)
        && all.values(b"cookie").nth(1).is_some()
    {
        every_line = all.cookies();
        facts.cookies = &every_line;
        decision = service.decide(&facts, view);
    }
    let is_news = matches!(&decision.verdict, Verdict::Forward(to) if to.part.is_news());
    let (nonce, https) =
        if is_news { prepare_news(plugin, service, &all, &mut decision) } else { (None, false) };
    let action = apply(plugin, service, &decision);
    let outcome = decision.outcome;
    let (backend, part) = match &decision.verdict {
        Verdict::Forward(to) => (to.backend.map(Backend::id), &to.part),
        Verdict::Reject(_) => (None, &Part::None),
    };
    if !response::matters(plugin, service, backend, part) {
        plugin.count(index, outcome);
        return action;
    }
    let (part, view) = (*part, Rc::clone(view));
    let envelope = match (decision.verdict, facts.header) {
        (Verdict::Forward(Forward { unwrapped: Some(value), .. }), Some(text)) => {
            Some(Envelope { text: text.to_vec(), value })
        }
        _ => None,
    };
    keep(Served { service: index, outcome, at: facts.now, backend, view, part, nonce, https, envelope });
    action
}

/// What the client is told takes a nonce, and it may matter whether it began over https.
#[inline(never)]
fn prepare_news(
    plugin: &Plugin,
    service: &Service,
    all: &AllHeaders,
    decision: &mut Decision<'_>,
) -> (Option<[u8; NONCE_LEN]>, bool) {
    let Verdict::Forward(to) = &mut decision.verdict else {
        return (None, false);
    };
    match &mut to.part {
        Part::First(session) => {
            let nonce = plugin.nonce();
            if let (Some(nonce), Some(tokens)) = (&nonce, &service.tokens) {
                session.seed = tokens.seed(nonce);
                session.https = is_https(service, all);
                (Some(*nonce), session.https)
            } else {
                // No randomness, no token, no session: it goes where it goes, by weight.
                to.part = Part::None;
                decision.outcome = Outcome::None;
                (None, false)
            }
        }
        Part::Changed(_) => (plugin.nonce(), false),
        Part::FirstKey(_) => (None, is_https(service, all)),
        Part::None | Part::Known(_) => (None, false),
    }
}

/// The first `Cookie` line nearly always is the only one. It must be the only one to say that no session came.
const fn may_be_on_another_line(service: &Service, decision: &Decision<'_>) -> bool {
    match decision.outcome {
        Outcome::Assigned | Outcome::Expired | Outcome::Invalid => true,
        Outcome::None => matches!(service.affinity, Affinity::HttpCookie { .. }),
        Outcome::Hashed | Outcome::Pinned | Outcome::Repinned | Outcome::Rejected => false,
    }
}

/// All headers of the request, once somebody asks for them.
#[derive(Default)]
struct AllHeaders(OnceCell<HeaderPairs>);

impl AllHeaders {
    fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let pairs = self.0.get_or_init(|| host::headers(Headers::Request)).iter();
        pairs.filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All `Cookie` lines as one.
    fn cookies(&self) -> Vec<u8> {
        let mut line = Vec::new();
        for cookies in self.values(b"cookie") {
            cookie::append(&mut line, cookies);
        }
        line
    }

    /// Its scheme; costs no call where they are known already.
    fn is_https(&self) -> bool {
        if self.0.get().is_some() {
            return self.values(b":scheme").next() == Some(b"https");
        }
        host::header(Headers::Request, ":scheme").is_some_and(|scheme| *scheme == *b"https")
    }
}

/// Tells Envoy what was decided. Returns how the stream goes on.
#[inline]
fn apply(plugin: &Plugin, service: &Service, decision: &Decision<'_>) -> Action {
    let outcome = decision.outcome.name();
    let to = match &decision.verdict {
        Verdict::Forward(to) => to,
        Verdict::Reject(status) => return reject(plugin, service, outcome, *status),
    };
    log::debug!(
        "session-affinity: service {}: {outcome} to {}",
        service.name,
        to.backend.map_or("the route's cluster", Backend::cluster)
    );
    name_cluster(plugin, to.backend);
    name_endpoint(plugin, to.endpoint);
    if let (Affinity::HeaderEnvelope { name, .. }, Some(value)) = (&service.affinity, &to.unwrapped) {
        host::set_header(Headers::Request, name, value);
    }
    Action::Continue
}

fn reject(plugin: &Plugin, service: &Service, outcome: &str, status: u32) -> Action {
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
    name_cluster(plugin, None);
    name_endpoint(plugin, None);
    Action::Continue
}

/// Names the cluster to Envoy, or sees that no client does.
pub fn name_cluster(plugin: &Plugin, backend: Option<&Backend>) {
    match backend {
        Some(backend) => {
            host::set_header(Headers::Request, &plugin.cluster_header, backend.cluster().as_bytes());
        }
        None => host::remove_header(Headers::Request, &plugin.cluster_header),
    }
}

/// Names the endpoint to Envoy's `stateful_session` filter, or sees that no client does.
pub fn name_endpoint(plugin: &Plugin, endpoint: Option<SocketAddr>) {
    match (&plugin.endpoint_header, endpoint) {
        (Some(name), Some(endpoint)) => {
            host::set_header(Headers::Request, name, endpoint::to_header(endpoint).as_bytes());
        }
        (Some(name), None) => host::remove_header(Headers::Request, name),
        (None, _) => {}
    }
}

/// Takes our cookie out of what the application sees, if it is among these.
fn hide(cookie: &Cookie, cookies: &[u8]) {
    if cookie::Finder::new(&cookie.name).values(cookies).next().is_none() {
        return;
    }
    match cookie::without(&[cookies], &cookie.name) {
        Some(line) => host::set_header(Headers::Request, "cookie", &line),
        None => host::remove_header(Headers::Request, "cookie"),
    }
}

/// Whether the request came over https, where that makes a difference.
fn is_https(service: &Service, all: &AllHeaders) -> bool {
    let matters = service.affinity.generated_cookie().is_some_and(|cookie| cookie.secure == Secure::Auto);
    matters && all.is_https()
}
