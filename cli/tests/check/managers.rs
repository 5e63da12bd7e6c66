//! Several connection managers, and connection managers with their routes elsewhere.

use std::fs;

use crate::support::{Found, check};

const ROUTE: &str = "route: {cluster_header: x-affinity-cluster, timeout: 0s}";
const EARLY: &str = "early_header_mutation_extensions: [{name: early, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation, mutations: \
    [{remove: x-affinity-cluster}]}}]";
const ROUTER: &str = "{name: router, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}";
const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The filter's `typed_config`, with the routes of its only service.
fn wasm(routes: &str) -> String {
    format!(
        "{{\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {{name: session_affinity, \
         failure_policy: FAIL_RELOAD, vm_config: {{vm_id: a, code: {{local: {{filename: /a.wasm}}}}}}, configuration: \
         {{\"@type\": type.googleapis.com/google.protobuf.Struct, value: {{routes: [{routes}], sessionAffinity: \
         {{affinityType: GENERATED_COOKIE}}, backends: [shop-0]}}}}}}}}"
    )
}

fn filter(routes: &str) -> String {
    format!("{{name: session_affinity, typed_config: {}}}", wasm(routes))
}

/// A `route_config` with routes of these names.
fn routes(names: &[&str]) -> String {
    let route = |name: &&str| format!("{{name: {name}, match: {{prefix: /{name}}}, {ROUTE}}}");
    let routes: Vec<String> = names.iter().map(route).collect();
    format!("virtual_hosts: [{{name: shop, domains: [\"*\"], routes: [{}]}}]", routes.join(", "))
}

fn inline(names: &[&str]) -> String {
    format!("route_config: {{{}}}", routes(names))
}

/// A listener with a connection manager. Each field of the connection manager is on a line of its own.
fn listener(fields: &[&str]) -> String {
    let fields: String = fields.iter().flat_map(|field| ["          ", *field, "\n"]).collect();
    format!(
        "  - filter_chains:\n    - filters:\n      - name: manager\n        typed_config:\n          \"@type\": \
         type.googleapis.com/{MANAGER}\n          stat_prefix: in\n{fields}"
    )
}

const CLUSTERS: &str = "  clusters:\n  - {name: shop-0, connect_timeout: 1s, common_lb_config: \
    {healthy_panic_threshold: {value: 0}}}\n";

fn envoy(listeners: &[String]) -> String {
    format!("static_resources:\n  listeners:\n{}{CLUSTERS}", listeners.concat())
}

fn found(text: &str) -> Vec<Found> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("envoy.yaml"), text).unwrap();
    check(directory.path(), &["envoy.yaml"]).0
}

/// The level and the message of the only diagnostic.
fn only(text: &str) -> (String, String) {
    let found = found(text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    (found[0].level.clone(), found[0].message.clone())
}

fn assert_clean(text: &str) {
    let found = found(text);
    assert!(found.is_empty(), "{text}\n{found:#?}");
}

fn filters(elements: &[&str]) -> String {
    format!("http_filters: [{}]", [elements, &[ROUTER]].concat().join(", "))
}

/// A second listener beside one with the filter.
fn second(fields: &[&str]) -> String {
    envoy(&[listener(&[EARLY, &inline(&["cart"]), &filters(&[&filter("cart")])]), listener(fields)])
}

#[test]
fn a_connection_manager_without_the_filter_is_an_error_at_the_route() {
    let none = filters(&[]);
    let text = second(&[EARLY, &inline(&["cart"]), &none]);
    let found = found(&text);
    let [found] = &*found else { panic!("{found:#?}") };
    let line = text.lines().nth(found.line - 1).unwrap();
    let place: String = line.chars().skip(found.column - 1).collect();
    assert!(
        found.level == "error" && found.line > 15 && place.starts_with("x-affinity-cluster"),
        "{found:#?}"
    );
    let at = text.lines().enumerate().filter(|(_, line)| line.contains("stat_prefix")).nth(1).unwrap().0 + 1;
    let manager = format!("the connection manager at envoy.yaml:{at} has no session-affinity filter");
    assert!(
        found.message.contains(&manager) && found.message.ends_with("the route answers 503"),
        "{found:#?}"
    );
    assert!(
        found.help.as_ref().unwrap().contains("into the `http_filters` of the connection manager"),
        "{found:#?}"
    );

    let (level, message) = only(&second(&[&inline(&["cart"]), &none]));
    assert_eq!(level, "error");
    assert!(message.ends_with("clients choose the cluster with this header"), "{message}");
    assert_clean(&second(&[&inline(&["cart"]).replace(ROUTE, "route: {cluster: shop-0}"), &none]));
}

#[test]
fn a_connection_manager_without_the_filter_is_an_error_also_with_weighted_clusters_and_another_header() {
    let weighted = "route: {weighted_clusters: {clusters: [{name: shop-0, weight: 1}, {cluster_header: \
                    x-affinity-cluster, weight: 9}]}}";
    let (level, message) = only(&second(&[&inline(&["cart"]).replace(ROUTE, weighted), &filters(&[])]));
    assert!(level == "error" && message.contains("has no session-affinity filter"), "{message}");

    let text = second(&[EARLY, &inline(&["cart"]), &filters(&[])]);
    let text = text
        .replace("x-affinity-cluster", "x-a")
        .replace("value: {routes", "value: {clusterHeader: x-a, routes");
    let (level, message) = only(&text);
    assert!(level == "error" && message.contains("takes its cluster from `x-a`, but"), "{message}");
}

#[test]
fn another_filter_that_may_write_the_header_makes_a_warning() {
    let lua = "{name: lua, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, \
               default_source_code: {inline_string: 'handle:headers():add(\"X-Affinity-Cluster\", \"a\")'}}}";
    let external = "{name: p, typed_config: {\"@type\": \
                    type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor}}";
    for writer in [lua, external] {
        let (level, message) = only(&second(&[EARLY, &inline(&["cart"]), &filters(&[writer])]));
        assert!(level == "warning" && message.contains("has no session-affinity filter"), "{message}");
    }
    let other = lua.replace("X-Affinity-Cluster", "X-Other");
    assert_eq!(only(&second(&[EARLY, &inline(&["cart"]), &filters(&[&other])])).0, "error");
}

#[test]
fn a_filter_that_is_switched_off_is_an_error_also_beside_another_wasm_filter() {
    let other = "{name: stats, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, \
                 config: {name: stats}}}";
    let off = filter("cart").replace("typed_config:", "disabled: true, typed_config:");
    for elements in [&[&*off][..], &[&*off, other]] {
        let (level, message) = only(&envoy(&[listener(&[EARLY, &inline(&["cart"]), &filters(elements)])]));
        assert!(level == "error" && message.contains("the filter is switched off there"), "{message}");
    }
}

#[test]
fn a_filter_from_a_server_may_be_the_filter() {
    let discovered = "{name: a, config_discovery: {config_source: {ads: {}}, type_urls: []}}";
    assert_clean(&second(&[EARLY, &inline(&["cart"]), &filters(&[discovered])]));
}

#[test]
fn a_filter_inside_another_filter_is_found() {
    let matched = format!(
        "{{name: session_affinity, typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher, extension_config: {{name: a, \
         typed_config: {}}}}}}}",
        wasm("cart")
    );
    assert_clean(&envoy(&[listener(&[EARLY, &inline(&["cart"]), &filters(&[&matched])])]));
    let (level, message) = only(&envoy(&[listener(&[&inline(&["cart"]), &filters(&[&matched])])]));
    assert!(level == "warning" && message.contains("clients can write the header"), "{message}");

    let composite = format!(
        "{{name: composite, typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite, named_filter_chains: {{a: \
         {{typed_config: {}}}}}}}}}",
        wasm("cart")
    );
    assert_clean(&envoy(&[listener(&[EARLY, &inline(&["cart"]), &filters(&[&composite])])]));
}

#[test]
fn a_filter_that_is_twice_in_a_connection_manager_is_only_one_error() {
    let twice = filters(&[&filter("cart"), &filter("cart")]);
    let (level, message) = only(&envoy(&[listener(&[EARLY, &inline(&["cart"]), &twice])]));
    assert!(
        level == "error" && message.contains("the filter is twice in this connection manager"),
        "{message}"
    );
}

#[test]
fn a_default_of_a_discovered_filter_is_checked() {
    let discovered = |routes: &str| {
        let filter = wasm(routes);
        format!(
            "{{name: session_affinity, config_discovery: {{config_source: {{ads: {{}}}}, default_config: {filter}}}}}"
        )
    };
    assert_clean(&envoy(&[listener(&[EARLY, &inline(&["cart"]), &filters(&[&discovered("cart")])])]));
    let found = found(&envoy(&[listener(&[EARLY, &inline(&["cart"]), &filters(&[&discovered("card")])])]));
    assert!(found.iter().any(|found| found.message.contains("names the route `card`")), "{found:#?}");
}

#[test]
fn connection_managers_that_share_a_configuration_have_each_some_of_its_routes() {
    let shared = filter("cart, api");
    let copied = |second: &str| {
        envoy(&[
            listener(&[EARLY, &inline(&["cart"]), &filters(&[&shared])]),
            listener(&[EARLY, &inline(&[second]), &filters(&[&shared])]),
        ])
    };
    assert_clean(&copied("api"));
    let found = found(&copied("apii"));
    assert_eq!(
        found.iter().filter(|found| found.message.contains("names the route `api`")).count(),
        2,
        "{found:#?}"
    );

    let aliased = |second: &str| {
        envoy(&[
            listener(&[EARLY, &inline(&["cart"]), &format!("http_filters: &filters [{shared}, {ROUTER}]")]),
            listener(&[EARLY, &inline(&[second]), "http_filters: *filters"]),
        ])
    };
    assert_clean(&aliased("api"));
    let found = self::found(&aliased("apii"));
    assert_eq!(
        found.iter().filter(|found| found.message.contains("names the route `api`")).count(),
        1,
        "{found:#?}"
    );
}

#[test]
fn envoys_that_share_a_configuration_have_each_some_of_its_routes() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["cart", "api"] {
        let text = envoy(&[listener(&[EARLY, &inline(&[name]), &filters(&[&filter("cart, api")])])]);
        fs::write(directory.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let (found, code) = check(directory.path(), &["cart.yaml", "api.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
    let (found, code) = check(directory.path(), &["cart.yaml"]);
    assert!(code == 1 && found[0].message.contains("names the route `api`"), "{found:#?}");
}

#[test]
fn scoped_routes_are_routes_of_the_connection_manager() {
    let scoped = |name: &str| {
        let list = format!(
            "[{{name: a, route_configuration_name: {name}, key: {{fragments: [{{string_key: a}}]}}}}]"
        );
        let scoped = format!(
            "scoped_routes: {{name: s, rds_config_source: {{ads: {{}}}}, scoped_route_configurations_list: \
             {{scoped_route_configurations: {list}}}}}"
        );
        envoy(&[listener(&[EARLY, &scoped, &filters(&[&filter("card")])])])
    };
    let resource = format!(
        "resources:\n- {{\"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: local, {}}}\n",
        routes(&["cart"])
    );
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("routes.yaml"), resource).unwrap();
    for (name, is_known) in [("local", true), ("from-server", false)] {
        fs::write(directory.path().join("envoy.yaml"), scoped(name)).unwrap();
        let (found, _) = check(directory.path(), &["envoy.yaml", "routes.yaml"]);
        let is_said =
            found.iter().any(|found| found.message.contains("names the route `card`, which does not exist"));
        assert_eq!(is_said, is_known, "{found:#?}");
    }
}

#[test]
fn routes_in_a_matcher_are_routes_of_the_connection_manager() {
    let route = format!(
        "{{\"@type\": type.googleapis.com/envoy.config.route.v3.Route, name: cart, match: {{prefix: /}}, {ROUTE}}}"
    );
    let routes = format!(
        "route_config: {{virtual_hosts: [{{name: shop, domains: [\"*\"], matcher: {{on_no_match: {{action: {{name: route, \
         typed_config: {route}}}}}}}}}]}}"
    );
    assert_clean(&envoy(&[listener(&[EARLY, &routes, &filters(&[&filter("cart")])])]));
    let found = found(&envoy(&[listener(&[EARLY, &routes, &filters(&[&filter("card")])])]));
    let messages: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
    assert!(messages.iter().any(|message| message.contains("`card`, which does not exist")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("no service serves the route")), "{messages:?}");
}

#[test]
fn a_single_value_is_a_list_as_for_envoy() {
    let single = |names: &[&str], filter: &str| {
        let text = envoy(&[listener(&[&EARLY.replace(['[', ']'], ""), &inline(names), &filters(&[filter])])]);
        text.replace("virtual_hosts: [{", "virtual_hosts: {")
            .replace("}]}]}", "}}}")
            .replace("routes: [{name", "routes: {name")
    };
    assert_clean(&single(&["cart"], &filter("cart")));
    let found = found(&single(&["cart"], &filter("card")));
    assert!(found.iter().any(|found| found.message.contains("names the route `card`")), "{found:#?}");
}
