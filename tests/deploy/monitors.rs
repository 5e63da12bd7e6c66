//! The specs of the Prometheus operator's kinds (`monitoring.coreos.com/v1`, as of 0.92), with only the fields that the
//! files use. Any other field is refused.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Selects Services and their ports.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the fields are only there to be known")]
pub struct ServiceMonitor {
    selector: Selector,
    endpoints: Vec<Endpoint>,
}

/// Selects pods and their ports.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "the fields are only there to be known")]
pub struct PodMonitor {
    selector: Selector,
    pod_metrics_endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "the fields are only there to be known")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "the fields are only there to be known")]
struct Endpoint {
    port: String,
    path: String,
    interval: Option<String>,
    honor_labels: Option<bool>,
    #[serde(default)]
    metric_relabelings: Vec<Relabeling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "the fields are only there to be known")]
struct Relabeling {
    source_labels: Vec<String>,
    regex: String,
    target_label: String,
    replacement: String,
}
