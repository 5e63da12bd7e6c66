//! How a manifest says whether a pod is well: `healthCheck` of a BackendConfig, `readinessProbe` of a container.

use super::{AppProtocol, PortRef, port_ref};
use crate::reader::{Item, Located};
use crate::report::{Place, Report};

/// A BackendConfig's `healthCheck`. What it leaves out comes from the pods' probe, or from GKE.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// The path that is asked for.
    pub request_path: Option<String>,
    /// Seconds between two probes.
    pub check_interval_sec: Option<u32>,
    /// Seconds that an answer may take.
    pub timeout_sec: Option<Located<u32>>,
    /// So many good answers make a pod healthy.
    pub healthy_threshold: Option<u32>,
    /// So many bad ones make it unhealthy.
    pub unhealthy_threshold: Option<u32>,
    /// The protocol of the probe.
    pub protocol: Option<Located<AppProtocol>>,
    /// The port that is asked, where it is another one.
    pub port: Option<Located<u16>>,
}

impl HealthCheck {
    pub(super) fn read(item: &Item<'_>, report: &mut Report) -> Option<Self> {
        let check = item.object(report)?;
        let seconds = |report: &mut Report, key| check.get(key)?.integer(report, 1..=300);
        let threshold = |report: &mut Report, key| check.get(key)?.integer(report, 1..=10);
        let path = check.get("requestPath").and_then(|item| request_path(&item, report));
        let protocol = check.get("type").and_then(|item| {
            let value = item.one_of(report, AppProtocol::ALLOWED)?;
            Some(Located { value, place: item.place() })
        });
        let port = check.get("port").and_then(|item| {
            let value = item.integer(report, 1..=u16::MAX)?;
            Some(Located { value, place: item.place() })
        });
        let health_check = Self {
            request_path: path,
            check_interval_sec: seconds(report, "checkIntervalSec"),
            timeout_sec: check.get("timeoutSec").and_then(|item| {
                let value = item.integer(report, 1..=300)?;
                Some(Located { value, place: item.place() })
            }),
            healthy_threshold: threshold(report, "healthyThreshold"),
            unhealthy_threshold: threshold(report, "unhealthyThreshold"),
            protocol,
            port,
        };
        check.refuse_others(report);
        Some(health_check)
    }
}

fn request_path(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let text = item.text(report)?;
    if is_request_path(text) {
        return Some(text.to_owned());
    }
    item.wrong(report, "not a path", REQUEST_PATH);
    None
}

const REQUEST_PATH: &str = "`/` and visible ASCII, at most 1024 bytes";

fn is_request_path(text: &str) -> bool {
    text.starts_with('/') && text.len() <= 1024 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A container's `readinessProbe` over HTTP, as far as GKE takes it over.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The path, with a slash at its beginning.
    pub path: String,
    /// The port that is asked.
    pub port: PortRef,
    /// Whether it is asked over TLS.
    pub https: bool,
    /// The `Host` it sends, where it is a special one.
    pub host: Option<String>,
    /// Seconds between two probes.
    pub period: u32,
    /// Seconds that an answer may take.
    pub timeout: u32,
    /// Where it stands.
    pub place: Place,
}

impl Probe {
    /// None where it is no HTTP probe, or one with headers or a host of its own: GKE takes no such probe over.
    pub(super) fn read(item: &Item<'_>, report: &mut Report) -> Option<Self> {
        let probe = item.object(report)?;
        let seconds = |report: &mut Report, key, default| {
            probe.get(key).map_or(Some(default), |item| item.integer(report, 1..=u32::MAX))
        };
        let (period, timeout) =
            (seconds(report, "periodSeconds", 10)?, seconds(report, "timeoutSeconds", 1)?);
        let http = probe.get("httpGet")?.object(report)?;
        let path = match http.get("path") {
            Some(item) => item.text(report)?.to_owned(),
            None => String::new(),
        };
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        if !is_request_path(&path) {
            report.mistake(&http.place().field("path"), "not a path", REQUEST_PATH, format_args!("{path:?}"));
            return None;
        }
        let port = port_ref(&http.require(report, "port", "a port's number or name")?, report)?;
        let https = http.get("scheme").is_some_and(|item| item.text(report) == Some("HTTPS"));
        let headers = http.get("httpHeaders").map_or_else(Vec::new, |item| item.list(report));
        let host = match &*headers {
            [] => None,
            [header] => Some(host_header(header, report)?),
            _ => return None,
        };
        if http.get("host").is_some() {
            return None;
        }
        Some(Self { path, port, https, host, period, timeout, place: item.place() })
    }
}

/// The value of a header `Host`; None of any other.
fn host_header(header: &Item<'_>, report: &mut Report) -> Option<String> {
    let header = header.object(report)?;
    if header.get("name")?.text(report)? != "Host" {
        return None;
    }
    Some(header.get("value")?.text(report)?.to_owned())
}
