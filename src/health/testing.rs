//! The health of one service, for tests of the table and of the availability.

use serde_json::{Value, json};

use super::table::{CheckResult, HealthTable, Observation, Reported};
use super::{Availability, ResponseClass};
use crate::balance::BackendId;
use crate::session::Millis;
use crate::testing::{NOW, TestService, service};

pub(super) const SECOND: Millis = 1_000;

/// A service with the backends `app-0`, `app-1` and so on, and the health table of its Envoy.
pub(super) struct ServiceHealth {
    pub(super) service: TestService,
    pub(super) table: HealthTable,
    pub(super) now: Millis,
}

impl ServiceHealth {
    pub(super) fn new(count: usize, outlier_detection: &Value) -> Self {
        Self::with(count, json!({ "outlierDetection": outlier_detection }))
    }

    pub(super) fn with(count: usize, config: Value) -> Self {
        Self { service: configured(count, config), table: HealthTable::default(), now: NOW }
    }

    /// Replaces the configuration of the service.
    pub(super) fn configure(&mut self, count: usize, config: Value) {
        self.service = configured(count, config);
    }

    /// Reports the response to a request that is routed now.
    pub(super) fn report(&mut self, index: usize, class: ResponseClass) -> Reported {
        self.report_routed(index, class, self.availability().is_unavailable(id(index)))
    }

    /// Reports the response to a request. `was_unavailable` tells whether the backend was unavailable when the request
    /// was routed.
    pub(super) fn report_routed(
        &mut self,
        index: usize,
        class: ResponseClass,
        was_unavailable: bool,
    ) -> Reported {
        let observation = Observation { backend: id(index), class, was_unavailable };
        let would_change = self.table.would_change(&self.service.health, observation, self.now);
        let reported = self.table.report(&self.service.health, observation, self.now);
        assert_eq!(would_change, reported != Reported::Nothing);
        reported
    }

    /// Reports failures to connect until the backend is ejected, at most three. A backend that was ejected before needs
    /// fewer.
    pub(super) fn eject(&mut self, index: usize) -> Reported {
        let mut fail = || self.report(index, ResponseClass::NotConnected);
        let ejected = (0..3).map(|_| fail()).find(|reported| matches!(reported, Reported::Ejected(_)));
        ejected.unwrap_or(Reported::Nothing)
    }

    /// Reports a result of health checks. Returns whether the table has changed.
    pub(super) fn check(&mut self, index: usize, result: CheckResult) -> bool {
        let would_change = self.table.checks_would_change(&self.service.health, id(index), result, self.now);
        let changed = self.table.report_checks(&self.service.health, id(index), result, self.now);
        assert_eq!(would_change, changed);
        changed
    }

    /// The encoded table for other workers.
    pub(super) fn pruned_bytes(&mut self) -> Vec<u8> {
        self.table.prune(self.now);
        self.table.to_bytes()
    }

    pub(super) fn availability(&self) -> Availability {
        let last = Availability::all_available(self.service.backends());
        Availability::new(&self.table, &self.service.health, &last, self.now)
    }

    /// The backends that take no requests.
    pub(super) fn unavailable(&self) -> Vec<usize> {
        let availability = self.availability();
        (0..self.service.backends().len()).filter(|index| !availability.takes_requests(id(*index))).collect()
    }

    /// Whether every backend is unavailable (panic mode), so that requests go to all of them.
    pub(super) fn is_panic(&self) -> bool {
        let availability = self.availability();
        (0..self.service.backends().len()).all(|index| availability.is_unavailable(id(index)))
    }

    pub(super) fn wait(&mut self, time: Millis) {
        self.now += time;
    }
}

fn configured(count: usize, mut config: Value) -> TestService {
    config["backends"] = (0..count).map(|index| json!(format!("app-{index}"))).collect();
    service(&config)
}

/// The id of the backend `app-<index>`.
pub(super) fn id(index: usize) -> BackendId {
    BackendId::of(&format!("app-{index}"))
}
