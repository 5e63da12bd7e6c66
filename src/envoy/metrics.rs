//! Counters and gauges. Each worker counts by itself and hands the counts to Envoy on each tick.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use fnv::FnvBuildHasher;

use super::host;
use crate::balance::{BackendId, Backends};
use crate::health::Availability;
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
    gauges: RefCell<HashMap<BackendId, Gauge, FnvBuildHasher>>,
}

#[derive(Debug)]
struct Gauge {
    /// `None` if Envoy did not define the gauge.
    id: Option<u32>,
    /// The value that this worker wrote last.
    is_set: bool,
}

impl UnavailableGauges {
    /// The gauges of the service with this name.
    pub(super) fn new(service: &str) -> Self {
        Self { service: service.to_owned(), gauges: RefCell::default() }
    }

    /// Hands the gauges to Envoy. Sets a gauge to 1 only if `may_set`. Writes each 1 again on every tick, because another
    /// worker, or the service before an update, may have set the gauge to 0.
    pub(super) fn write(&self, backends: &Backends, availability: &Availability, may_set: bool) {
        let Ok(mut gauges) = self.gauges.try_borrow_mut() else {
            return;
        };
        for (backend, gauge) in gauges.iter_mut().filter(|(_, gauge)| gauge.is_set) {
            if !availability.is_unavailable(*backend) {
                gauge.write(false);
            }
        }
        if !may_set || !availability.has_unavailable() {
            return;
        }
        for backend in backends.iter().filter(|backend| availability.is_unavailable(backend.id())) {
            let define = || {
                let (service, cluster) = (&self.service, backend.cluster());
                let name = format!("session_affinity.service.{service}.backend.{cluster}.unavailable");
                Gauge { id: host::define_gauge(&name), is_set: false }
            };
            gauges.entry(backend.id()).or_insert_with(define).write(true);
        }
    }

    /// Releases the gauges that this worker set to 1, because an update has replaced the service.
    pub(super) fn release(&self) {
        let Ok(gauges) = self.gauges.try_borrow() else {
            return;
        };
        let set = gauges.values().filter(|gauge| gauge.is_set).filter_map(|gauge| gauge.id);
        with_released(|released| released.extend(set));
    }

    /// Sets the released gauges to 0. The caller then writes the gauges of its own services, so that a backend that is
    /// still unavailable keeps its 1.
    pub(super) fn clear_released() {
        with_released(|released| released.drain(..).for_each(|id| host::set_gauge(id, 0)));
    }
}

thread_local! {
    /// The gauges of services that an update has replaced. The services of one VM share them.
    static RELEASED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

fn with_released(change: impl FnOnce(&mut Vec<u32>)) {
    RELEASED.with(|released| {
        if let Ok(mut released) = released.try_borrow_mut() {
            change(&mut released);
        }
    });
}

impl Gauge {
    fn write(&mut self, is_set: bool) {
        self.is_set = is_set;
        if let Some(id) = self.id {
            host::set_gauge(id, is_set.into());
        }
    }
}
