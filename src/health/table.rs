//! What all workers of an Envoy know about the health of backends.

use std::rc::Rc;

use super::ResponseClass;
use crate::balance::hash::{hash, mix};
use crate::balance::{BackendId, Backends};
use crate::config::{HealthCheck, OutlierDetection};
use crate::session::Millis;

/// Maximum length of an ejection.
const MAX_EJECTION: Millis = 300_000;
/// An entry that has not changed for this long is dropped.
const FORGET_AFTER: Millis = 600_000;

/// How the health of a service's backends is judged.
#[derive(Debug)]
pub(crate) struct HealthPolicy {
    service: u64,
    backends: Rc<Backends>,
    outlier_detection: OutlierDetection,
    health_check: Option<HealthCheck>,
}

impl HealthPolicy {
    /// The policy of the service of this name.
    pub(crate) fn new(
        service: &str,
        backends: Rc<Backends>,
        outlier_detection: OutlierDetection,
        health_check: Option<HealthCheck>,
    ) -> Self {
        Self { service: hash(service.as_bytes()), backends, outlier_detection, health_check }
    }

    /// The backends of the service.
    pub(crate) fn backends(&self) -> &Rc<Backends> {
        &self.backends
    }

    /// How responses are judged.
    pub(crate) const fn outlier_detection(&self) -> &OutlierDetection {
        &self.outlier_detection
    }

    /// How backends are probed, if they are.
    pub(crate) const fn health_check(&self) -> Option<&HealthCheck> {
        self.health_check.as_ref()
    }

    /// The key of a backend of this service. A service may have the name of its backend.
    pub(crate) const fn key(&self, backend: BackendId) -> BackendKey {
        BackendKey(mix(self.service.wrapping_add(mix(backend.to_bits()))))
    }

    /// The length of the n-th ejection in a row.
    fn ejection_length(&self, ejections: u16) -> Millis {
        let base = Millis::from(self.outlier_detection.base_ejection_time_sec.get()).saturating_mul(1000);
        base.saturating_mul(ejections.into()).min(MAX_EJECTION)
    }
}

/// One backend of one service, as the table knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackendKey(u64);

/// What is known about one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Consecutive local origin failures.
    local_origin_failures: u16,
    /// Consecutive gateway errors.
    gateway_errors: u16,
    /// Consecutive ejections.
    ejections: u16,
    /// Whether the backend fails its health checks.
    fails_checks: bool,
    /// When the last ejection began. 0: never ejected.
    ejected_at: Millis,
    /// When the last ejection ends.
    pub(super) ejected_until: Millis,
    /// When the entry last changed.
    changed_at: Millis,
}

impl Entry {
    /// Whether the backend is unavailable. What found it unavailable must still be configured: it alone would find that
    /// the backend is back.
    pub(super) const fn is_unavailable(&self, policy: &HealthPolicy, now: Millis) -> bool {
        let fails_checks = self.fails_checks && policy.health_check.is_some();
        fails_checks || (self.is_ejected(now) && policy.outlier_detection.is_on())
    }

    /// Whether the backend is ejected. An end further off than any ejection can last is from before the clock was set
    /// back. Workers read the clock once per tick, hence the factor.
    pub(super) const fn is_ejected(&self, now: Millis) -> bool {
        self.ejected_until > now && self.ejected_until.saturating_sub(now) <= MAX_EJECTION.saturating_mul(2)
    }

    /// Whether the latest responses were failures.
    pub(super) const fn is_failing(&self) -> bool {
        self.local_origin_failures > 0 || self.gateway_errors > 0
    }

    /// Whether there are enough consecutive failures for an ejection.
    fn is_at_threshold(&self, policy: &HealthPolicy) -> bool {
        let settings = &policy.outlier_detection;
        reaches(self.local_origin_failures, settings.consecutive_local_origin_failure.get())
            || reaches(self.gateway_errors, settings.consecutive_gateway_errors.get())
    }

    /// The same entry after a successful response. The ejections still count.
    fn after_success(self, now: Millis) -> Self {
        let ejected_until = self.ejected_until.min(now);
        Self { local_origin_failures: 0, gateway_errors: 0, ejected_until, ..self }
    }

    /// The same entry after passed health checks.
    fn after_passed_checks(self, now: Millis) -> Self {
        Self { fails_checks: false, ..self.after_success(now) }
    }
}

/// What a response says about one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    /// The backend.
    pub(crate) backend: BackendId,
    /// What the response says.
    pub(crate) class: ResponseClass,
    /// Whether the backend was unavailable when the request was routed: all backends were, or Envoy chose it in place
    /// of another. Such an answer ends an ejection. An answer that was under way when the ejection began does not.
    pub(crate) was_unavailable: bool,
}

/// What became of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    /// The table knew it already.
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
    /// As many probes in a row failed as the unhealthy threshold says.
    Fails,
    /// As many probes in a row passed as the healthy threshold says.
    Passes {
        /// When the first of these probes was sent.
        since: Millis,
    },
}

/// What all workers of one Envoy know about all backends. [`prune`](Self::prune) bounds its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HealthTable {
    /// In the order of their keys.
    entries: Vec<(BackendKey, Entry)>,
}

impl HealthTable {
    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Other bytes make an empty table, or one that says nothing of any
    /// configured backend.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut table = Self::default();
        for (key, entry) in bytes.as_chunks::<ENTRY_LEN>().0.iter().filter_map(decode) {
            // `to_bytes` wrote the entries in the order of their keys, so each one comes last.
            if table.entries.last().is_none_or(|(last, _)| *last < key) {
                table.entries.push((key, entry));
            }
        }
        table
    }

    /// The table for other workers.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len().saturating_mul(ENTRY_LEN));
        for (key, entry) in &self.entries {
            encode(*key, entry, &mut bytes);
        }
        bytes
    }

    /// Whether [`report`](Self::report) would change the table.
    pub(crate) fn would_change(&self, policy: &HealthPolicy, observation: Observation, now: Millis) -> bool {
        let Observation { backend, class, was_unavailable } = observation;
        let entry = self.entry(policy, backend);
        let is_ejected = entry.is_ejected(now);
        let settings = &policy.outlier_detection;
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
        // Further failures of a backend that must not be ejected say nothing new.
        counts && !is_ejected && (!entry.is_at_threshold(policy) || self.may_eject(policy, now))
    }

    /// Notes what a response says about a backend.
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
        let settings = &policy.outlier_detection;
        let counts_gateway = settings.counts_gateway_errors();
        match class {
            ResponseClass::Nothing | ResponseClass::TimedOut => return Reported::Nothing,
            ResponseClass::Answered => return self.report_success(policy, backend, now),
            ResponseClass::GatewayError => {
                // A connection was made: that ends a series of failures to connect.
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

    /// A successful response ends a series of failures, and an ejection that was known when the request was routed.
    fn report_success(&mut self, policy: &HealthPolicy, backend: BackendId, now: Millis) -> Reported {
        let entry = self.entry(policy, backend);
        let was_ejected = entry.is_ejected(now);
        if was_ejected && self.is_panic(policy, now) {
            // Every backend was ejected at the same time, and every backend may be back: otherwise all sessions would
            // move to the one that answered first.
            self.change_all(policy, now, |entry| entry.after_success(now));
        } else {
            self.put(policy, backend, entry.after_success(now), now);
        }
        if was_ejected { Reported::Returned } else { Reported::Noted }
    }

    fn eject(&mut self, policy: &HealthPolicy, backend: BackendId, now: Millis) -> Reported {
        let mut entry = self.entry(policy, backend);
        // A backend that was available for as long as its last ejection lasted starts anew.
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

    /// The last available backend was ejected. Whichever ejection ended first would draw all sessions to its backend.
    fn end_ejections_together(&mut self, policy: &HealthPolicy, now: Millis) {
        let ends = policy.backends.iter().map(|backend| self.entry(policy, backend.id()).ejected_until);
        let last = ends.max().unwrap_or(now);
        self.change_all(policy, now, |entry| {
            if entry.is_ejected(now) { Entry { ejected_until: last, ..entry } } else { entry }
        });
    }

    /// Whether [`report_checks`](Self::report_checks) would change the table. That checks fail is repeated now and then,
    /// before it is forgotten.
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

    /// Notes what health checks say about a backend. Returns whether the table has changed.
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
            // As in `report_success`. Backends that are still down fail their next check.
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

    /// Drops entries that say nothing, and entries that have not changed for ten minutes.
    pub(crate) fn prune(&mut self, now: Millis) {
        self.entries.retain(|(_, entry)| {
            let is_recent = entry.changed_at.saturating_add(FORGET_AFTER) > now;
            (entry.is_failing() || entry.ejections > 0 || entry.fails_checks) && is_recent
        });
    }

    /// What the table knows about a backend.
    pub(super) fn get(&self, key: BackendKey) -> Option<&Entry> {
        let index = self.index(key).ok()?;
        self.entries.get(index).map(|(_, entry)| entry)
    }

    /// Whether the table knows nothing about any backend.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn index(&self, key: BackendKey) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }

    fn entry(&self, policy: &HealthPolicy, backend: BackendId) -> Entry {
        self.get(policy.key(backend)).copied().unwrap_or_default()
    }

    fn put(&mut self, policy: &HealthPolicy, backend: BackendId, entry: Entry, now: Millis) {
        let key = policy.key(backend);
        let entry = (key, Entry { changed_at: now, ..entry });
        match self.index(key) {
            Ok(index) => {
                if let Some(known) = self.entries.get_mut(index) {
                    *known = entry;
                }
            }
            Err(index) => self.entries.insert(index, entry),
        }
    }

    fn change_all(&mut self, policy: &HealthPolicy, now: Millis, change: impl Fn(Entry) -> Entry) {
        for backend in policy.backends.iter() {
            let entry = self.entry(policy, backend.id());
            self.put(policy, backend.id(), change(entry), now);
        }
    }

    /// Whether every backend of the service is unavailable.
    fn is_panic(&self, policy: &HealthPolicy, now: Millis) -> bool {
        policy.backends.iter().all(|backend| self.entry(policy, backend.id()).is_unavailable(policy, now))
    }

    /// Whether one more ejection stays within `maxEjectionPercent`. One backend can always be ejected, as in Envoy.
    fn may_eject(&self, policy: &HealthPolicy, now: Millis) -> bool {
        let is_ejected = |id| self.entry(policy, id).is_ejected(now);
        let ejected = policy.backends.iter().filter(|backend| is_ejected(backend.id())).count();
        let percent = usize::try_from(policy.outlier_detection.max_ejection_percent.get()).unwrap_or(0);
        ejected == 0
            || ejected.saturating_add(1).saturating_mul(100) <= policy.backends.len().saturating_mul(percent)
    }
}

fn reaches(failures: u16, threshold: u32) -> bool {
    threshold > 0 && u32::from(failures) >= threshold
}

/// Bytes of one encoded entry.
const ENTRY_LEN: usize = 39;

/// Big-endian: key, local origin failures, gateway errors, ejections, fails checks, ejected at, ejected until, changed
/// at.
fn encode(key: BackendKey, entry: &Entry, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&key.0.to_be_bytes());
    for count in [entry.local_origin_failures, entry.gateway_errors, entry.ejections] {
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    bytes.push(u8::from(entry.fails_checks));
    for time in [entry.ejected_at, entry.ejected_until, entry.changed_at] {
        bytes.extend_from_slice(&time.to_be_bytes());
    }
}

fn decode(bytes: &[u8; ENTRY_LEN]) -> Option<(BackendKey, Entry)> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (local_origin_failures, rest) = rest.split_first_chunk()?;
    let (gateway_errors, rest) = rest.split_first_chunk()?;
    let (ejections, rest) = rest.split_first_chunk()?;
    let (&[fails_checks], rest) = rest.split_first_chunk()?;
    let (ejected_at, rest) = rest.split_first_chunk()?;
    let (ejected_until, changed_at) = rest.split_first_chunk()?;
    let entry = Entry {
        local_origin_failures: u16::from_be_bytes(*local_origin_failures),
        gateway_errors: u16::from_be_bytes(*gateway_errors),
        ejections: u16::from_be_bytes(*ejections),
        fails_checks: fails_checks != 0,
        ejected_at: u64::from_be_bytes(*ejected_at),
        ejected_until: u64::from_be_bytes(*ejected_until),
        changed_at: u64::from_be_bytes(changed_at.try_into().ok()?),
    };
    Some((BackendKey(u64::from_be_bytes(*key)), entry))
}

#[cfg(test)]
mod tests;
