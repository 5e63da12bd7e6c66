//! Counters and gauges. Each worker counts by itself and hands the counts to Envoy on each tick.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use fnv::FnvBuildHasher;

use super::host;
use crate::balance::{Backend, BackendId};
use crate::routing::Outcome;

/// An Envoy counter.
#[derive(Debug)]
pub(super) struct Counter {
    /// `None` if Envoy did not define the counter.
    id: Option<u32>,
    /// The count of this worker since the last tick.
    pending: Cell<u64>,
}

impl Counter {
    /// The counter with this name. Envoy prints it as `wasmcustom.<name>`.
    pub(super) fn new(name: &str) -> Self {
        Self { id: host::define_counter(name), pending: Cell::new(0) }
    }

    /// Adds one.
    pub(super) fn increment(&self) {
        self.pending.set(self.pending.get().saturating_add(1));
    }

    /// Hands the count to Envoy.
    pub(super) fn flush(&self) {
        let count = self.pending.take();
        if let Some(id) = self.id.filter(|_| count > 0) {
            host::add_to_counter(id, count);
        }
    }
}

/// The counters of a service's outcomes.
#[derive(Debug)]
pub(super) struct OutcomeCounters([Counter; Outcome::ALL.len()]);

impl OutcomeCounters {
    /// The counters of the service with this name.
    pub(super) fn new(service: &str) -> Self {
        let counter = |outcome: Outcome| {
            Counter::new(&format!("session_affinity.service.{service}.outcome.{}", outcome.name()))
        };
        Self(Outcome::ALL.map(counter))
    }

    /// Counts one request.
    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.0.get(outcome.index()) {
            counter.increment();
        }
    }

    /// Hands the counts to Envoy.
    pub(super) fn flush(&self) {
        self.0.iter().for_each(Counter::flush);
    }
}

/// Gauges of the unavailable backends of a service. A backend has a gauge once it was unavailable for the first time.
#[derive(Debug)]
pub(super) struct UnavailableGauges {
    service: String,
    gauges: RefCell<HashMap<BackendId, Option<u32>, FnvBuildHasher>>,
}

impl UnavailableGauges {
    /// The gauges of the service with this name.
    pub(super) fn new(service: &str) -> Self {
        Self { service: service.to_owned(), gauges: RefCell::default() }
    }

    /// Notes that the backend became unavailable, or available again.
    pub(super) fn set(&self, backend: &Backend, is_unavailable: bool) {
        let Ok(mut gauges) = self.gauges.try_borrow_mut() else {
            return;
        };
        let define = || {
            let (service, cluster) = (&self.service, backend.cluster());
            host::define_gauge(&format!("session_affinity.service.{service}.backend.{cluster}.unavailable"))
        };
        if let Some(id) = gauges.entry(backend.id()).or_insert_with(define) {
            host::set_gauge(*id, is_unavailable.into());
        }
    }

    /// Sets all gauges to 0. An update replaces the service, and the new service sets its own gauges.
    pub(super) fn clear(&self) {
        if let Ok(gauges) = self.gauges.try_borrow() {
            gauges.values().flatten().for_each(|id| host::set_gauge(*id, 0));
        }
    }
}
