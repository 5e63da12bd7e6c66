//! deploy/istio/metrics.yaml: how Prometheus relabels the gateway's metrics.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::{applied, bootstrap, options};
use crate::manifests::{list, load, only};
use crate::sessions;

type Labels = BTreeMap<String, String>;

/// Prometheus' `replace` action: a regular expression that matches the whole source label sets the target label.
fn relabel(rule: &Value, labels: &mut Labels) {
    let source = rule["sourceLabels"][0].as_str().unwrap();
    let whole = Regex::new(&format!("^(?s:{})$", rule["regex"].as_str().unwrap())).unwrap();
    let Some(found) = labels.get(source).and_then(|value| whole.captures(value)) else { return };
    let mut replaced = String::new();
    found.expand(rule["replacement"].as_str().unwrap(), &mut replaced);
    labels.insert(rule["targetLabel"].as_str().unwrap().to_owned(), replaced);
}

fn relabelled(name: &str) -> Labels {
    let monitor = load("istio/metrics.yaml");
    let endpoint = &only(&monitor, "PodMonitor")["spec"]["podMetricsEndpoints"][0];
    let mut labels = Labels::from([("__name__".to_owned(), name.to_owned())]);
    for rule in list(&endpoint["metricRelabelings"]) {
        relabel(rule, &mut labels);
    }
    labels
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(label, value)| (label.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_names_of_metrics_become_the_labels_that_the_dashboard_reads() {
    let rows: [(&str, &[(&str, &str)]); 5] = [
        (
            "session_affinity_service_neg_demo_svc_outcome_pinned",
            &[("__name__", "session_affinity_outcome"), ("service", "neg_demo_svc"), ("outcome", "pinned")],
        ),
        (
            "session_affinity_service_default_ejections",
            &[("__name__", "session_affinity_ejections"), ("service", "default")],
        ),
        (
            "session_affinity_service_default_backend_outbound_80_stable_unavailable",
            &[
                ("__name__", "session_affinity_backend_unavailable"),
                ("service", "default"),
                ("backend", "outbound_80_stable"),
            ],
        ),
        ("session_affinity_unserved", &[("__name__", "session_affinity_unserved")]),
        ("envoy_cluster_upstream_rq_total", &[("__name__", "envoy_cluster_upstream_rq_total")]),
    ];
    for (name, expected) in rows {
        assert_eq!(relabelled(name), labels(expected), "{name}");
    }
}

#[tokio::test]
async fn every_metric_of_the_filter_at_a_gateway_is_one_that_the_dashboard_knows() {
    let objects = applied(&["istio/gateway.yaml", "istio/session-affinity.yaml"]);
    let pods = sessions::pods(1);
    let directory = tempfile::tempdir().unwrap();
    let labelled: Vec<_> = pods.iter().map(|pod| (pod, "")).collect();
    let envoy = options().start(&bootstrap(&objects, &labelled, directory.path())).await.unwrap();
    sessions::begin(&envoy, 1, 1).await;
    let text = sessions::metrics(&envoy, "session_affinity_service_default_outcome_assigned").await;
    let ours = text.lines().filter(|line| line.starts_with("session_affinity_"));
    let names: Vec<String> =
        ours.map(|line| relabelled(line.split(['{', ' ']).next().unwrap())["__name__"].clone()).collect();
    let known = ["session_affinity_outcome", "session_affinity_ejections", "session_affinity_unserved"];
    assert!(names.len() > 8 && names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
}
