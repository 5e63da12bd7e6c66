//! A service and the state that a worker keeps for it.

use std::cell::RefCell;
use std::rc::Rc;

use super::metrics::{Counter, OutcomeCounters, UnavailableGauges};
use super::warnings::Warnings;
use crate::health::{Availability, HealthTable, Sampler};
use crate::routing::Service;
use crate::session::Millis;

/// A service, the availability of its backends, its counters and its warnings.
#[derive(Debug)]
pub(super) struct ActiveService {
    pub(super) service: Service,
    availability: RefCell<Rc<Availability>>,
    /// Decides which responses the worker examines.
    pub(super) sampler: Sampler,
    pub(super) outcomes: OutcomeCounters,
    /// Number of ejections.
    pub(super) ejections: Counter,
    unavailable: UnavailableGauges,
    pub(super) warnings: Warnings,
}

impl ActiveService {
    /// The service, with all backends available.
    pub(super) fn new(service: Service) -> Self {
        let availability = Availability::all_available(service.backends());
        Self {
            availability: RefCell::new(Rc::new(availability)),
            sampler: Sampler::default(),
            outcomes: OutcomeCounters::new(&service.name),
            ejections: Counter::new(&format!("session_affinity.service.{}.ejections", service.name)),
            unavailable: UnavailableGauges::new(&service.name),
            warnings: Warnings::new(&service.name),
            service,
        }
    }

    /// The current availability of the backends.
    pub(super) fn availability(&self) -> Rc<Availability> {
        Rc::clone(&self.availability.borrow())
    }

    /// Computes the availability again. Returns the time at which the availability changes without a new report.
    pub(super) fn refresh(&self, table: &HealthTable, now: Millis) -> Millis {
        let availability = Availability::new(table, &self.service.health, &self.availability(), now);
        let changes_at = availability.changes_at();
        self.availability.replace(Rc::new(availability));
        changes_at
    }

    /// Hands the counts to Envoy.
    pub(super) fn flush(&self) {
        self.outcomes.flush();
        self.ejections.flush();
    }

    /// Hands the gauges of unavailable backends to Envoy. Sets gauges to 1 only if `may_set`.
    pub(super) fn write_gauges(&self, may_set: bool) {
        self.unavailable.write(self.service.backends(), &self.availability(), may_set);
    }

    /// Releases the gauges, because an update has replaced the service.
    pub(super) fn release_gauges(&self) {
        self.unavailable.release();
    }
}

/// Runs when an update has replaced the service and its last stream has ended. Hands over the counts since the last
/// tick.
impl Drop for ActiveService {
    fn drop(&mut self) {
        self.flush();
    }
}
