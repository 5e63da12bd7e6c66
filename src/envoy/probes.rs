//! Sends the probes of health checks and reads the responses. One worker of an Envoy probes for all workers.

use std::rc::Rc;
use std::time::Duration;

use super::active_service::ActiveService;
use super::host::{self, Headers, NotSent};
use super::worker::Worker;
use crate::balance::Backend;
use crate::health::checks::{HealthChecks, Probe, ProbeResult};
use crate::health::table::CheckResult;
use crate::session::Millis;

/// The worker that probes renews its lease on each tick. If the lease was not renewed for this long, another worker
/// takes over.
const TAKE_OVER_AFTER: Millis = 1_500;

/// One backend of one service.
#[derive(Clone, Debug)]
struct Subject {
    active: Rc<ActiveService>,
    backend: Rc<Backend>,
}

/// The probes of one worker.
#[derive(Debug)]
pub(super) struct Probes {
    checks: HealthChecks<Subject>,
    /// The key of the shared lease. Each configuration has a different key.
    lease_key: String,
    /// The id of this worker in the lease.
    worker_id: [u8; 8],
}

impl Probes {
    /// Probes every backend of every service that has health checks. `fingerprint` identifies the configuration.
    pub(super) fn new(worker: &Worker, fingerprint: u64) -> Self {
        let mut checks = HealthChecks::default();
        for active in worker.services() {
            if let Some(check) = active.service.health.health_check() {
                let backends = active.service.backends().iter();
                let subjects = backends
                    .map(|backend| Subject { active: Rc::clone(active), backend: Rc::clone(backend) });
                checks.add(check, subjects, worker.now());
            }
        }
        let lease_key = host::shared_key(&format!("prober/{fingerprint:016x}"));
        if !checks.is_empty() {
            host::create_shared_data(&lease_key);
        }
        Self { checks, lease_key, worker_id: worker.random().number().to_be_bytes() }
    }

    /// Sends the probes that are due, if this worker is the one that probes.
    pub(super) fn send_due(&mut self, worker: &Worker) {
        if self.checks.is_empty() || !self.holds_lease(worker) {
            return;
        }
        for probe in self.checks.due(worker.now()) {
            let result = match send(&probe) {
                Ok(token) => {
                    self.checks.sent(token, &probe);
                    continue;
                }
                Err(NotSent::UnknownCluster) => ProbeResult::Failed,
                Err(NotSent::Refused) => ProbeResult::NotSent,
            };
            report(worker, self.checks.note(&probe, result));
        }
    }

    /// Handles the response to the probe with this token. A failed probe has no headers, and Envoy then has no header
    /// map.
    pub(super) fn take_answer(&mut self, worker: &Worker, token: u32, header_count: usize) {
        let result = if header_count == 0 { ProbeResult::Failed } else { result_of_answer() };
        let noted = self.checks.answered(token, result);
        report(worker, noted);
    }

    /// Whether this worker holds the lease. Takes over an expired lease. A worker that serves requests never probes: an
    /// update may have replaced its configuration, and its connection pools may be full of requests. Envoy's main
    /// thread runs the plugin too, serves no requests, and can always probe.
    fn holds_lease(&self, worker: &Worker) -> bool {
        if worker.serves() {
            return false;
        }
        let now = worker.now();
        let (lease, version) = host::shared_data(&self.lease_key);
        let is_taken = Lease::from_bytes(&lease).is_some_and(|lease| {
            let is_silent = lease.renewed_at.abs_diff(now) >= TAKE_OVER_AFTER;
            lease.worker_id != self.worker_id && !is_silent
        });
        let lease = Lease { worker_id: self.worker_id, renewed_at: now };
        !is_taken && host::set_shared_data(&self.lease_key, &lease.to_bytes(), version)
    }
}

/// The right to probe.
struct Lease {
    worker_id: [u8; 8],
    renewed_at: Millis,
}

impl Lease {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (worker_id, rest) = bytes.split_first_chunk()?;
        let renewed_at = Millis::from_be_bytes(rest.try_into().ok()?);
        Some(Self { worker_id: *worker_id, renewed_at })
    }

    fn to_bytes(&self) -> Vec<u8> {
        [self.worker_id, self.renewed_at.to_be_bytes()].concat()
    }
}

fn send(probe: &Probe<Subject>) -> Result<u32, NotSent> {
    let Subject { active, backend } = &probe.subject;
    let check = active.service.health.health_check().ok_or(NotSent::Refused)?;
    let timeout = Duration::from_secs(check.timeout_sec().into());
    host::send_get(backend.cluster(), check.host_for(backend.cluster()), check.request_path(), timeout)
}

/// The result according to the response headers. A response because of Envoy's own limits says nothing about the
/// backend.
fn result_of_answer() -> ProbeResult {
    if host::header(Headers::ProbeResponse, ":status").is_some_and(|status| status == b"200") {
        ProbeResult::Passed
    } else if host::header(Headers::ProbeResponse, "x-envoy-overloaded").is_some() {
        ProbeResult::NotSent
    } else {
        ProbeResult::Failed
    }
}

fn report(worker: &Worker, noted: Option<(Subject, CheckResult)>) {
    if let Some((Subject { active, backend }, result)) = noted {
        worker.report_checks(&active, &backend, result);
    }
}
