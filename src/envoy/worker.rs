//! The state that all streams of one worker share.

use std::cell::Cell;
use std::rc::Rc;

use super::active_service::ActiveService;
use super::host;
use super::metrics::{Counter, UnavailableGauges};
use super::random::Random;
use super::shared_health::SharedHealth;
use crate::balance::Backend;
use crate::config::Config;
use crate::health::Observation;
use crate::health::table::CheckResult;
use crate::routing::{Outcome, Routes, Service};
use crate::session::Millis;
use crate::session::key::Key;
use crate::session::token_cache::TokenCache;

/// The services of a configuration on one worker, with the worker's clock, randomness and counters.
#[derive(Debug)]
pub(super) struct Worker {
    /// The request header that names the cluster.
    pub(super) cluster_header: String,
    /// The header that names an endpoint to Envoy, if a service pins endpoints.
    pub(super) endpoint_header: Option<String>,
    /// The response header for the outcome.
    pub(super) debug_header: Option<String>,
    log_outcome: bool,
    /// Names of the cookies that the filter hides from backends.
    pub(super) hidden_cookies: Vec<String>,
    /// Which service serves which route.
    pub(super) routes: Routes<ActiveService>,
    /// Requests on routes that no service serves.
    pub(super) unserved: Counter,
    services: Vec<Rc<ActiveService>>,
    health: SharedHealth,
    random: Random,
    clock: Cell<Millis>,
    serves: Cell<bool>,
}

impl Worker {
    /// A worker without services serves no route, but still removes the cluster header that a client sends.
    pub(super) fn new(config: Config) -> Self {
        let now = host::now().unwrap_or(0);
        let pins_endpoints = config.services.iter().any(|service| service.pin.has_endpoint());
        let hidden = config.services.iter().filter_map(|service| service.affinity.hidden_cookie());
        let hidden_cookies = hidden.map(|cookie| cookie.name.clone()).collect();
        let keys: Rc<[Key]> = config.keys.into();
        let cache = Rc::new(TokenCache::default());
        let mut routes = Routes::default();
        let mut services = Vec::with_capacity(config.services.len());
        for mut service in config.services {
            let names = service.routes.take();
            let active = Rc::new(ActiveService::new(Service::new(service, &keys, &cache)));
            routes.add(names, &active);
            services.push(active);
        }
        Self {
            cluster_header: config.cluster_header,
            endpoint_header: pins_endpoints.then_some(config.endpoint_header),
            debug_header: config.debug_header,
            log_outcome: config.log_outcome,
            hidden_cookies,
            routes,
            unserved: Counter::new("session_affinity.unserved"),
            services,
            health: SharedHealth::new(),
            random: Random::new(now),
            clock: Cell::new(now),
            serves: Cell::new(false),
        }
    }

    /// Every service.
    pub(super) fn services(&self) -> &[Rc<ActiveService>] {
        &self.services
    }

    /// The worker's randomness.
    pub(super) const fn random(&self) -> &Random {
        &self.random
    }

    /// Whether this worker serves requests. Envoy's main thread runs the plugin too, but serves no requests.
    pub(super) fn serves(&self) -> bool {
        self.serves.get()
    }

    /// Records that this worker serves requests.
    pub(super) fn note_request(&self) {
        self.serves.set(true);
    }

    /// The wall clock, as of the last tick.
    pub(super) fn now(&self) -> Millis {
        self.clock.get()
    }

    /// Sets the clock, hands the counts to Envoy, and reads what other workers have recorded.
    pub(super) fn tick(&self) {
        if let Some(now) = host::now() {
            self.clock.set(now);
        }
        self.unserved.flush();
        for active in &self.services {
            active.flush();
        }
        self.read_health();
        self.write_gauges();
    }

    /// Hands the gauges to Envoy. A worker that serves requests sets no gauge to 1: after an update by ECDS, the worker
    /// keeps the old configuration as long as its streams go on. Envoy's main thread has no streams, so it drops the old
    /// configuration at once.
    fn write_gauges(&self) {
        let may_set = !self.serves();
        if may_set {
            UnavailableGauges::clear_released();
        }
        for active in &self.services {
            active.write_gauges(may_set);
        }
    }

    /// Reads what other workers have recorded.
    pub(super) fn read_health(&self) {
        self.health.read(&self.services, self.now());
    }

    /// Makes the outcome of the current request available to access logs, if `logOutcome` is on.
    pub(super) fn log_outcome(&self, outcome: Outcome) {
        if self.log_outcome {
            // `%FILTER_STATE(wasm.session_affinity_outcome:PLAIN)%`.
            host::set_property("session_affinity_outcome", outcome.name());
        }
    }

    /// Records what a response says about a backend.
    pub(super) fn report(&self, active: &ActiveService, observation: Observation) {
        self.health.report(active, observation, &self.random, self.now());
    }

    /// Records what health checks say about a backend.
    pub(super) fn report_checks(&self, active: &ActiveService, backend: &Backend, result: CheckResult) {
        self.health.report_checks(active, backend, result, &self.random, self.now());
    }
}

/// Runs when an update has replaced the configuration and the worker's last stream has ended.
impl Drop for Worker {
    fn drop(&mut self) {
        self.unserved.flush();
        if !self.serves() {
            self.services.iter().for_each(|active| active.release_gauges());
        }
    }
}
