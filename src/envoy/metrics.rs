//! Counters. Each worker counts for itself and hands the counts to Envoy on the tick.

use std::cell::Cell;

use super::host;
use crate::routing::Outcome;

/// One counter of Envoy's.
#[derive(Debug)]
pub(super) struct Counter {
    /// `None` where Envoy did not define the counter.
    id: Option<u32>,
    /// What this worker has counted since the last tick.
    pending: Cell<u64>,
}

impl Counter {
    /// The counter of this name. Envoy prints it as `wasmcustom.<name>`.
    pub(super) fn new(name: &str) -> Self {
        Self { id: host::define_counter(name), pending: Cell::new(0) }
    }

    /// Counts one.
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
    /// The counters of the service of this name.
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
