//! The request: gathers the inputs of the decision, and applies the decision.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;

use proxy_wasm::types::Action;

use super::active_service::ActiveService;
use super::host::{self, Bytes, Headers};
use super::stream::RequestState;
use super::worker::Worker;
use crate::balance::Backend;
use crate::config::Affinity;
use crate::headers::{cookie, endpoint};
use crate::routing::{DecisionInputs, Forward, Outcome, Routing, Service, SessionUpdate, decide};
use crate::session::Millis;

/// Response code details of a rejected request.
const REJECT_DETAILS: &str = "session_affinity_backend_unavailable";
const REJECT_BODY: &str = "the backend of this session is unavailable\n";

/// Handles the request headers. Returns what the response needs to know, if the response must be processed.
pub(super) fn handle(
    worker: &Worker,
    active: &Rc<ActiveService>,
    route: Option<Bytes>,
) -> (Action, Option<RequestState>) {
    let inputs = Request { worker, headers: OnceCell::new() };
    let availability = active.availability();
    let decision = decide(&active.service, &availability, &inputs);
    let outcome = decision.outcome;
    worker.log_outcome(outcome);
    let (action, forward) = match decision.routing {
        Routing::Forward(forward) => {
            inputs.write_cookies(forward.cookies.as_deref());
            apply(worker, &active.service, outcome, &forward);
            (Action::Continue, forward)
        }
        Routing::Reject(status) => (reject(worker, &active.service, status), Forward::default()),
    };
    let Forward { backend, session, envelope, .. } = forward;
    if !response_matters(worker, &active.service, backend.as_deref(), &session) {
        active.outcomes.count(outcome);
        return (action, None);
    }
    let active = Rc::clone(active);
    (action, Some(RequestState { active, outcome, backend, availability, session, envelope, route }))
}

/// Handles a request on a route that no service serves.
pub(super) fn pass_unserved(worker: &Worker) {
    worker.unserved.increment();
    Request { worker, headers: OnceCell::new() }.write_cookies(None);
    name_cluster(worker, None);
    name_endpoint(worker, None);
}

/// Whether the response to this request must be processed.
fn response_matters(
    worker: &Worker,
    service: &Service,
    backend: Option<&Backend>,
    session: &SessionUpdate,
) -> bool {
    let is_watched = backend.is_some() && (service.health.outlier_detection().is_on() || service.failover);
    is_watched
        || service.affinity.is_envelope()
        || session.needs_token()
        || service.pin.has_endpoint()
        || worker.debug_header.is_some()
}

/// Tells Envoy where the request goes.
fn apply(worker: &Worker, service: &Service, outcome: Outcome, forward: &Forward) {
    let cluster = forward.backend.as_deref().map_or("the route's cluster", Backend::cluster);
    log::debug!("service {}: {} to {cluster}", service.name, outcome.name());
    name_cluster(worker, forward.backend.as_deref());
    name_endpoint(worker, forward.endpoint);
    if let (Affinity::HeaderEnvelope { name, .. }, Some(envelope)) = (&service.affinity, &forward.envelope) {
        host::set_header(Headers::Request, name, &envelope.value);
    }
}

/// Rejects the request with a local response.
fn reject(worker: &Worker, service: &Service, status: u32) -> Action {
    log::debug!("service {}: rejected with {status}", service.name);
    if host::send_local_response(status, REJECT_DETAILS, REJECT_BODY) {
        return Action::Pause;
    }
    // A paused stream without a response would wait forever. So the request continues without a cluster, and Envoy
    // answers it.
    log::error!("service {}: Envoy did not accept the response with status {status}", service.name);
    name_cluster(worker, None);
    name_endpoint(worker, None);
    Action::Continue
}

/// Writes the cluster header. Without a backend, removes the client's value.
fn name_cluster(worker: &Worker, backend: Option<&Backend>) {
    match backend {
        Some(backend) => {
            host::set_header(Headers::Request, &worker.cluster_header, backend.cluster().as_bytes());
        }
        None => host::remove_header(Headers::Request, &worker.cluster_header),
    }
}

/// Writes the endpoint header for Envoy's `stateful_session` filter. Without an endpoint, removes the client's value.
fn name_endpoint(worker: &Worker, endpoint: Option<SocketAddr>) {
    match (&worker.endpoint_header, endpoint) {
        (Some(name), Some(endpoint)) => {
            host::set_header(Headers::Request, name, endpoint::to_header(endpoint).as_bytes());
        }
        (Some(name), None) => host::remove_header(Headers::Request, name),
        (None, _) => {}
    }
}

/// The headers of a request, as the inputs of its decision.
struct Request<'w> {
    worker: &'w Worker,
    /// All headers. One host call reads all of them when the first one is needed.
    headers: OnceCell<Vec<(String, Bytes)>>,
}

impl Request<'_> {
    /// The values of a header. Reads all headers.
    fn values(&self, name: &str) -> impl Iterator<Item = &Bytes> {
        let headers = self.headers.get_or_init(|| host::headers(Headers::Request));
        headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| value)
    }

    /// Writes the `Cookie` header for the application: with opened cookies, if there are any, and without hidden
    /// cookies.
    fn write_cookies(&self, opened: Option<&[u8]>) {
        let hidden = &self.worker.hidden_cookies;
        let lines: Vec<&[u8]> = match opened {
            Some(line) => vec![line],
            None if hidden.is_empty() => return,
            None => self.values("cookie").map(Vec::as_slice).collect(),
        };
        let is_hidden = |line: &&[u8]| hidden.iter().any(|name| cookie::values(line, name).next().is_some());
        if !lines.iter().any(is_hidden) {
            if let Some(line) = opened {
                host::set_header(Headers::Request, "cookie", line);
            }
            return;
        }
        match cookie::without(&lines, hidden) {
            Some(line) => host::set_header(Headers::Request, "cookie", &line),
            None => host::remove_header(Headers::Request, "cookie"),
        }
    }
}

impl DecisionInputs for Request<'_> {
    fn now(&self) -> Millis {
        self.worker.now()
    }

    fn random(&self) -> u64 {
        self.worker.random().number()
    }

    fn seed(&self) -> Option<u64> {
        self.worker.random().secret().map(u64::from_ne_bytes)
    }

    fn client_address(&self) -> Option<Vec<u8>> {
        host::property("source\0address")
    }

    fn path(&self) -> Vec<u8> {
        host::header(Headers::Request, ":path").unwrap_or_default()
    }

    fn is_https(&self) -> bool {
        self.values(":scheme").next().is_some_and(|scheme| scheme == b"https")
    }

    fn is_cors_preflight(&self) -> bool {
        self.values(":method").next().is_some_and(|method| method == b"OPTIONS")
            && self.values("access-control-request-method").next().is_some()
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        host::property(&format!("request\0headers\0{name}")).filter(|value| !value.is_empty())
    }

    fn first_cookie_line(&self) -> Option<Vec<u8>> {
        host::header(Headers::Request, "cookie")
    }

    fn further_cookie_lines(&self) -> Vec<Vec<u8>> {
        self.values("cookie").skip(1).cloned().collect()
    }

    fn cookie_lines(&self) -> Vec<Vec<u8>> {
        self.values("cookie").cloned().collect()
    }
}
