//! Parts of a configuration that are not in the given files cause no errors.

use std::fs;

use crate::support::{Copies, check};

const FROM_SERVER: &str = "dynamic_resources:
  cds_config: {ads: {}, resource_api_version: V3}
";

#[test]
fn clusters_from_a_server_are_not_reported_as_missing() {
    let copies = Copies::new();
    copies.edit("envoy/canary.yaml", "static_resources:", &format!("{FROM_SERVER}\nstatic_resources:"));
    copies.edit("envoy/canary.yaml", "{cluster: canary, weight: 10}", "{cluster: other, weight: 10}");
    let (found, code) = check(copies.path(), &["envoy/canary.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn clusters_on_demand_are_not_reported_as_missing() {
    let copies = Copies::new();
    copies.edit("envoy/canary.yaml", "{cluster: canary, weight: 10}", "{cluster: other, weight: 10}");
    copies.edit(
        "envoy/canary.yaml",
        "          http_filters:\n",
        "          http_filters:\n          - {name: on_demand, typed_config: {\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand, odcds: {source: {ads: {}}}}}\n",
    );
    let (found, code) = check(copies.path(), &["envoy/canary.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn routes_from_a_server_are_not_reported_as_missing() {
    let copies = Copies::new();
    let path = copies.path().join("envoy/ingress.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("          route_config:").unwrap();
    let end = text.find("          http_filters:").unwrap();
    let rds =
        "          rds: {route_config_name: ingress, config_source: {ads: {}, resource_api_version: V3}}\n";
    fs::write(&path, format!("{}{rds}{}", &text[..start], &text[end..])).unwrap();
    let (found, code) = check(copies.path(), &["envoy/ingress.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn a_file_with_only_the_filter_has_no_diagnostics_about_routes_and_clusters() {
    let copies = Copies::new();
    copies.edit(
        "envoy/live-update/filter.yaml",
        "backends: [app-0,",
        "routes: [nowhere]\n          backends: [app-9,",
    );
    let (found, code) = check(copies.path(), &["envoy/live-update/filter.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn without_a_bootstrap_a_missing_cluster_is_a_warning() {
    let copies = Copies::new();
    copies.edit("envoy/live-update/filter.yaml", "backends: [app-0,", "backends: [app-9,");
    let files = ["envoy/live-update/filter.yaml", "envoy/live-update/clusters.yaml"];
    let (found, code) = check(copies.path(), &files);
    assert_eq!((code, found.len()), (0, 1), "{found:#?}");
    assert_eq!(found[0].level, "warning");
}

#[test]
fn a_file_that_is_not_found_causes_a_note_and_its_contents_are_not_reported_as_missing() {
    let copies = Copies::new();
    fs::remove_file(copies.path().join("envoy/live-update/clusters.yaml")).unwrap();
    let (found, code) = check(copies.path(), &["envoy/live-update.yaml"]);
    assert_eq!((code, found.len()), (0, 1), "{found:#?}");
    assert_eq!(found[0].level, "note");
    assert!(found[0].message.contains("/etc/envoy/live-update/clusters.yaml"), "{found:#?}");
}

#[test]
fn a_named_file_that_cannot_be_read_is_an_error_at_its_name_and_the_rest_is_checked() {
    let copies = Copies::new();
    std::fs::write(copies.path().join("envoy/live-update/clusters.yaml"), [0xff, 0xfe]).unwrap();
    copies.edit("envoy/live-update/filter.yaml", "affinityCookieTtlSec: 3600", "affinityCookieTtlSec: 1h");
    let (found, code) = check(copies.path(), &["envoy/live-update.yaml"]);
    assert_eq!(code, 1);
    let unread = found.iter().find(|found| found.message.contains("cannot be read")).unwrap();
    assert!(copies.line(&unread.file, unread.line).contains("clusters.yaml"), "{unread:#?}");
    assert!(unread.message.contains("stream did not contain valid UTF-8"), "{unread:#?}");
    assert!(found.iter().any(|found| found.message.contains("affinityCookieTtlSec")), "{found:#?}");
}

#[test]
fn routes_in_a_separate_file_are_read() {
    let copies = Copies::new();
    let path = copies.path().join("envoy/ingress.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("          route_config:").unwrap();
    let end = text.find("          http_filters:").unwrap();
    let rds = "          rds: {route_config_name: ingress, config_source: {path_config_source: {path: routes.yaml}, \
               resource_api_version: V3}}\n";
    let routes: Vec<&str> =
        text[start..end].lines().skip(1).map(|line| line.get(10..).unwrap_or_default()).collect();
    let routes = format!(
        "resources:\n- \"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration\n{}\n",
        routes.join("\n")
    );
    fs::write(path.with_file_name("routes.yaml"), routes.replace("name: api-a\n", "name: api-c\n")).unwrap();
    fs::write(&path, format!("{}{rds}{}", &text[..start], &text[end..])).unwrap();
    let (found, code) = check(copies.path(), &["envoy/ingress.yaml"]);
    let of = |file: &str, message: &str| {
        found.iter().any(|found| found.file.ends_with(file) && found.message.contains(message))
    };
    assert_eq!((code, found.len()), (1, 2), "{found:#?}");
    assert!(of("ingress.yaml", "names the route `api-a`, which does not exist"), "{found:#?}");
    assert!(of("routes.yaml", "no service serves the route"), "{found:#?}");
}

#[test]
fn bootstraps_of_several_envoys_are_checked_separately() {
    let copies = Copies::new();
    copies.edit("envoy/canary.yaml", "{cluster: canary, weight: 10}", "{cluster: ws-0, weight: 10}");
    let (found, code) = check(copies.path(), &["envoy/canary.yaml", "envoy/websocket.yaml"]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    assert!(found[0].message.contains("no cluster has the name `ws-0`"), "{found:#?}");
}

#[test]
fn a_warning_that_its_author_accepts_in_a_comment_is_left_out() {
    let copies = Copies::new();
    let (found, code) = check(copies.path(), &["envoy/envoy.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
    copies.edit("envoy/envoy.yaml", "# check: accepted. ", "# ");
    let (found, code) = check(copies.path(), &["envoy/envoy.yaml"]);
    assert_eq!((code, found.len()), (0, 1), "{found:#?}");
    assert_eq!(found[0].field, "sessionAffinity.affinityCookieTtlSec");
}

#[test]
fn no_comment_hides_an_error() {
    let copies = Copies::new();
    copies.edit("envoy/envoy.yaml", "affinityCookieTtlSec: 50}", "affinityCookieTtlSec: -1}");
    let (found, code) = check(copies.path(), &["envoy/envoy.yaml"]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
}
