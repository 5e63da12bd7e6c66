//! `outlierDetection` and `healthCheck`: read and checked, not served yet.

use super::reader::{ConfigError, Field};

/// Reads `outlierDetection`.
pub fn read_outlier_detection(field: Field<'_>) -> Result<(), ConfigError> {
    let object = field.object(&[
        "consecutiveLocalOriginFailure",
        "consecutiveGatewayErrors",
        "baseEjectionTimeSec",
        "maxEjectionPercent",
    ])?;
    let check =
        |name, range| object.get(name).map_or(Ok(0), |field: Field<'_>| field.integer(range)).map(|_| ());
    check("consecutiveLocalOriginFailure", 0..=u32::MAX)?;
    check("consecutiveGatewayErrors", 0..=u32::MAX)?;
    check("baseEjectionTimeSec", 1..=300)?;
    check("maxEjectionPercent", 0..=100)
}

/// Reads `healthCheck`. Ranges are Google Cloud's.
pub fn read_health_check(field: Field<'_>) -> Result<(), ConfigError> {
    let object = field.object(&[
        "requestPath",
        "checkIntervalSec",
        "timeoutSec",
        "healthyThreshold",
        "unhealthyThreshold",
    ])?;
    if let Some(path) = object.get("requestPath") {
        let legal = |path: &str| {
            path.starts_with('/') && path.len() <= 1024 && path.bytes().all(|byte| byte.is_ascii_graphic())
        };
        path.string_that(legal, "a path that starts with / (visible ASCII, at most 1024 bytes)")?;
    }
    let read = |name, default, range| object.get(name).map_or(Ok(default), |f: Field<'_>| f.integer(range));
    let interval = read("checkIntervalSec", 5, 1..=300)?;
    let timeout = read("timeoutSec", 5, 1..=300)?;
    read("healthyThreshold", 2, 1..=10)?;
    read("unhealthyThreshold", 2, 1..=10)?;
    match object.get("timeoutSec") {
        Some(field) if timeout > interval => {
            Err(field
                .error("longer than checkIntervalSec", &format!("at most {interval}, as checkIntervalSec")))
        }
        _ => Ok(()),
    }
}
