//! The health of backends, as all workers of an Envoy know it.

use super::entry::{BackendKey, ENTRY_LEN, Entry};
use super::{HealthPolicy, ResponseClass};
use crate::balance::BackendId;
use crate::session::Millis;

/// An entry that has not changed for this long is dropped.
const FORGET_AFTER: Millis = 600_000;

/// What a response says about one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    /// The backend.
    pub(crate) backend: BackendId,
    /// What the response says.
    pub(crate) class: ResponseClass,
    /// Whether the backend was unavailable when the request was routed. This happens if all backends were unavailable,
    /// or if Envoy chose this backend in place of another. Only the success of such a request ends an ejection: other
    /// requests may be older than the ejection.
    pub(crate) was_unavailable: bool,
}

/// The effect of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    /// The table has not changed.
    Nothing,
    /// The table has changed.
    Noted,
    /// The backend is ejected for this many milliseconds.
    Ejected(Millis),
    /// The backend's ejection has ended.
    Returned,
}

/// What health checks say about a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckResult {
    /// The number of consecutive failed probes reached the unhealthy threshold.
    Fails,
    /// The number of consecutive passed probes reached the healthy threshold.
    Passes {
        /// When the first of these probes was sent.
        since: Millis,
    },
}

/// The health of all backends, as all workers of one Envoy know it. [`prune`](Self::prune) limits the size of the
/// table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HealthTable {
    /// Sorted by key.
    entries: Vec<(BackendKey, Entry)>,
}

impl HealthTable {
    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Other bytes give an empty table, or entries that belong to no
    /// configured backend.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut table = Self::default();
        for (key, entry) in bytes.as_chunks::<ENTRY_LEN>().0.iter().filter_map(Entry::from_bytes) {
            // `to_bytes` wrote the entries sorted by key, so each entry is appended. Entries in another order are
            // dropped.
            if table.entries.last().is_none_or(|(last, _)| *last < key) {
                table.entries.push((key, entry));
            }
        }
        table
    }

    /// The encoded table for other workers.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len().saturating_mul(ENTRY_LEN));
        for (key, entry) in &self.entries {
            entry.push_to(*key, &mut bytes);
        }
        bytes
    }

    /// Whether [`report`](Self::report) would change the table.
    pub(crate) fn would_change(&self, policy: &HealthPolicy, observation: Observation, now: Millis) -> bool {
        let Observation { backend, class, was_unavailable } = observation;
        let entry = self.entry(policy, backend);
        let is_ejected = entry.is_ejected(now);
        let settings = policy.outlier_detection();
        let counts_local = settings.consecutive_local_origin_failure.get() > 0;
        let counts_gateway = settings.counts_gateway_errors();
        let counts = match class {
            ResponseClass::Nothing | ResponseClass::TimedOut => return false,
            ResponseClass::Answered if is_ejected => return was_unavailable,
            ResponseClass::Answered => return entry.is_failing(),
            ResponseClass::NotConnected | ResponseClass::NoHost => counts_local,
            ResponseClass::GatewayError => counts_gateway || entry.local_origin_failures > 0,
            ResponseClass::AnsweredElsewhere => counts_gateway || counts_local,
        };
        // Further failures of a backend at the threshold change nothing while it must not be ejected.
        counts && !is_ejected && (!entry.is_at_threshold(policy) || self.may_eject(policy, now))
    }

    /// Records what a response says about a backend.
    pub(crate) fn report(
        &mut self,
        policy: &HealthPolicy,
        observation: Observation,
        now: Millis,
    ) -> Reported {
        if !self.would_change(policy, observation, now) {
            return Reported::Nothing;
        }
        let Observation { backend, class, .. } = observation;
        let mut entry = self.entry(policy, backend);
        let settings = policy.outlier_detection();
        let counts_gateway = settings.counts_gateway_errors();
        match class {
            ResponseClass::Nothing | ResponseClass::TimedOut => return Reported::Nothing,
            ResponseClass::Answered => return self.report_success(policy, backend, now),
            ResponseClass::GatewayError => {
                // A connection was made, so the consecutive failures to connect end.
                entry.local_origin_failures = 0;
                entry.gateway_errors = entry.gateway_errors.saturating_add(u16::from(counts_gateway));
            }
            ResponseClass::AnsweredElsewhere if counts_gateway => {
                entry.gateway_errors = entry.gateway_errors.saturating_add(1);
            }
            ResponseClass::NotConnected | ResponseClass::NoHost | ResponseClass::AnsweredElsewhere => {
                entry.local_origin_failures = entry.local_origin_failures.saturating_add(1);
            }
        }
        self.put(policy, backend, entry, now);
        if entry.is_at_threshold(policy) && self.may_eject(policy, now) {
            self.eject(policy, backend, now)
        } else {
            Reported::Noted
        }
    }

    /// A successful response ends the consecutive failures. It also ends an ejection that was known when the request
    /// was routed.
    fn report_success(&mut self, policy: &HealthPolicy, backend: BackendId, now: Millis) -> Reported {
        let entry = self.entry(policy, backend);
        let was_ejected = entry.is_ejected(now);
        if was_ejected && self.is_panic(policy, now) {
            // All backends are unavailable, and all of them may be back. If only one became available, all sessions
            // would move to it. So all become available.
            self.change_all(policy, now, |entry| entry.after_success(now));
        } else {
            self.put(policy, backend, entry.after_success(now), now);
        }
        if was_ejected { Reported::Returned } else { Reported::Noted }
    }

    fn eject(&mut self, policy: &HealthPolicy, backend: BackendId, now: Millis) -> Reported {
        let mut entry = self.entry(policy, backend);
        // The count of consecutive ejections starts again if the backend was available for as long as its last
        // ejection.
        let last_length = policy.ejection_length(entry.ejections);
        let is_relapse = entry.ejected_until.saturating_add(last_length) > now;
        entry.ejections = if is_relapse { entry.ejections.saturating_add(1) } else { 1 };
        let length = policy.ejection_length(entry.ejections);
        entry.ejected_at = now;
        entry.ejected_until = now.saturating_add(length);
        self.put(policy, backend, entry, now);
        if self.is_panic(policy, now) {
            self.end_ejections_together(policy, now);
        }
        Reported::Ejected(length)
    }

    /// Lets all ejections end at the same time, after the last available backend was ejected. Otherwise all sessions
    /// would move to the backend whose ejection ends first.
    fn end_ejections_together(&mut self, policy: &HealthPolicy, now: Millis) {
        let ends = policy.backends().iter().map(|backend| self.entry(policy, backend.id()).ejected_until);
        let last = ends.max().unwrap_or(now);
        self.change_all(policy, now, |entry| {
            if entry.is_ejected(now) { Entry { ejected_until: last, ..entry } } else { entry }
        });
    }

    /// Whether [`report_checks`](Self::report_checks) would change the table. A failing check is repeated before the
    /// table forgets it.
    pub(crate) fn checks_would_change(
        &self,
        policy: &HealthPolicy,
        backend: BackendId,
        result: CheckResult,
        now: Millis,
    ) -> bool {
        let entry = self.entry(policy, backend);
        match result {
            CheckResult::Fails => {
                !entry.fails_checks || entry.changed_at.saturating_add(FORGET_AFTER / 2) <= now
            }
            CheckResult::Passes { since } => {
                entry.fails_checks || (entry.is_ejected(now) && since > entry.ejected_at)
            }
        }
    }

    /// Records what health checks say about a backend. Returns whether the table has changed.
    pub(crate) fn report_checks(
        &mut self,
        policy: &HealthPolicy,
        backend: BackendId,
        result: CheckResult,
        now: Millis,
    ) -> bool {
        if !self.checks_would_change(policy, backend, result, now) {
            return false;
        }
        let entry = self.entry(policy, backend);
        match result {
            CheckResult::Fails => self.put(policy, backend, Entry { fails_checks: true, ..entry }, now),
            // All backends become available, as in `report_success`. Backends that are still down fail their next
            // check.
            CheckResult::Passes { .. } if self.is_panic(policy, now) => {
                self.change_all(policy, now, |entry| entry.after_passed_checks(now));
            }
            // Probes that were sent after the ejection began end the ejection.
            CheckResult::Passes { since } if since > entry.ejected_at => {
                self.put(policy, backend, entry.after_passed_checks(now), now);
            }
            CheckResult::Passes { .. } => {
                self.put(policy, backend, Entry { fails_checks: false, ..entry }, now);
            }
        }
        true
    }

    /// Whether the backend fails its health checks.
    pub(crate) fn fails_checks(&self, policy: &HealthPolicy, backend: BackendId) -> bool {
        self.entry(policy, backend).fails_checks
    }

    /// Drops entries without failures, and entries that have not changed for ten minutes.
    pub(crate) fn prune(&mut self, now: Millis) {
        self.entries.retain(|(_, entry)| {
            let is_recent = entry.changed_at.saturating_add(FORGET_AFTER) > now;
            (entry.is_failing() || entry.ejections > 0 || entry.fails_checks) && is_recent
        });
    }

    fn get(&self, key: BackendKey) -> Option<&Entry> {
        let index = self.index(key).ok()?;
        self.entries.get(index).map(|(_, entry)| entry)
    }

    /// Whether the table has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn index(&self, key: BackendKey) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// The state of a backend. The results of its health checks have an entry of their own.
    pub(super) fn entry(&self, policy: &HealthPolicy, backend: BackendId) -> Entry {
        let responses = self.get(policy.key(backend)).copied().unwrap_or_default();
        match policy.check_key(backend).and_then(|key| self.get(key)) {
            Some(Entry { fails_checks, changed_at, .. }) => {
                Entry { fails_checks: *fails_checks, changed_at: *changed_at, ..responses }
            }
            None => Entry { fails_checks: false, ..responses },
        }
    }

    fn put(&mut self, policy: &HealthPolicy, backend: BackendId, entry: Entry, now: Millis) {
        let entry = Entry { changed_at: now, ..entry };
        self.insert(policy.key(backend), Entry { fails_checks: false, ..entry });
        if let Some(key) = policy.check_key(backend) {
            let Entry { fails_checks, changed_at, .. } = entry;
            self.insert(key, Entry { fails_checks, changed_at, ..Entry::default() });
        }
    }

    fn insert(&mut self, key: BackendKey, entry: Entry) {
        match self.index(key) {
            Ok(index) => {
                if let Some(known) = self.entries.get_mut(index) {
                    *known = (key, entry);
                }
            }
            Err(index) => self.entries.insert(index, (key, entry)),
        }
    }

    fn change_all(&mut self, policy: &HealthPolicy, now: Millis, change: impl Fn(Entry) -> Entry) {
        for backend in policy.backends().iter() {
            let entry = self.entry(policy, backend.id());
            self.put(policy, backend.id(), change(entry), now);
        }
    }

    /// Whether every backend of the service is unavailable.
    fn is_panic(&self, policy: &HealthPolicy, now: Millis) -> bool {
        policy.backends().iter().all(|backend| self.entry(policy, backend.id()).is_unavailable(policy, now))
    }

    /// Whether one more ejection stays within `maxEjectionPercent`. One backend can always be ejected, as in Envoy.
    fn may_eject(&self, policy: &HealthPolicy, now: Millis) -> bool {
        let is_ejected = |id| self.entry(policy, id).is_ejected(now);
        let ejected = policy.backends().iter().filter(|backend| is_ejected(backend.id())).count();
        let percent = usize::try_from(policy.outlier_detection().max_ejection_percent.get()).unwrap_or(0);
        ejected == 0
            || ejected.saturating_add(1).saturating_mul(100)
                <= policy.backends().len().saturating_mul(percent)
    }
}

#[cfg(test)]
mod tests;
