//! `outlierDetection` and `healthCheck`.

use config_reader::Field;

/// When failing responses take a backend out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// So many requests in a row that never reached it; 0 = off.
    pub consecutive_local_origin_failure: u32,
    /// So many in a row that reached it and failed; 0 = off.
    pub consecutive_gateway_errors: u32,
    /// Seconds for which it is out, times the number of ejections in a row.
    pub base_ejection_time_sec: u32,
    /// How much of a service's backends may be ejected at a time.
    pub max_ejection_percent: u32,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_local_origin_failure: 3,
            consecutive_gateway_errors: 0,
            base_ejection_time_sec: 30,
            max_ejection_percent: 100,
        }
    }
}

impl OutlierDetection {
    /// Whether responses are looked at at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.consecutive_local_origin_failure > 0 || self.consecutive_gateway_errors > 0
    }

    /// Reads the object; what it leaves out has its default.
    pub(super) fn read(field: Field<'_>) -> Self {
        const FIELDS: [&str; 4] = [
            "consecutiveLocalOriginFailure",
            "consecutiveGatewayErrors",
            "baseEjectionTimeSec",
            "maxEjectionPercent",
        ];
        let [local_origin, gateway, time, percent] = FIELDS;
        let object = field.object(&FIELDS);
        let default = Self::default();
        let threshold = |name, default| object.integer(name, default, &(0..=MAX_THRESHOLD));
        Self {
            consecutive_local_origin_failure: threshold(
                local_origin,
                default.consecutive_local_origin_failure,
            ),
            consecutive_gateway_errors: threshold(gateway, default.consecutive_gateway_errors),
            base_ejection_time_sec: object.integer(time, default.base_ejection_time_sec, &(1..=300)),
            max_ejection_percent: object.integer(percent, default.max_ejection_percent, &(0..=100)),
        }
    }
}

/// Failures in a row are counted up to here.
const MAX_THRESHOLD: u32 = 65_535;

/// How backends are probed. Names and ranges are those of GKE's `BackendConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `:path` of the probe.
    pub request_path: String,
    /// Seconds between two probes of one backend.
    pub check_interval_sec: u32,
    /// Seconds after which a probe has failed.
    pub timeout_sec: u32,
    /// Successes in a row that bring a backend back.
    pub healthy_threshold: u32,
    /// Failures in a row that take it out.
    pub unhealthy_threshold: u32,
}

impl HealthCheck {
    /// Reads the object; what it leaves out has its default.
    pub(super) fn read(field: Field<'_>) -> Self {
        const PATH: &str = "a path that starts with / (visible ASCII, at most 1024 bytes)";
        let object = field.object(&[
            "requestPath",
            "checkIntervalSec",
            "timeoutSec",
            "healthyThreshold",
            "unhealthyThreshold",
        ]);
        let request_path = object.string("requestPath", super::is_request_path, PATH).unwrap_or("/");
        let check_interval_sec = object.integer("checkIntervalSec", 5, &(1..=300));
        let timeout_sec = object.integer("timeoutSec", check_interval_sec.min(5), &(1..=300));
        if timeout_sec > check_interval_sec {
            let allowed = format!("at most {check_interval_sec}, as checkIntervalSec");
            object.refuse_field("timeoutSec", &"longer than checkIntervalSec", &allowed);
        }
        Self {
            request_path: request_path.to_owned(),
            check_interval_sec,
            timeout_sec,
            healthy_threshold: object.integer("healthyThreshold", 2, &(1..=10)),
            unhealthy_threshold: object.integer("unhealthyThreshold", 2, &(1..=10)),
        }
    }
}
