//! Settings of Envoy that need no warning.

use crate::support::{Copies, Found, check};

/// The diagnostics of `envoy/ingress.yaml` after edits, in which the services name their routes.
fn found(edits: &[(&str, &str)]) -> Vec<Found> {
    let copies = Copies::new();
    for (from, to) in edits {
        copies.edit("envoy/ingress.yaml", from, to);
    }
    check(copies.path(), &["envoy/ingress.yaml"]).0
}

const REFRESH: &str = "          - name: envoy.filters.http.header_mutation\n";
const TIMEOUT: &str = "route: {cluster_header: x-affinity-cluster, timeout: 0s";

fn filter(kind: &str, message: &str, fields: &str, element: &str) -> String {
    format!(
        "          - {{name: {kind}, {element}typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.{kind}.v3.{message}, {fields}}}}}\n"
    )
}

/// Whether a filter in place of the one that has Envoy choose the route again causes a warning.
fn clears_routes(filter: &str) -> bool {
    let copies = Copies::new();
    let text = std::fs::read_to_string(copies.path().join("envoy/ingress.yaml")).unwrap();
    let start = text.find(REFRESH).unwrap();
    let end = text.find("          - name: session_affinity\n").unwrap();
    std::fs::write(
        copies.path().join("envoy/ingress.yaml"),
        format!("{}{filter}{}", &text[..start], &text[end..]),
    )
    .unwrap();
    let (found, _) = check(copies.path(), &["envoy/ingress.yaml"]);
    let is_it = |found: &Found| found.message.contains("can have Envoy's route cache cleared");
    assert!(found.iter().all(is_it), "{found:#?}");
    !found.is_empty()
}

#[test]
fn filters_that_clear_the_route_cache_only_if_told_cause_a_warning_only_then() {
    assert!(!clears_routes(""));
    for (kind, message) in [("ext_authz", "ExtAuthz"), ("jwt_authn", "JwtAuthentication")] {
        assert!(!clears_routes(&filter(kind, message, "", "")), "{kind}");
        assert!(
            clears_routes(&filter(kind, message, "providers: {a: {clear_route_cache: true}}", "")),
            "{kind}"
        );
    }
    assert!(clears_routes(&filter("lua", "Lua", "", "")));
    assert!(!clears_routes(&filter("lua", "Lua", "clear_route_cache: false", "")));
    assert!(!clears_routes(&filter("lua", "Lua", "", "disabled: true, ")));
}

#[test]
fn a_filter_that_is_switched_off_may_come_after_the_filter() {
    let after = filter("rbac", "RBAC", "", "disabled: true, ");
    let router = "          - name: envoy.filters.http.router\n";
    let found = found(&[(router, &format!("{after}{router}"))]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_maximum_duration_of_the_stream_is_a_timeout() {
    let of_stream = |duration: &str| {
        found(&[(TIMEOUT, &TIMEOUT.replace("timeout: 0s", &format!("max_stream_duration: {duration}")))])
    };
    for duration in ["{max_stream_duration: 0s}", "{max_stream_duration: 60s}", "{}"] {
        let found = of_stream(duration);
        assert!(found.is_empty(), "{found:#?}");
    }
    let found = of_stream("{max_stream_duration: 0.1s}");
    assert!(
        !found.is_empty() && found.iter().all(|found| found.message.contains("`connect_timeout`")),
        "{found:#?}"
    );
}

#[test]
fn a_retry_policy_without_conditions_is_no_retry() {
    const RETRIES: &str = "          thresholds: [{max_retries: 1024}]\n";
    let of_policy = |policy: &str| {
        let copies = Copies::new();
        copies.edit(
            "deploy/kubernetes/ingress.yaml",
            RETRIES,
            "          thresholds: [{max_connections: 1024}]\n",
        );
        let path = copies.path().join("deploy/kubernetes/ingress.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("retry_on: "), "{text}");
        std::fs::write(&path, text.replace("retry_on: ", policy)).unwrap();
        check(copies.path(), &["deploy/kubernetes/ingress.yaml"]).0.len()
    };
    assert!(of_policy("retry_on: ") > 0);
    assert_eq!(of_policy("retry_on: \"\" # "), 0);
}
