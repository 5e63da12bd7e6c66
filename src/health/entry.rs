//! The state of one backend of one service, and its encoding for other workers.

use super::HealthPolicy;
use crate::session::Millis;

/// Maximum length of an ejection.
pub(super) const MAX_EJECTION: Millis = 300_000;
/// How far in the future an ejection may begin, because workers read the clock once per tick. A smaller step back of
/// the clock lengthens the ejection.
const CLOCK_TOLERANCE: Millis = 10_000;
/// Bytes of one encoded entry.
pub(crate) const ENTRY_LEN: usize = 39;

/// Identifies a backend of a service in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackendKey(pub(super) u64);

/// The state of one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Consecutive local origin failures.
    pub(super) local_origin_failures: u16,
    /// Consecutive gateway errors.
    pub(super) gateway_errors: u16,
    /// Consecutive ejections.
    pub(super) ejections: u16,
    /// Whether the backend fails its health checks.
    pub(super) fails_checks: bool,
    /// When the last ejection began. 0: never ejected.
    pub(super) ejected_at: Millis,
    /// When the last ejection ends.
    pub(super) ejected_until: Millis,
    /// When the entry last changed.
    pub(super) changed_at: Millis,
}

impl Entry {
    /// Whether the backend is unavailable. A failed health check counts only while health checks are configured. An
    /// ejection counts only while outlier detection is on. Otherwise nothing would detect that the backend is available
    /// again.
    pub(super) const fn is_unavailable(&self, policy: &HealthPolicy, now: Millis) -> bool {
        let fails_checks = self.fails_checks && policy.health_check().is_some();
        fails_checks || (self.is_ejected(now) && policy.outlier_detection().is_on())
    }

    /// Whether the backend is ejected. An ejection that begins in the future was recorded before the clock was set
    /// back, and does not count.
    pub(super) const fn is_ejected(&self, now: Millis) -> bool {
        self.ejected_at <= now.saturating_add(CLOCK_TOLERANCE) && now < self.ejected_until
    }

    /// Whether the latest responses were failures.
    pub(super) const fn is_failing(&self) -> bool {
        self.local_origin_failures > 0 || self.gateway_errors > 0
    }

    /// Whether there are enough consecutive failures for an ejection.
    pub(super) fn is_at_threshold(&self, policy: &HealthPolicy) -> bool {
        let settings = policy.outlier_detection();
        reaches(self.local_origin_failures, settings.consecutive_local_origin_failure.get())
            || reaches(self.gateway_errors, settings.consecutive_gateway_errors.get())
    }

    /// The same entry after a successful response. The ejections still count.
    pub(super) fn after_success(self, now: Millis) -> Self {
        let ejected_until = self.ejected_until.min(now);
        Self { local_origin_failures: 0, gateway_errors: 0, ejected_until, ..self }
    }

    /// The same entry after passed health checks.
    pub(super) fn after_passed_checks(self, now: Millis) -> Self {
        Self { fails_checks: false, ..self.after_success(now) }
    }

    /// Appends the encoded entry: big-endian key, local origin failures, gateway errors, ejections, fails checks, ejected
    /// at, ejected until, changed at.
    pub(super) fn push_to(&self, key: BackendKey, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&key.0.to_be_bytes());
        for count in [self.local_origin_failures, self.gateway_errors, self.ejections] {
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        bytes.push(u8::from(self.fails_checks));
        for time in [self.ejected_at, self.ejected_until, self.changed_at] {
            bytes.extend_from_slice(&time.to_be_bytes());
        }
    }

    /// Reads what [`push_to`](Self::push_to) wrote.
    pub(super) fn from_bytes(bytes: &[u8; ENTRY_LEN]) -> Option<(BackendKey, Self)> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (local_origin_failures, rest) = rest.split_first_chunk()?;
        let (gateway_errors, rest) = rest.split_first_chunk()?;
        let (ejections, rest) = rest.split_first_chunk()?;
        let (&[fails_checks], rest) = rest.split_first_chunk()?;
        let (ejected_at, rest) = rest.split_first_chunk()?;
        let (ejected_until, changed_at) = rest.split_first_chunk()?;
        let entry = Self {
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
}

fn reaches(failures: u16, threshold: u32) -> bool {
    threshold > 0 && u32::from(failures) >= threshold
}
