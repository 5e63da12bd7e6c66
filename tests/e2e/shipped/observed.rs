//! Observability of every file: counters with labels, an access log, and the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use harness::client::Client;
use harness::envoy::{Envoy, Options};
use harness::workspace_root;
use serde_json::Value;

use crate::ecds::eventually;
use crate::shipped_files::{File, names, plugin};

/// Envoy writes access logs every 10 seconds by default.
const FLUSH: [&str; 2] = ["--file-flush-interval-msec", "20"];

async fn start(file: &File) -> Envoy {
    let options = FLUSH.into_iter().fold(file.options(), Options::argument);
    file.start_with(&options, &file.bootstrap).await
}

/// The line of the access log after this many others.
async fn logged(envoy: &Envoy, before: usize) -> Value {
    let lines = || envoy.output().matches('\n').count();
    eventually("the request is in the access log", async || lines() > before).await;
    serde_json::from_str(envoy.output().lines().nth(before).unwrap()).unwrap()
}

/// All metrics as Prometheus reads them: by name, each with its labels and its value.
async fn metrics(envoy: &Envoy) -> BTreeMap<String, Vec<(BTreeMap<String, String>, f64)>> {
    let page = envoy.admin_get("/stats/prometheus").await.unwrap();
    let mut metrics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    // `name{label="value",other="value"} 1`
    for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, value) = rest.rsplit_once("} ").unwrap();
        let labels = labels.split("\",").filter_map(|label| label.split_once("=\""));
        let labels = labels.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned()));
        metrics.entry(name.to_owned()).or_default().push((labels.collect(), value.parse().unwrap()));
    }
    metrics
}

/// The number of requests of a service with this outcome in Prometheus.
async fn counted(envoy: &Envoy, service: &str, outcome: &str) -> f64 {
    let metrics = metrics(envoy).await;
    let wanted = BTreeMap::from([("service", service), ("outcome", outcome)]);
    let is_wanted = |labels: &BTreeMap<String, String>| {
        labels
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .eq(wanted.iter().map(|(name, value)| (*name, *value)))
    };
    let series = metrics.get("session_affinity_outcome").into_iter().flatten();
    let mut values = series.filter(|(labels, _)| is_wanted(labels)).map(|(_, value)| *value);
    values.next().unwrap_or_else(|| panic!("no {wanted:?} in {metrics:#?}"))
}

#[tokio::test]
async fn every_file_tells_prometheus_and_the_access_log_of_service_outcome_and_backend_and_no_client() {
    for name in names() {
        let file = File::load(&name);
        let envoy = start(&file).await;
        let (host, path, service): (&[u8], _, _) = match &*name {
            "ingress.yaml" => (b"service.example.com", "/api/a", "api-a"),
            _ => (b"example.com", "/one", "default"),
        };
        let url = format!("{}{path}?secret=1", envoy.url());
        let reply = Client::http1_fresh().fetch(&url, &[("host", host)]).await.unwrap();
        assert_eq!(reply.status, 200, "{name}");

        let line = logged(&envoy, 0).await;
        let text = |field: &str| line[field].as_str().unwrap_or_else(|| panic!("{name}: {field} of {line}"));
        assert_eq!((text("outcome"), text("path")), ("assigned", path), "{name}");
        assert!(
            text("route").starts_with(if name == "ingress.yaml" { "api-a" } else { "" }),
            "{name}: {line}"
        );
        assert_eq!(line["status"], 200, "{name}");
        let pod = file.pods().find(|pod| pod.name() == reply.pod).unwrap();
        assert_eq!(text("endpoint"), pod.address().to_string(), "{name}");
        let backend = text("backend");
        assert!(file.clusters().iter().any(|cluster| cluster == backend), "{name}: {backend}");
        eventually("the request is counted", async || counted(&envoy, service, "assigned").await >= 1.0)
            .await;
    }
}

#[tokio::test]
async fn the_access_log_tells_who_moved_from_where_to_where_and_who_was_refused() {
    let mut file = File::load("websocket.yaml");
    let envoy = start(&file).await;
    let begun = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
    let cookie = begun.cookie_pair("GCLB").unwrap();
    assert_eq!(logged(&envoy, 0).await["outcome"], "assigned");
    file.stop_pod(&begun.pod);
    let moved = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    let line = logged(&envoy, 1).await;
    let told = ["outcome", "cluster", "backend"].map(|field| line[field].as_str().unwrap());
    assert_eq!(told, ["repinned", &begun.pod, &moved.pod], "{line}");

    // Requests that the filter itself responds to are counted as well.
    file.bootstrap = refusing(&file.bootstrap, &begun.pod);
    let envoy = start(&file).await;
    let refused = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    assert_eq!(refused.status, 503);
    let line = logged(&envoy, 0).await;
    assert_eq!((&line["outcome"], &line["route"]), (&"rejected".into(), &"ws".into()), "{line}");
    assert_eq!(line["details"], "session_affinity_backend_unavailable", "{line}");
}

/// The same file without this backend. Its sessions are refused.
fn refusing(bootstrap: &Value, gone: &str) -> Value {
    let mut bootstrap = bootstrap.clone();
    let plugin = plugin(&mut bootstrap);
    plugin["onUnavailable"] = "REJECT".into();
    plugin["backends"].as_array_mut().unwrap().retain(|backend| backend != gone);
    bootstrap
}

/// The words of a query outside its strings, each with the text after it.
fn words(query: &str) -> Vec<(&str, char)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = Vec::new();
    for part in query.split('"').step_by(2) {
        let mut rest = part;
        while let Some(start) = rest.find(is_word) {
            let end = rest[start..].find(|c| !is_word(c)).map_or(rest.len(), |length| start + length);
            words.push((&rest[start..end], rest[end..].chars().next().unwrap_or(' ')));
            rest = &rest[end..];
        }
    }
    words
}

#[tokio::test]
async fn the_dashboard_asks_only_for_metrics_labels_and_outcomes_that_envoy_tells() {
    const LANGUAGE: [&str; 9] =
        ["sum", "max", "rate", "increase", "by", "ignoring", "group_left", "__range", "__rate_interval"];
    let file = File::load("envoy.yaml");
    let envoy = start(&file).await;
    Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
    // The gauge of a backend exists once the backend was unavailable.
    file.pods().next().unwrap().fail();
    eventually("a backend fails its health checks", async || {
        metrics(&envoy).await.contains_key("session_affinity_backend_unavailable")
    })
    .await;
    let metrics = metrics(&envoy).await;
    let outcomes = metrics["session_affinity_outcome"].iter().map(|(labels, _)| labels["outcome"].as_str());
    let outcomes: BTreeSet<&str> = outcomes.collect();
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");

    let dashboard = fs::read_to_string(workspace_root().join("docs/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut asked = BTreeSet::new();
    for query in targets.map(|target| target["expr"].as_str().unwrap()) {
        let selectors = words(query).into_iter().filter(|(_, next)| ['{', '['].contains(next));
        let names: BTreeSet<&str> = selectors.map(|(name, _)| name).collect();
        assert!(!names.is_empty(), "no metric in {query}");
        let series =
            names.iter().map(|name| metrics.get(*name).unwrap_or_else(|| panic!("no {name}: {query}")));
        let labels: BTreeSet<&str> =
            series.flatten().flat_map(|(labels, _)| labels.keys()).map(|label| &**label).collect();
        for (word, _) in words(query) {
            let known = names.contains(word) || labels.contains(word) || LANGUAGE.contains(&word);
            assert!(known, "{word} is no label of {names:?}: {query}");
        }
        for matcher in query.split("outcome").skip(1).filter_map(|rest| rest.strip_prefix('=')) {
            let value = matcher.split('"').nth(1).unwrap();
            assert!(value.split('|').all(|outcome| outcomes.contains(outcome)), "{value}: {query}");
        }
        asked.extend(names);
    }
    assert!(asked.len() >= 6, "{asked:?}");
    let variable = dashboard.pointer("/templating/list/1/definition");
    assert_eq!(variable, Some(&"label_values(session_affinity_outcome, service)".into()));
}

/// `promtool` is part of Prometheus.
#[test]
fn the_alert_rules_hold_what_they_say() {
    harness::packages::need("promtool", &["prometheus"]).unwrap();
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let mut promtool = std::process::Command::new("promtool");
        let output = promtool.args(arguments).current_dir(workspace_root().join("docs")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
