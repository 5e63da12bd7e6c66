//! Health checks as in GKE: the pods' readiness probe overrides GKE's defaults, and the BackendConfig overrides both.

use serde::Serialize;
use serde_saphyr::Spanned;

use super::manifests::backend_config::HealthCheck;
use super::manifests::fields::{Port, PortRef, RequestPath};
use super::manifests::service::AppProtocol;
use super::manifests::workload::{Container, HttpGet, Probe};
use super::manifests::{Manifest, Workload};
use super::remarks::Remarks;

/// A health check, with the names of the filter's `healthCheck`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The path of the request. Only the status 200 passes.
    pub request_path: String,
    pub check_interval_sec: u32,
    /// At most the interval.
    pub timeout_sec: u32,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    /// The port, if it differs from the port of the requests.
    #[serde(skip)]
    pub port: Option<u16>,
    /// The `Host` header, if it is configured.
    #[serde(skip)]
    pub host: Option<String>,
}

/// The longest interval that the filter and Google Cloud accept, in seconds.
const LONGEST: u32 = 300;

impl Default for Health {
    /// GKE's default for network endpoint groups.
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
    /// The health check from the pods' readiness probe, or GKE's default.
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
                "the health check has an interval of {interval} s and a timeout of {timeout} s: the interval is at most \
                 {LONGEST} s, and the timeout at most the interval"
            );
            remarks.note(workload.at(probe), text);
        }
        let host = http.http_headers.iter().flatten().next().map(|header| header.value.clone());
        let (check_interval_sec, timeout_sec) = (interval, timeout);
        Self { request_path: path, check_interval_sec, timeout_sec, host, ..Self::default() }
    }

    /// The same check with the settings of a BackendConfig or a policy. `target` is the port of the requests.
    pub fn with<S>(
        mut self,
        config: &Manifest<S>,
        check: &HealthCheck,
        target: Option<u16>,
        protocol: AppProtocol,
        remarks: &mut Remarks,
    ) -> Self {
        if let Some(written) = check.protocol.as_ref().filter(|written| written.value != protocol) {
            let why = "health checks use the protocol of the requests";
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
                let message = format!("a timeout of {} s is longer than checkIntervalSec", timeout.value.0);
                let help = format!("write at most {}", self.check_interval_sec);
                remarks.error(config.at(timeout), message, help);
                self.check_interval_sec
            }
            Some(timeout) => timeout.value.0,
            None => self.timeout_sec.min(self.check_interval_sec),
        };
        self
    }

    /// Whether Envoy's own health checks are needed, because the filter's probes always use the cluster's port and
    /// host.
    pub fn is_special(&self) -> bool {
        self.port.is_some() || self.host.is_some()
    }
}

/// The readiness probe that GKE uses: an HTTP probe on the Service's port, in the container with that port. GKE ignores
/// a probe with a host or with headers other than `Host`.
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
    let is_taken_over =
        declared.is(&http.port) && is_https == protocol.is_tls() && http.host.is_none() && !has_own_host;
    is_taken_over.then_some((probe, http))
}
