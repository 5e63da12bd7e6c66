//! Health checks as GKE has them: its own defaults, over them the pods' readiness probe, over that the BackendConfig.

use serde::Serialize;
use serde_saphyr::Spanned;

use super::manifests::backend_config::HealthCheck;
use super::manifests::fields::{Port, PortRef, RequestPath};
use super::manifests::service::AppProtocol;
use super::manifests::workload::{Container, HttpGet, Probe};
use super::manifests::{Manifest, Workload};
use super::remarks::Remarks;

/// How a pod is checked, in the words of the filter's `healthCheck`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The path that is asked for. Only status 200 passes.
    pub request_path: String,
    pub check_interval_sec: u32,
    /// At most the interval.
    pub timeout_sec: u32,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    /// The port that is asked, where it is not that of the requests.
    #[serde(skip)]
    pub port: Option<u16>,
    /// The `Host` that is sent, where it is a special one.
    #[serde(skip)]
    pub host: Option<String>,
}

/// The longest interval that the filter and Google Cloud take.
const LONGEST: u32 = 300;

impl Default for Health {
    /// GKE's, where pods are reached directly.
    fn default() -> Self {
        Self {
            request_path: "/".to_owned(),
            check_interval_sec: 15,
            timeout_sec: 15,
            healthy_threshold: 1,
            unhealthy_threshold: 2,
            port: None,
            host: None,
        }
    }
}

impl Health {
    /// The check that the pods' readiness probe asks for, or GKE's own.
    pub fn of_pods(
        workloads: &[&Workload],
        target: &PortRef,
        protocol: AppProtocol,
        remarks: &mut Remarks,
    ) -> Self {
        for workload in workloads {
            let containers = &workload.spec.template.spec.containers;
            let Some((probe, http)) = containers.iter().find_map(|one| taken_over(one, target, protocol))
            else {
                continue;
            };
            return Self::of_probe(workload, probe, http, remarks);
        }
        Self::default()
    }

    fn of_probe(workload: &Workload, probe: &Spanned<Probe>, http: &HttpGet, remarks: &mut Remarks) -> Self {
        let path = http.path.as_ref().map_or("", |path| &*path.value);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if let (Err(error), Some(written)) = (RequestPath::try_from(path.clone()), &http.path) {
            let (message, help) = error.split_once(", expected ").unwrap_or((&error, "a path"));
            remarks.error(workload.at(written), message, format!("write {help}"));
        }
        let period = probe.value.period_seconds.map_or(10, |period| period.0);
        let wanted = probe.value.timeout_seconds.map_or(1, |timeout| timeout.0);
        let interval = period.min(LONGEST);
        let timeout = wanted.min(interval);
        if (interval, timeout) != (period, wanted) {
            let text = format!(
                "pods are probed every {interval} s and wait {timeout} s for an answer: a probe takes no longer than \
                 the time to the next one, and that is at most {LONGEST} s"
            );
            remarks.note(workload.at(probe), text);
        }
        let host = http.http_headers.iter().flatten().next().map(|header| header.value.clone());
        let (check_interval_sec, timeout_sec) = (interval, timeout);
        Self { request_path: path, check_interval_sec, timeout_sec, host, ..Self::default() }
    }

    /// The same check with what a BackendConfig or a policy says of it. `target` is the port of the requests.
    pub fn with<S>(
        mut self,
        config: &Manifest<S>,
        check: &HealthCheck,
        target: Option<u16>,
        protocol: AppProtocol,
        remarks: &mut Remarks,
    ) -> Self {
        if let Some(written) = check.protocol.as_ref().filter(|written| written.value != protocol) {
            let why = "pods are probed by the protocol of their requests";
            remarks.not_carried_over(config.at(written), why);
        }
        if let Some(path) = &check.request_path {
            self.request_path.clone_from(&path.0);
        }
        self.check_interval_sec = check.check_interval_sec.map_or(self.check_interval_sec, |value| value.0);
        self.healthy_threshold = check.healthy_threshold.map_or(self.healthy_threshold, |value| value.0);
        self.unhealthy_threshold =
            check.unhealthy_threshold.map_or(self.unhealthy_threshold, |value| value.0);
        self.port = check.port.map(Port::number).filter(|port| Some(*port) != target);
        self.timeout_sec = match &check.timeout_sec {
            Some(timeout) if timeout.value.0 > self.check_interval_sec => {
                let message = format!("{} s are longer than the time between two probes", timeout.value.0);
                let help = format!("write at most checkIntervalSec, which is {}", self.check_interval_sec);
                remarks.error(config.at(timeout), message, help);
                self.check_interval_sec
            }
            Some(timeout) => timeout.value.0,
            None => self.timeout_sec.min(self.check_interval_sec),
        };
        self
    }

    /// Whether it takes Envoy's own health checks: the filter's go to the cluster's port and host.
    pub fn is_special(&self) -> bool {
        self.port.is_some() || self.host.is_some()
    }
}

/// The readiness probe that GKE takes over: over HTTP, of the container that has the port, on that port. A probe with
/// a host or headers of its own is not taken over, but for a header `Host`.
fn taken_over<'a>(
    container: &'a Container,
    target: &PortRef,
    protocol: AppProtocol,
) -> Option<(&'a Spanned<Probe>, &'a HttpGet)> {
    let probe = container.readiness_probe.as_ref()?;
    let http = probe.value.http_get.as_ref()?;
    let declared = container.ports.iter().flatten().find(|declared| declared.is(target))?;
    let is_https = http.scheme.as_deref() == Some("HTTPS");
    let has_own_host = match http.http_headers.as_deref().unwrap_or_default() {
        [] => false,
        [header] => header.name != "Host",
        _ => true,
    };
    let is_taken_over = declared.is(&http.port)
        && is_https == (protocol != AppProtocol::Http)
        && http.host.is_none()
        && !has_own_host;
    is_taken_over.then_some((probe, http))
}
