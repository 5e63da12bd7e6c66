//! The request: facts in, decision out, headers for Envoy.

use std::net::SocketAddr;
use std::rc::Rc;

use super::{Action, Envelope, Served};
use crate::affinity::{Decision, Facts, Needs, Part, Verdict};
use crate::backends::Backend;
use crate::config::Affinity;
use crate::cookie::{self, Cookie, Secure};
use crate::endpoint;
use crate::health::View;
use crate::host::{self, Headers};
use crate::outcome::Outcome;
use crate::plugin::Plugin;
use crate::service::Service;
use crate::session::Session;

/// Decides where a request of `service` goes, and tells Envoy.
pub fn serve(plugin: &Plugin, index: usize, service: &Service, view: &Rc<View>) -> (Served, Action) {
    let mut facts = Facts { now: plugin.now(), random: plugin.random(), ..Facts::default() };
    let (address, cookies, path, header);
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
        Needs::Header(name) => {
            header = host::property(&format!("request\0headers\0{name}"));
            facts.header = header.as_deref().filter(|value| !value.is_empty());
        }
    }
    let mut decision = service.decide(&facts, view);
    let mut nonce = None;
    if let Verdict::Forward(to) = &mut decision.verdict {
        match &mut to.part {
            Part::First(session) => {
                nonce = host::random();
                session.start = plugin.read_clock();
                if nonce.is_none() {
                    // No randomness, no token, no session: it goes where it goes, by weight.
                    to.part = Part::None;
                    decision.outcome = Outcome::None;
                }
            }
            Part::Changed(_) => nonce = host::random(),
            Part::None | Part::Known(_) | Part::FirstKey(_) => {}
        }
    }
    let mut served = Served {
        service: index,
        outcome: decision.outcome,
        backend: None,
        view: Rc::clone(view),
        part: Part::None,
        nonce,
        https: false,
        envelope: None,
    };
    let action = apply(plugin, service, decision, &facts, &mut served);
    (served, action)
}

fn apply(
    plugin: &Plugin,
    service: &Service,
    decision: Decision<'_>,
    facts: &Facts<'_>,
    served: &mut Served,
) -> Action {
    let outcome = decision.outcome.name();
    let to = match decision.verdict {
        Verdict::Forward(to) => to,
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
            name_cluster(plugin, None);
            name_endpoint(plugin, None);
            return Action::Continue;
        }
    };
    let cluster = to.backend.map_or("the route's cluster", Backend::cluster);
    log::debug!("session-affinity: service {}: {outcome} to {cluster}", service.name);
    if matches!(to.part, Part::First(_) | Part::FirstKey(_)) {
        served.https = is_https(service);
    }
    name_cluster(plugin, to.backend);
    name_endpoint(plugin, to.endpoint);
    if let (Affinity::HeaderEnvelope { name, .. }, Some(value), Some(text)) =
        (&service.affinity, to.unwrapped, facts.header)
    {
        host::set_header(Headers::Request, name, &value);
        served.envelope = Some(Envelope { text: text.to_vec(), value });
    }
    served.backend = to.backend.map(Backend::id);
    served.part = to.part;
    if let Part::First(session) = to.part {
        served.part = Part::First(Session { https: served.https, ..session });
    }
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
