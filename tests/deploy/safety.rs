//! Requirements for every connection manager with the filter.

use serde_json::{Value, json};

use crate::manifests::list;

/// Asserts that only the filter decides where a request goes, and that only Envoy learns of it. Headers of clients for
/// this purpose are removed before any filter. A filter that handles responses after the session affinity filter
/// removes the headers of `stateful_session`. Neither pods nor clients see the headers. Envoy's default timeout of 15
/// seconds ends no response.
pub fn assert_safe(manager: &Value, routes: &Value) {
    let dropped: Vec<&Value> = list(&manager["early_header_mutation_extensions"])
        .flat_map(|extension| list(&extension["typed_config"]["mutations"]))
        .map(|mutation| &mutation["remove"])
        .collect();
    assert_eq!(dropped, [&json!("x-affinity-cluster"), &json!("x-affinity-endpoint")]);
    let filters: Vec<&str> =
        list(&manager["http_filters"]).map(|filter| filter["name"].as_str().unwrap()).collect();
    let place = |what: &str| {
        filters.iter().position(|name| name.contains(what)).unwrap_or_else(|| panic!("{what}: {filters:?}"))
    };
    let hides = place("header_mutation");
    let hidden = &manager["http_filters"][hides]["typed_config"]["mutations"]["response_mutations"];
    assert_eq!(*hidden, json!([{ "remove": "x-affinity-endpoint" }]));
    let ours = ["wasm", "session_affinity"]
        .iter()
        .find_map(|ours| filters.iter().position(|name| name.contains(ours)));
    let (ours, session) = (ours.expect("our filter"), place("stateful_session"));
    assert!(hides < ours && ours < session && session + 2 == filters.len(), "{filters:?}");
    let state = &manager["http_filters"][session]["typed_config"]["session_state"]["typed_config"]["name"];
    assert_eq!(state, "x-affinity-endpoint");
    assert_eq!(manager["stream_idle_timeout"], "300s");
    let actions = list(&routes["virtual_hosts"]).flat_map(|host| list(&host["routes"]));
    for route in actions {
        assert_eq!(route["route"]["timeout"], "0s", "{route}");
    }
    let removed = routes.to_string();
    assert!(removed.contains(r#""request_headers_to_remove":["#), "{removed}");
}
