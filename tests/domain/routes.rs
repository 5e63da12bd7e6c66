//! Which service serves a route.

use serde_json::{Value, json};

use crate::support::services;

/// The service of a route: its name.
fn served(config: &Value, route: Option<&str>) -> Option<String> {
    let services = services(config);
    let index = services.index_for(route.map(str::as_bytes))?;
    Some(services.all()[index].name.clone())
}

#[test]
fn a_route_has_the_service_that_names_it_and_else_the_one_that_names_none() {
    let config = json!({ "services": [
        { "name": "shop", "routes": ["cart", "checkout"], "backends": ["a"] },
        { "name": "rest", "backends": ["a"] },
        { "name": "blog", "routes": ["blog"], "backends": ["a"] },
    ] });
    assert!(services(&config).depend_on_route());
    for (route, service) in [
        (Some("cart"), "shop"),
        (Some("checkout"), "shop"),
        (Some("blog"), "blog"),
        (Some("Blog"), "rest"),
        (Some("cart "), "rest"),
        (Some(""), "rest"),
        (None, "rest"),
    ] {
        assert_eq!(served(&config, route).as_deref(), Some(service), "{route:?}");
    }
}

#[test]
fn a_route_that_no_service_names_has_none_where_all_name_theirs() {
    let config = json!({ "routes": ["cart"], "backends": ["a"] });
    assert_eq!(served(&config, Some("cart")).as_deref(), Some("default"));
    assert_eq!(served(&config, Some("blog")), None);
    assert_eq!(served(&config, None), None);
}

#[test]
fn a_single_service_without_routes_need_not_know_the_route() {
    let config = json!({ "backends": ["a"] });
    assert!(!services(&config).depend_on_route());
    assert_eq!(served(&config, Some("any")).as_deref(), Some("default"));
    assert_eq!(served(&config, None).as_deref(), Some("default"));
}
