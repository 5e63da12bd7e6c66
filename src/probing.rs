//! Active health checks: which backend is probed when, and what the answers make of it. One worker of an Envoy
//! does this for all.

use std::collections::VecDeque;

use crate::backends::BackendId;
use crate::config::HealthCheck;
use crate::health::Health;
use crate::service::Services;
use crate::session::Millis;

/// So many probes go out in one tick at the most: ten thousand backends must not be asked at once.
const MAX_PER_TICK: usize = 500;

/// One backend to probe.
#[derive(Debug)]
struct Target {
    service: usize,
    backend: BackendId,
    due: Millis,
    /// When the probe under way, or the last one, was sent.
    sent_at: Millis,
    /// Failures in a row.
    failures: u32,
    /// When those were sent that passed, in a row: as many as it takes.
    passes: VecDeque<Millis>,
}

/// A probe to send: a GET of `path` to `cluster`, which fails after `timeout_sec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe<'a> {
    /// Stands for it in [`Prober::answered`].
    pub target: usize,
    /// The cluster of the backend.
    pub cluster: &'a str,
    /// Its `:authority`.
    pub host: &'a str,
    /// Its `:path`.
    pub path: &'a str,
    /// When it has failed.
    pub timeout_sec: u32,
}

/// What probes made certain of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The place of its service.
    pub service: usize,
    /// The backend.
    pub backend: BackendId,
    /// What they say of it.
    pub health: Health,
}

/// All targets of a configuration.
#[derive(Debug, Default)]
pub struct Prober {
    targets: Vec<Target>,
    /// Where the search for those that are due begins, so that none starves behind others.
    begin: usize,
    in_flight: Vec<(u32, usize)>,
}

impl Prober {
    /// Every backend of every service that has health checks. First probes are spread over one interval.
    #[must_use]
    pub fn new(services: &Services, now: Millis) -> Self {
        let mut targets = Vec::new();
        for (service, (check, backends)) in
            services.all().iter().map(|s| (&s.health_check, &s.backends)).enumerate()
        {
            let Some(check) = check else {
                continue;
            };
            let interval = interval(check);
            let count = Millis::try_from(backends.iter().len()).unwrap_or(Millis::MAX);
            for (index, backend) in (0..).zip(backends.iter()) {
                let delay = interval.saturating_mul(index).checked_div(count).unwrap_or(0);
                let due = now.saturating_add(delay);
                targets.push(Target {
                    service,
                    backend: backend.id(),
                    due,
                    sent_at: now,
                    failures: 0,
                    passes: VecDeque::new(),
                });
            }
        }
        Self { targets, begin: 0, in_flight: Vec::new() }
    }

    /// Whether there is anything to probe.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.targets.is_empty()
    }

    /// The probes that are due. Each is to be answered by [`sent`](Self::sent) or [`answered`](Self::answered).
    pub fn due<'s>(&mut self, services: &'s Services, now: Millis) -> Vec<Probe<'s>> {
        let mut probes = Vec::new();
        let begin = std::mem::take(&mut self.begin).min(self.targets.len());
        let (first, last) = self.targets.split_at_mut(begin);
        let in_turn = (begin..).zip(last).chain((0..).zip(first));
        for (index, target) in in_turn {
            if probes.len() >= MAX_PER_TICK {
                self.begin = index;
                break;
            }
            let Some(service) = services.all().get(target.service) else {
                continue;
            };
            let (Some(check), Some(backend)) = (&service.health_check, service.backends.get(target.backend))
            else {
                continue;
            };
            // Further off than an interval is a time of before the clock was set back.
            if target.due > now && target.due.saturating_sub(now) <= interval(check) {
                continue;
            }
            target.due = now.saturating_add(interval(check));
            target.sent_at = now;
            probes.push(Probe {
                target: index,
                cluster: backend.cluster(),
                host: check.host_for(backend.cluster()),
                path: check.request_path(),
                timeout_sec: check.timeout_sec(),
            });
        }
        probes
    }

    /// Notes that the host sent a probe and will answer under this token.
    pub fn sent(&mut self, token: u32, target: usize) {
        self.in_flight.push((token, target));
    }

    /// The target that a host's answer belongs to.
    pub fn target_of(&mut self, token: u32) -> Option<usize> {
        let index = self.in_flight.iter().position(|(sent, _)| *sent == token)?;
        Some(self.in_flight.swap_remove(index).1)
    }

    /// Notes a result. Returns what it makes certain, said again with each further result: another worker may
    /// have probed before and thought otherwise.
    pub fn answered(&mut self, services: &Services, target: usize, passed: bool) -> Option<Finding> {
        let target = self.targets.get_mut(target)?;
        let check = services.all().get(target.service)?.health_check.as_ref()?;
        let Target { sent_at, failures, passes, .. } = target;
        let health = if passed {
            *failures = 0;
            passes.push_back(*sent_at);
            let threshold = usize::try_from(check.healthy_threshold()).unwrap_or(usize::MAX);
            while passes.len() > threshold {
                passes.pop_front();
            }
            let since = passes.front().copied().filter(|_| passes.len() == threshold);
            since.map(|since| Health::Passes { since })
        } else {
            passes.clear();
            *failures = failures.saturating_add(1);
            (*failures >= check.unhealthy_threshold()).then_some(Health::Fails)
        };
        Some(Finding { service: target.service, backend: target.backend, health: health? })
    }
}

fn interval(check: &HealthCheck) -> Millis {
    Millis::from(check.check_interval_sec()).saturating_mul(1000)
}
