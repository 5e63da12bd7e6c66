//! An `EnvoyFilter`'s patches, as Istio applies them to a gateway. Only the kinds of patches in the files are
//! supported.

use serde_json::{Value, json};

use super::generated::Generated;
use crate::manifests::{list, only};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Applies every patch of the `EnvoyFilter`, if there is one. A patch that changes nothing is an error.
pub fn apply(objects: &[Value], generated: &mut Generated) {
    if !objects.iter().any(|object| object["kind"] == "EnvoyFilter") {
        return;
    }
    for patch in list(&only(objects, "EnvoyFilter")["spec"]["configPatches"]) {
        let matching = &patch["match"];
        assert_eq!(matching["context"], "GATEWAY");
        let (operation, value) = (&patch["patch"]["operation"], &patch["patch"]["value"]);
        match (patch["applyTo"].as_str().unwrap(), operation.as_str().unwrap()) {
            ("NETWORK_FILTER", "MERGE") => {
                assert_eq!(matching["listener"]["filterChain"]["filter"]["name"], MANAGER);
                merge(&mut generated.manager, &value["typed_config"]);
            }
            ("HTTP_FILTER", place) => {
                let wanted = &matching["listener"]["filterChain"]["filter"];
                assert_eq!(wanted["name"], MANAGER);
                let filters = generated.manager["http_filters"].as_array_mut().unwrap();
                let index = match place {
                    "INSERT_FIRST" => 0,
                    "INSERT_BEFORE" => {
                        let is_it = |filter: &Value| filter["name"] == wanted["subFilter"]["name"];
                        filters.iter().position(is_it).expect("a filter of this name")
                    }
                    other => panic!("HTTP_FILTER with {other} is not known here"),
                };
                filters.insert(index, value.clone());
            }
            ("ROUTE_CONFIGURATION", "MERGE") => merge(&mut generated.routes, value),
            ("HTTP_ROUTE", "MERGE") => {
                let wanted = &matching["routeConfiguration"]["vhost"]["route"]["name"];
                let routes = generated.routes["virtual_hosts"][0]["routes"].as_array_mut().unwrap();
                let route = routes.iter_mut().find(|route| route["name"] == *wanted);
                merge(route.expect("a route of this name"), value);
            }
            (what, operation) => panic!("{what} with {operation} is not known here"),
        }
    }
}

/// The merge of protobuf: messages are merged field by field, lists are concatenated, and the last field of a oneof
/// wins.
fn merge(into: &mut Value, patch: &Value) {
    const CLUSTER_SPECIFIER: [&str; 3] = ["cluster", "cluster_header", "weighted_clusters"];
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            if patch.keys().any(|name| CLUSTER_SPECIFIER.contains(&name.as_str())) {
                into.retain(|name, _| !CLUSTER_SPECIFIER.contains(&name.as_str()));
            }
            for (name, value) in patch {
                merge(into.entry(name.clone()).or_insert(json!(null)), value);
            }
        }
        (Value::Array(into), Value::Array(patch)) => into.extend(patch.iter().cloned()),
        (into, patch) => *into = patch.clone(),
    }
}
