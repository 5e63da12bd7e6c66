//! The health table that the workers of one Envoy share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::active_service::ActiveService;
use super::host;
use super::random::Random;
use crate::balance::{Backend, BackendId};
use crate::health::table::{CheckResult, Reported};
use crate::health::{HealthTable, Observation};
use crate::session::Millis;

/// The version of the table's encoding. Part of the keys, so that modules of different versions share no table.
const ENCODING: u32 = 4;

/// This worker's copy of the table, and the keys of the shared table.
#[derive(Debug)]
pub(super) struct SharedHealth {
    /// The key of the table.
    table_key: String,
    /// The key of a number that changes with the table, so that a tick without changes reads only eight bytes.
    epoch_key: String,
    table: RefCell<HealthTable>,
    epoch: Cell<u64>,
    /// The next time at which the availability of a service changes without a new report.
    changes_at: Cell<Millis>,
    refreshed_at: Cell<Millis>,
}

impl SharedHealth {
    /// An empty copy. [`read`](Self::read) fills it.
    pub(super) fn new() -> Self {
        let table_key = host::shared_key(&format!("health-{ENCODING}"));
        host::create_shared_data(&table_key);
        Self {
            table_key,
            epoch_key: host::shared_key(&format!("health-epoch-{ENCODING}")),
            table: RefCell::default(),
            epoch: Cell::new(0),
            changes_at: Cell::new(Millis::MAX),
            refreshed_at: Cell::new(0),
        }
    }

    /// Reads the changes of other workers, and updates the availability if the table has changed or an ejection has
    /// ended.
    pub(super) fn read(&self, services: &[Rc<ActiveService>], now: Millis) {
        let (epoch, _) = host::shared_data(&self.epoch_key);
        let epoch = epoch.try_into().map_or(0, u64::from_be_bytes);
        if epoch != self.epoch.get() {
            self.epoch.set(epoch);
            self.table.replace(HealthTable::from_bytes(&host::shared_data(&self.table_key).0));
        } else if now < self.changes_at.get() && now >= self.refreshed_at.get() {
            return;
        }
        let table = self.table.borrow();
        let changes = services.iter().map(|active| active.refresh(&table, now));
        self.changes_at.set(changes.fold(Millis::MAX, Millis::min));
        self.refreshed_at.set(now);
    }

    /// Records for all workers what a response says about a backend.
    pub(super) fn report(
        &self,
        active: &ActiveService,
        observation: Observation,
        random: &Random,
        now: Millis,
    ) {
        let policy = &active.service.health;
        if !self.table.borrow().would_change(policy, observation, now) {
            return;
        }
        let mut reported = Reported::Nothing;
        let changed = self.change(active, random, now, |table| {
            reported = table.report(policy, observation, now);
            reported != Reported::Nothing
        });
        if !changed {
            return;
        }
        let (name, cluster) = (&active.service.name, cluster(active, observation.backend));
        match reported {
            Reported::Ejected(length) => {
                active.ejections.increment();
                log::warn!("service {name}: backend {cluster} ejected for {} s", length / 1000);
            }
            Reported::Returned => log::info!("service {name}: backend {cluster} answers again"),
            Reported::Noted | Reported::Nothing => {}
        }
    }

    /// Records for all workers what health checks say about a backend.
    pub(super) fn report_checks(
        &self,
        active: &ActiveService,
        backend: &Backend,
        result: CheckResult,
        random: &Random,
        now: Millis,
    ) {
        let policy = &active.service.health;
        if !self.table.borrow().checks_would_change(policy, backend.id(), result, now) {
            return;
        }
        let mut failed_before = false;
        let changed = self.change(active, random, now, |table| {
            failed_before = table.fails_checks(policy, backend.id());
            table.report_checks(policy, backend.id(), result, now)
        });
        // A failing check is written again every few minutes, so that no worker forgets it. Such a repetition is not
        // logged.
        if changed && !(failed_before && result == CheckResult::Fails) {
            let (name, cluster) = (&active.service.name, backend.cluster());
            if result == CheckResult::Fails {
                log::warn!("service {name}: backend {cluster} fails its health checks");
            } else {
                log::info!("service {name}: backend {cluster} passes its health checks");
            }
        }
    }

    /// Changes the shared table by compare-and-swap. `change` returns whether it changed the table. If not, another
    /// worker was first. Returns whether the table has changed.
    fn change(
        &self,
        active: &ActiveService,
        random: &Random,
        now: Millis,
        mut change: impl FnMut(&mut HealthTable) -> bool,
    ) -> bool {
        let mut table = HealthTable::default();
        let written = host::change_shared_data(&self.table_key, |bytes| {
            table = HealthTable::from_bytes(bytes);
            let changed = change(&mut table);
            table.prune(now);
            changed.then(|| table.to_bytes())
        });
        let Some(changed) = written else {
            return false;
        };
        if changed {
            // This worker does not keep the new epoch, so it reads the table on its next tick. Another change may come
            // between the two writes.
            let _ = host::set_shared_data(&self.epoch_key, &random.number().to_be_bytes(), None);
        }
        let changes_at = active.refresh(&table, now);
        self.changes_at.set(self.changes_at.get().min(changes_at));
        self.table.replace(table);
        changed
    }
}

fn cluster(active: &ActiveService, backend: BackendId) -> &str {
    active.service.backends().get(backend).map_or("", |backend| backend.cluster())
}
