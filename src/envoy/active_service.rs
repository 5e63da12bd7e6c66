//! A service with all that a worker keeps for it.

use std::cell::RefCell;
use std::rc::Rc;

use super::metrics::OutcomeCounters;
use super::warnings::Warnings;
use crate::health::{Availability, HealthTable, Sampler};
use crate::routing::Service;
use crate::session::Millis;

/// A service, the availability of its backends, its counters and its warnings.
#[derive(Debug)]
pub(super) struct ActiveService {
    pub(super) service: Service,
    availability: RefCell<Rc<Availability>>,
    /// Decides which responses are looked at.
    pub(super) sampler: Sampler,
    pub(super) outcomes: OutcomeCounters,
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
            warnings: Warnings::new(&service.name),
            service,
        }
    }

    /// Which backends are available now.
    pub(super) fn availability(&self) -> Rc<Availability> {
        Rc::clone(&self.availability.borrow())
    }

    /// Computes the availability anew. Returns when it changes by itself.
    pub(super) fn refresh(&self, table: &HealthTable, now: Millis) -> Millis {
        let availability = Availability::new(table, &self.service.health, &self.availability(), now);
        let changes_at = availability.changes_at();
        self.availability.replace(Rc::new(availability));
        changes_at
    }
}

/// An update replaced the service, and the last of its streams has ended: what was counted since the last tick counts.
impl Drop for ActiveService {
    fn drop(&mut self) {
        self.outcomes.flush();
    }
}
