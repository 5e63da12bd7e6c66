//! One HTTP stream: a request and its response.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::active_service::ActiveService;
use super::host::{self, Bytes};
use super::worker::Worker;
use super::{request, response};
use crate::balance::Backend;
use crate::health::Availability;
use crate::routing::{Envelope, Outcome, SessionUpdate};

/// One HTTP stream.
pub(super) struct Stream {
    worker: Rc<Worker>,
    /// The state of the request. `None` if no service serves the request, if the response need not be processed, and
    /// after the response is processed.
    request: Option<Box<RequestState>>,
}

/// The state of a request until its response.
pub(super) struct RequestState {
    pub(super) active: Rc<ActiveService>,
    pub(super) outcome: Outcome,
    /// The backend that the request went to. `None` if the request was rejected or if the route names the cluster.
    pub(super) backend: Option<Rc<Backend>>,
    /// Which backends were available when the request was routed.
    pub(super) availability: Rc<Availability>,
    pub(super) session: SessionUpdate,
    /// The envelope in the request.
    pub(super) envelope: Option<Envelope>,
    /// The name of the request's route, if the choice of the service depends on it. Empty for a route without a name.
    pub(super) route: Option<Bytes>,
}

impl Stream {
    /// A stream of this worker.
    pub(super) const fn new(worker: Rc<Worker>) -> Self {
        Self { worker, request: None }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        #[cfg(feature = "trap-for-tests")]
        if host::header(host::Headers::Request, "x-trap").is_some() {
            std::process::abort();
        }
        let Self { worker, request } = self;
        // A route without a name does not have this property.
        let ask_name = || host::property("xds\0route_name").unwrap_or_default();
        let route = worker.routes.depend_on_name().then(ask_name);
        let Some(service) = worker.routes.get(route.as_deref()) else {
            request::pass_unserved(worker);
            return Action::Continue;
        };
        let (action, state) = request::handle(worker, service, route);
        *request = state.map(Box::new);
        action
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        match self.request.take() {
            Some(request) => response::handle(&self.worker, *request),
            None => response::remove_endpoint(&self.worker),
        }
        Action::Continue
    }
}

/// Counts a request without a response.
impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(request) = &self.request {
            request.active.outcomes.count(request.outcome);
        }
    }
}
