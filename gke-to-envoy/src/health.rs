//! Health checks as GKE has them: its own defaults, over them the pods' readiness probe, over that the BackendConfig.

use crate::manifest::{AppProtocol, BackendConfig, PortRef, Probe, ServicePort, Workload};
use crate::report::Report;

/// How a pod is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The path that is asked for; only status 200 passes.
    pub path: String,
    /// Seconds between two probes.
    pub interval: u32,
    /// Seconds that an answer may take, at most `interval`.
    pub timeout: u32,
    /// So many good answers make a pod healthy.
    pub healthy_threshold: u32,
    /// So many bad ones make it unhealthy.
    pub unhealthy_threshold: u32,
    /// The port that is asked, where it is not that of the requests.
    pub port: Option<u16>,
    /// The `Host` that is sent, where it is a special one.
    pub host: Option<String>,
}

/// What the filter and Google Cloud take.
const LONGEST: u32 = 300;

impl Default for Health {
    /// GKE's, where pods are reached directly.
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: 15,
            timeout: 15,
            healthy_threshold: 1,
            unhealthy_threshold: 2,
            port: None,
            host: None,
        }
    }
}

impl Health {
    /// Whether it takes Envoy's own health checks: the filter's go to the cluster's port and host.
    #[must_use]
    pub fn is_special(&self) -> bool {
        self.port.is_some() || self.host.is_some()
    }
}

/// How the pods behind a port are checked.
pub fn of(
    workloads: &[&Workload],
    port: &ServicePort,
    protocol: AppProtocol,
    config: Option<&BackendConfig>,
    report: &mut Report,
) -> Health {
    let mut health = Health::default();
    if let Some(probe) = workloads.iter().find_map(|workload| probe(workload, port, protocol)) {
        apply_probe(&mut health, probe, report);
    }
    let Some(check) = config.and_then(|config| config.health_check.as_ref()) else { return health };
    let target = workloads.iter().find_map(|workload| workload.port(&port.target));
    if let Some(written) = check.protocol.as_ref().filter(|written| written.value != protocol) {
        let why = format!("pods are probed by the protocol of their requests, {}", protocol.name());
        report.not_carried_over(&written.place, why);
    }
    health.path = check.request_path.clone().unwrap_or(health.path);
    health.interval = check.check_interval_sec.unwrap_or(health.interval);
    health.healthy_threshold = check.healthy_threshold.unwrap_or(health.healthy_threshold);
    health.unhealthy_threshold = check.unhealthy_threshold.unwrap_or(health.unhealthy_threshold);
    health.port = check.port.as_ref().map(|port| port.value).filter(|port| Some(*port) != target);
    match &check.timeout_sec {
        Some(timeout) if timeout.value > health.interval => {
            let allowed = format!("at most checkIntervalSec, which is {}", health.interval);
            report.mistake(
                &timeout.place,
                "longer than the time between two probes",
                &allowed,
                timeout.value,
            );
        }
        Some(timeout) => health.timeout = timeout.value,
        None => health.timeout = health.timeout.min(health.interval),
    }
    health
}

/// The readiness probe that GKE takes over: over HTTP, of the container that has the port, on that port.
fn probe<'a>(workload: &'a Workload, port: &ServicePort, protocol: AppProtocol) -> Option<&'a Probe> {
    workload.containers.iter().find_map(|container| {
        let probe = container.readiness.as_ref()?;
        let is_tls = protocol != AppProtocol::Http;
        let declared = container.ports.iter().find(|declared| match &port.target {
            PortRef::Number(number) => declared.number == *number,
            PortRef::Name(name) => declared.name.as_ref() == Some(name),
        })?;
        let is_its_port = match &probe.port {
            PortRef::Number(number) => declared.number == *number,
            PortRef::Name(name) => declared.name.as_ref() == Some(name),
        };
        (is_its_port && probe.https == is_tls).then_some(probe)
    })
}

fn apply_probe(health: &mut Health, probe: &Probe, report: &mut Report) {
    health.path.clone_from(&probe.path);
    health.host.clone_from(&probe.host);
    health.interval = probe.period.min(LONGEST);
    health.timeout = probe.timeout.min(health.interval);
    if (health.interval, health.timeout) != (probe.period, probe.timeout) {
        let text = format!(
            "pods are probed every {} s and wait {} s for an answer: a probe takes no longer than the time to the next \
             one, and that is at most {LONGEST} s",
            health.interval, health.timeout,
        );
        report.note(&probe.place, text);
    }
}
