//! Active health checks: when each target is probed, and what the results mean. One worker of an Envoy probes for all
//! workers.

use std::collections::VecDeque;

use super::table::CheckResult;
use crate::config::HealthCheck;
use crate::session::Millis;

/// Maximum probes per tick: ten thousand backends must not be probed at once.
const MAX_PER_TICK: usize = 500;

/// The result of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// The backend answered 200.
    Passed,
    /// The backend did not answer 200 in time.
    Failed,
    /// Envoy did not send the probe because of its own limits.
    NotSent,
}

/// All targets of probes. `T` identifies a backend.
#[derive(Debug)]
pub(crate) struct HealthChecks<T> {
    targets: Vec<Target<T>>,
    /// Index at which the next search for due targets begins, so that no target waits forever behind others.
    next: usize,
    /// The target of each probe that is under way, by the token of the host call.
    in_flight: Vec<(u32, usize)>,
}

#[derive(Debug)]
struct Target<T> {
    subject: T,
    interval: Millis,
    healthy_threshold: usize,
    unhealthy_threshold: u32,
    due: Millis,
    /// When the latest probe was sent.
    sent_at: Millis,
    /// Consecutive failures.
    failures: u32,
    /// When the latest consecutive passed probes were sent. At most as many as the healthy threshold.
    passes: VecDeque<Millis>,
}

/// A probe that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe<T> {
    /// What is probed.
    pub(crate) subject: T,
    target: usize,
}

impl<T> Default for HealthChecks<T> {
    fn default() -> Self {
        Self { targets: Vec::new(), next: 0, in_flight: Vec::new() }
    }
}

impl<T: Clone> HealthChecks<T> {
    /// Adds the backends of a service. Their first probes are spread over one interval.
    pub(crate) fn add(
        &mut self,
        check: &HealthCheck,
        subjects: impl ExactSizeIterator<Item = T>,
        now: Millis,
    ) {
        let interval = Millis::from(check.check_interval_sec()).saturating_mul(1000);
        let count = Millis::try_from(subjects.len()).unwrap_or(Millis::MAX);
        for (index, subject) in (0..).zip(subjects) {
            let delay = interval.saturating_mul(index).checked_div(count).unwrap_or(0);
            self.targets.push(Target {
                subject,
                interval,
                healthy_threshold: usize::try_from(check.healthy_threshold()).unwrap_or(usize::MAX),
                unhealthy_threshold: check.unhealthy_threshold(),
                due: now.saturating_add(delay),
                sent_at: now,
                failures: 0,
                passes: VecDeque::new(),
            });
        }
    }

    /// Whether there are no targets.
    pub(crate) const fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The probes that are due. The caller must call [`sent`](Self::sent) or [`note`](Self::note) for each.
    pub(crate) fn due(&mut self, now: Millis) -> Vec<Probe<T>> {
        let mut probes = Vec::new();
        let begin = std::mem::take(&mut self.next).min(self.targets.len());
        let (first, last) = self.targets.split_at_mut(begin);
        for (index, target) in (begin..).zip(last).chain((0..).zip(first)) {
            if probes.len() >= MAX_PER_TICK {
                self.next = index;
                break;
            }
            // A due time more than one interval away was set before the clock was set back.
            if target.due > now && target.due.saturating_sub(now) <= target.interval {
                continue;
            }
            target.due = now.saturating_add(target.interval);
            target.sent_at = now;
            probes.push(Probe { subject: target.subject.clone(), target: index });
        }
        probes
    }

    /// Records that Envoy sent a probe and will report its result with this token.
    pub(crate) fn sent(&mut self, token: u32, probe: &Probe<T>) {
        self.in_flight.push((token, probe.target));
    }

    /// Records the result of the probe with this token.
    pub(crate) fn answered(&mut self, token: u32, result: ProbeResult) -> Option<(T, CheckResult)> {
        let index = self.in_flight.iter().position(|(sent, _)| *sent == token)?;
        let (_, target) = self.in_flight.swap_remove(index);
        self.note_target(target, result)
    }

    /// Records the result of a probe that was not sent.
    pub(crate) fn note(&mut self, probe: &Probe<T>, result: ProbeResult) -> Option<(T, CheckResult)> {
        self.note_target(probe.target, result)
    }

    /// The state of the target, once a threshold is reached. Each further result returns the state again, because
    /// another worker may have probed before.
    fn note_target(&mut self, target: usize, result: ProbeResult) -> Option<(T, CheckResult)> {
        let target = self.targets.get_mut(target)?;
        let result = match result {
            ProbeResult::NotSent => None,
            ProbeResult::Passed => {
                target.failures = 0;
                target.passes.push_back(target.sent_at);
                while target.passes.len() > target.healthy_threshold {
                    target.passes.pop_front();
                }
                let is_reached = target.passes.len() == target.healthy_threshold;
                let since = target.passes.front().filter(|_| is_reached);
                since.map(|since| CheckResult::Passes { since: *since })
            }
            ProbeResult::Failed => {
                target.passes.clear();
                target.failures = target.failures.saturating_add(1);
                (target.failures >= target.unhealthy_threshold).then_some(CheckResult::Fails)
            }
        };
        Some((target.subject.clone(), result?))
    }
}

#[cfg(test)]
mod tests;
