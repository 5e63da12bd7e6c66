//! Counts of outcomes, kept by each worker and handed over to Envoy on the tick.

use std::cell::Cell;

use crate::host::Counter;
use crate::outcome::Outcome;

/// What one service counted since the last tick.
#[derive(Debug)]
pub struct Counts {
    counters: [Option<Counter>; Outcome::ALL.len()],
    counts: [Cell<u64>; Outcome::ALL.len()],
}

impl Counts {
    /// Of the service of this name.
    pub fn of(service: &str) -> Self {
        let define = |outcome: Outcome| {
            Counter::define(&format!("session_affinity.service.{service}.outcome.{}", outcome.name()))
        };
        Self { counters: Outcome::ALL.map(define), counts: Default::default() }
    }

    /// One more request.
    pub fn count(&self, outcome: Outcome) {
        if let Some(count) = self.counts.get(outcome.index()) {
            count.set(count.get().saturating_add(1));
        }
    }

    /// Hands them over.
    pub fn flush(&self) {
        for (counter, count) in self.counters.iter().zip(&self.counts) {
            let count = count.take();
            if let Some(counter) = counter.filter(|_| count > 0) {
                counter.add(count);
            }
        }
    }
}
