//! `outlierDetection` and `healthCheck`.

use serde::Deserialize;

use super::bounded::Bounded;
use super::error::Problem;
use super::host_name::{is_host, is_host_name};
use super::text::{Rule, Text};

/// Maximum number of consecutive failures that are counted.
const MAX_FAILURES: u32 = 65_535;

/// Which failing responses make a backend unavailable, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct OutlierDetection {
    /// Number of consecutive requests that fail to reach the backend before the backend is ejected. 0: off. Default: 3.
    pub(crate) consecutive_local_origin_failure: Bounded<0, MAX_FAILURES>,
    /// Number of consecutive requests that reach the backend and fail (502, 503, 504, resets) before the backend is
    /// ejected. 0: off. Default: 0.
    pub(crate) consecutive_gateway_errors: Bounded<0, MAX_FAILURES>,
    /// Length of the first ejection in seconds. The n-th consecutive ejection is n times as long, at most 300 seconds.
    /// Default: 30.
    pub(crate) base_ejection_time_sec: Bounded<1, 300>,
    /// Maximum percentage of a service's backends that are ejected at the same time. Default: 100.
    pub(crate) max_ejection_percent: Bounded<0, 100>,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_local_origin_failure: Bounded::of::<3>(),
            consecutive_gateway_errors: Bounded::of::<0>(),
            base_ejection_time_sec: Bounded::of::<30>(),
            max_ejection_percent: Bounded::of::<100>(),
        }
    }
}

impl OutlierDetection {
    /// Whether gateway errors can eject a backend.
    pub(crate) const fn counts_gateway_errors(&self) -> bool {
        self.consecutive_gateway_errors.get() > 0
    }

    /// Whether any response can eject a backend.
    pub(crate) const fn is_on(&self) -> bool {
        self.consecutive_local_origin_failure.get() > 0 || self.consecutive_gateway_errors.get() > 0
    }
}

/// How backends are probed. Names and ranges are those of GKE's `BackendConfig`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct HealthCheck {
    /// The path of a probe. Only the status 200 passes. Default: `/`.
    request_path: Option<Text<RequestPath>>,
    /// The host of a probe. Default: the cluster's name if it is a host name, else `session-affinity`.
    host: Option<Text<Host>>,
    /// Seconds between two probes of one backend. Default: 5.
    check_interval_sec: Bounded<1, 300>,
    /// Seconds after which a probe without a response fails, at most `checkIntervalSec`. Default: 5, or
    /// `checkIntervalSec` if that is less.
    timeout_sec: Option<Bounded<1, 300>>,
    /// Consecutive successes that make a backend available again. Default: 2.
    healthy_threshold: Bounded<1, 10>,
    /// Consecutive failures that make a backend unavailable. Default: 2.
    unhealthy_threshold: Bounded<1, 10>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            request_path: None,
            host: None,
            check_interval_sec: Bounded::of::<5>(),
            timeout_sec: None,
            healthy_threshold: Bounded::of::<2>(),
            unhealthy_threshold: Bounded::of::<2>(),
        }
    }
}

impl HealthCheck {
    /// Checks that a probe ends before the next one starts.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let interval = self.check_interval_sec();
        if self.timeout_sec() <= interval {
            return Ok(());
        }
        let allowed = format!("at most {interval}, as checkIntervalSec");
        Err(Problem::new("longer than checkIntervalSec", allowed).within("timeoutSec"))
    }

    /// `:path` of the probe.
    pub(crate) fn request_path(&self) -> &str {
        self.request_path.as_ref().map_or("/", Text::as_str)
    }

    /// `:authority` of a probe of `cluster`. Many applications answer 400 if it is not a host name.
    pub(crate) fn host_for<'a>(&'a self, cluster: &'a str) -> &'a str {
        match &self.host {
            Some(host) => host.as_str(),
            None if is_host_name(cluster) => cluster,
            None => "session-affinity",
        }
    }

    /// Seconds between two probes of one backend.
    pub(crate) const fn check_interval_sec(&self) -> u32 {
        self.check_interval_sec.get()
    }

    /// Seconds after which a probe without a response fails.
    pub(crate) fn timeout_sec(&self) -> u32 {
        const DEFAULT: u32 = 5;
        self.timeout_sec.map_or(DEFAULT.min(self.check_interval_sec()), Bounded::get)
    }

    /// Consecutive successes that make a backend available again.
    pub(crate) const fn healthy_threshold(&self) -> u32 {
        self.healthy_threshold.get()
    }

    /// Consecutive failures that make a backend unavailable.
    pub(crate) const fn unhealthy_threshold(&self) -> u32 {
        self.unhealthy_threshold.get()
    }
}

struct RequestPath;

impl Rule for RequestPath {
    const ALLOWED: &'static str = "a path that starts with / (visible ASCII, at most 1024 bytes)";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^/[!-~]{0,1023}$";

    fn allows(text: &str) -> bool {
        super::is_request_path(text)
    }
}

struct Host;

impl Rule for Host {
    const ALLOWED: &'static str = "a host as in a Host header, such as example.com or example.com:8080";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = concat!(
        r"^(?:\[[0-9A-Fa-f:.]{2,45}\]|(?=[^:]{1,253}(?::|$))(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*",
        r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)",
        r"(?::0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?$",
    );

    fn allows(text: &str) -> bool {
        is_host(text)
    }
}
