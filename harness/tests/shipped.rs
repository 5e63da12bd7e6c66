//! Only addresses and paths of shipped configurations change.

use std::net::SocketAddr;

use harness::shipped::Shipped;
use serde_json::{Value, json};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A configuration with these values in the places that may change.
fn example(admin: &Value, listener: &Value, endpoint: &Value, module: &str, directory: &str) -> Value {
    json!({
        "admin": { "address": { "socket_address": admin } },
        "dynamic_resources": { "cds_config": { "path_config_source": {
            "path": format!("{directory}clusters.yaml"), "watched_directory": { "path": directory },
        } } },
        "static_resources": {
            "listeners": [{
                "address": { "socket_address": listener },
                "filter_chains": [{ "code": { "local": { "filename": module } }, "path": "/dev/stdout" }],
            }],
            "clusters": [{
                "upstream_bind_config": { "source_address": { "address": "0.0.0.0", "port_value": 0 } },
                "endpoints": [{ "endpoint": { "address": { "socket_address": endpoint } } }],
            }],
        },
    })
}

#[test]
fn only_addresses_the_module_and_paths_under_etc_envoy_change() {
    let at = |host: &str, port: u16| json!({ "address": host, "port_value": port });
    let shipped = example(
        &at("0.0.0.0", 9901),
        &at("0.0.0.0", 10000),
        &at("neg-demo-0", 9376),
        "/etc/envoy/session_affinity.wasm",
        "/etc/envoy/",
    );
    let here = example(
        &at("127.0.0.1", 0),
        &at("127.0.0.1", 0),
        &at("127.0.0.1", 81),
        "built/module.wasm",
        "watched/",
    );
    let mut value = shipped;
    Shipped::new()
        .host("neg-demo-0", address(81))
        .module("built/module.wasm")
        .directory("watched")
        .rewrite(&mut value)
        .unwrap();
    assert_eq!(value, here);
}

#[test]
fn an_endpoint_without_a_known_host_is_an_error_that_names_it() {
    let mut value = json!({ "endpoint": { "address": { "socket_address": { "address": "stable-7" } } } });
    let error = Shipped::new().host("stable-6", address(1)).rewrite(&mut value).unwrap_err();
    assert!(error.to_string().contains("\"stable-7\""), "{error}");
}

#[test]
fn a_path_under_etc_envoy_without_a_directory_is_an_error_that_names_it() {
    let mut value = json!({ "path": "/etc/envoy/routes.yaml" });
    let error = Shipped::new().rewrite(&mut value).unwrap_err();
    assert!(error.to_string().contains("/etc/envoy/routes.yaml"), "{error}");
}

#[test]
fn the_shipped_envoy_yaml_loads() {
    let shipped = (0..3).fold(Shipped::new().module("module.wasm"), |shipped, i| {
        shipped.host(&format!("neg-demo-{i}"), address(81 + i))
    });
    let value = shipped.load("envoy.yaml").unwrap();
    let clusters = value["static_resources"]["clusters"].as_array().unwrap();
    assert_eq!(clusters.len(), 3);
    assert!(value.to_string().contains(r#""affinityCookieTtlSec":50"#));
}
