//! Tests for every file, whatever the file shows.

use std::fs;

use harness::shipped;
use serde_json::{Value, json};

use crate::shipped_files::{File, clusters, companions, envoy_directory, everything, names, of_type};

/// A bootstrap and the files that belong to it, unchanged.
fn documents(name: &str) -> Vec<Value> {
    let mut paths = companions(name);
    paths.push(name.into());
    paths.iter().map(|path| shipped::read(&envoy_directory().join(path)).unwrap()).collect()
}

#[test]
fn every_file_belongs_to_a_bootstrap_that_a_test_here_drives() {
    let driven = [
        "canary-endpoints.yaml",
        "canary.yaml",
        "dns.yaml",
        "endpoints.yaml",
        "envoy.yaml",
        // In the module `availability`.
        "failover.yaml",
        "header.yaml",
        "ingress.yaml",
        "live-update.yaml",
        "mcp.yaml",
        // In the module `availability`.
        "restarts.yaml",
        "websocket.yaml",
    ];
    assert_eq!(names(), driven);
    for entry in fs::read_dir(envoy_directory()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.is_dir() || path.with_extension("yaml").is_file(), "{}", path.display());
    }
}

#[tokio::test]
async fn envoy_accepts_every_file() {
    for name in names() {
        let file = File::load(&name);
        assert_eq!(file.options().validate(&file.bootstrap).await, Ok(()), "{name}");
    }
}

#[test]
fn every_connection_manager_strips_what_clients_say_in_the_routing_headers_before_any_filter() {
    for name in names() {
        let documents = documents(&name);
        let managers: Vec<&Value> =
            documents.iter().flat_map(|document| of_type(document, ".HttpConnectionManager")).collect();
        assert!(!managers.is_empty(), "{name}");
        for manager in managers {
            let removed: Vec<&Value> = manager["early_header_mutation_extensions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|extension| extension.pointer("/typed_config/mutations")?.as_array())
                .flatten()
                .filter_map(|mutation| mutation.get("remove"))
                .collect();
            for header in ["x-affinity-cluster", "x-affinity-endpoint"] {
                assert!(removed.contains(&&json!(header)), "{name}: {header}");
            }
        }
    }
}

#[test]
fn every_filter_for_endpoints_stands_where_it_must_and_goes_by_the_right_header() {
    for name in names() {
        let documents = documents(&name);
        for manager in documents.iter().flat_map(|document| of_type(document, ".HttpConnectionManager")) {
            let filters = manager["http_filters"].as_array().unwrap();
            let place = |name: &str| filters.iter().position(|filter| filter["name"] == name);
            let Some(stateful) = place("envoy.filters.http.stateful_session") else {
                continue;
            };
            let header = filters[stateful].pointer("/typed_config/session_state/typed_config/name");
            assert_eq!(header, Some(&json!("x-affinity-endpoint")), "{name}");
            let hides = place("envoy.filters.http.header_mutation").unwrap();
            let hidden = filters[hides].pointer("/typed_config/mutations/response_mutations/0/remove");
            assert_eq!(hidden, Some(&json!("x-affinity-endpoint")), "{name}");
            let ours = place("session_affinity").unwrap();
            assert!(hides < ours && ours < stateful, "{name}: the order of the filters");
        }
    }
}

/// Envoy ends a response after 15 seconds by default.
#[test]
fn every_route_says_how_long_an_answer_may_take_and_every_connection_manager_how_long_it_may_be_quiet() {
    for name in names() {
        for document in documents(&name) {
            for manager in of_type(&document, ".HttpConnectionManager") {
                assert!(manager["stream_idle_timeout"].is_string(), "{name}");
                let routes = everything(manager).into_iter().filter(|value| value["route"].is_object());
                for route in routes {
                    assert_eq!(route["route"]["timeout"], "0s", "{name}: {}", route["name"]);
                }
            }
        }
    }
}

#[test]
fn every_cluster_behind_stateful_session_keeps_the_sessions_of_pods_that_drain() {
    for name in names() {
        let documents = documents(&name);
        let pins_endpoints = |document: &Value| !of_type(document, ".StatefulSession").is_empty();
        if !documents.iter().any(pins_endpoints) {
            continue;
        }
        for cluster in documents.iter().flat_map(clusters) {
            let kept = cluster.pointer("/common_lb_config/override_host_status/statuses");
            let expected = json!(["UNKNOWN", "HEALTHY", "DEGRADED", "DRAINING"]);
            assert_eq!(kept, Some(&expected), "{name}: {}", cluster["name"]);
        }
    }
}

#[test]
fn every_cluster_fails_at_once_when_it_has_no_healthy_endpoint() {
    for name in names() {
        let documents = documents(&name);
        let clusters: Vec<&Value> = documents.iter().flat_map(clusters).collect();
        assert!(!clusters.is_empty(), "{name}");
        for cluster in clusters {
            let threshold = cluster.pointer("/common_lb_config/healthy_panic_threshold/value");
            assert_eq!(threshold, Some(&json!(0)), "{name}: {}", cluster["name"]);
        }
    }
}

#[test]
fn every_filter_is_reloaded_should_its_vm_fail() {
    for name in names() {
        let documents = documents(&name);
        let filters: Vec<&Value> =
            documents.iter().flat_map(|document| of_type(document, ".wasm.v3.Wasm")).collect();
        assert!(!filters.is_empty(), "{name}");
        for filter in filters {
            let config = &filter["config"];
            assert_eq!(config["failure_policy"], "FAIL_RELOAD", "{name}");
            let backoff = config.pointer("/reload_config/backoff/base_interval").and_then(Value::as_str);
            let seconds = backoff.and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
            assert!(seconds.is_some_and(|seconds| seconds > 0.0 && seconds <= 1.0), "{name}: {backoff:?}");
        }
    }
}

#[test]
fn no_file_holds_a_secret() {
    for name in names() {
        for document in documents(&name) {
            let text = document.to_string();
            for place in ["\"secret\":", "\"key_values\":"] {
                assert!(!text.contains(place), "{name}: {place}");
            }
        }
    }
}
