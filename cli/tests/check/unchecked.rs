//! What `check` does not check, and says so.

use std::fs;

use crate::support::{Copies, Found, check, run};

const PLUGIN: &str = r#"resources:
- "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
  name: sticky
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: sticky
      vm_config: {code: {local: {filename: /plugin.wasm}}}
"#;
const ROUTES: &str = r#"resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: local
  virtual_hosts:
  - name: app
    domains: ["*"]
    routes:
    - {name: app, match: {prefix: /}, route: {cluster_header: x-affinity-cluster, timeout: 0s}}
"#;

/// The diagnostics about a file with this text.
fn found(text: &str) -> Vec<Found> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file.yaml"), text).unwrap();
    let (found, code) = check(directory.path(), &["file.yaml"]);
    assert_eq!(code, 0, "{found:#?}");
    found
}

#[test]
fn a_file_without_a_filter_causes_a_warning_in_each_format() {
    for text in
        ["hello\n", "services: {app: {image: app}}\n", "{}\n", ROUTES, "static_resources: {listeners: []}\n"]
    {
        let found = found(text);
        let [found] = &*found else { panic!("{text}: {found:#?}") };
        assert_eq!((found.level.as_str(), found.line), ("warning", 1), "{text}");
        assert_eq!(found.message, "there is no session-affinity filter in the file: nothing is checked");
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file.yaml"), "hello\n").unwrap();
    let output = run(directory.path(), &["check", "file.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    let summary = String::from_utf8(output.stderr).unwrap();
    assert_eq!(summary, "no session-affinity filter in 1 file: 0 errors, 1 warning\n");
}

#[test]
fn files_for_another_purpose_than_a_filter_cause_no_warning() {
    let copies = Copies::new();
    let files = [
        "deploy/kubernetes/app.yaml",
        "deploy/istio/gateway.yaml",
        "envoy/live-update/clusters.yaml",
        "envoy/endpoints/app.yaml",
        "deploy/helm/session-affinity/values.yaml",
    ];
    let (found, code) = check(copies.path(), &files);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn a_file_without_a_filter_causes_no_warning_beside_a_filter() {
    let copies = Copies::new();
    fs::write(copies.path().join("other.yaml"), "hello\n").unwrap();
    let (found, code) = check(copies.path(), &["envoy/canary.yaml", "other.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn a_wasm_filter_that_is_not_recognised_causes_a_warning_if_there_is_no_other() {
    let manifest = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: sticky}\nspec: {url: \
                    oci://a/b}\n";
    for (text, line) in [(PLUGIN, 7), (manifest, 4)] {
        let found = found(text);
        let [found] = &*found else { panic!("{found:#?}") };
        assert_eq!((found.level.as_str(), found.line), ("warning", line));
        assert!(found.message.starts_with("this Wasm filter is not checked"), "{found:#?}");
        assert!(
            found.help.as_ref().unwrap().contains("write `session_affinity` into its name"),
            "{found:#?}"
        );
    }
    let copies = Copies::new();
    fs::write(copies.path().join("other.yaml"), PLUGIN).unwrap();
    let (found, code) = check(copies.path(), &["envoy/canary.yaml", "other.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

#[test]
fn a_wasm_filter_that_is_not_recognised_causes_a_warning_if_routes_wait_for_its_choice() {
    let copies = Copies::new();
    for edit in [
        ("- name: session_affinity", "- name: sticky"),
        ("name: session_affinity", "name: sticky"),
        ("session_affinity.wasm", "plugin.wasm"),
        ("sessionAffinity:", "sessionaffinity:"),
    ] {
        copies.edit("envoy/canary.yaml", edit.0, edit.1);
    }
    let (found, code) = check(copies.path(), &["envoy/canary.yaml", "envoy/ingress.yaml"]);
    let [route, filter] = &*found else { panic!("{found:#?}") };
    let is_warning = |found: &Found| found.level == "warning" && found.file.ends_with("canary.yaml");
    assert!(code == 0 && is_warning(route) && is_warning(filter), "{found:#?}");
    assert!(route.message.contains("has no session-affinity filter"), "{route:#?}");
    assert!(filter.message.starts_with("this Wasm filter is not checked"), "{filter:#?}");
}

#[test]
fn a_filter_and_routes_without_the_connection_manager_cause_a_warning() {
    let copies = Copies::new();
    fs::write(copies.path().join("routes.yaml"), ROUTES).unwrap();
    let (found, code) = check(copies.path(), &["envoy/live-update/filter.yaml", "routes.yaml"]);
    let [found] = &*found else { panic!("{found:#?}") };
    assert!(code == 0 && found.level == "warning" && found.file.ends_with("filter.yaml"), "{found:#?}");
    assert_eq!(
        found.message,
        "no connection manager in the files has this filter, so the filter's routes are not checked"
    );
    assert!(found.help.as_ref().unwrap().contains("give `check` the file with the connection manager"));
}

#[test]
fn routes_that_no_connection_manager_uses_cause_a_warning() {
    let copies = Copies::new();
    let text = fs::read_to_string(copies.path().join("envoy/ingress.yaml")).unwrap();
    let start = text.find("          route_config:").unwrap();
    let end = text.find("          http_filters:").unwrap();
    for (name, warnings) in [("local", 0), ("locall", 1)] {
        let rds = format!("          rds: {{route_config_name: {name}, config_source: {{ads: {{}}}}}}\n");
        fs::write(copies.path().join("envoy.yaml"), format!("{}{rds}{}", &text[..start], &text[end..]))
            .unwrap();
        fs::write(copies.path().join("routes.yaml"), ROUTES).unwrap();
        let (found, _) = check(copies.path(), &["envoy.yaml", "routes.yaml"]);
        let unused =
            found.iter().filter(|found| found.message.contains("uses the route configuration `local`"));
        assert_eq!(unused.count(), warnings, "{found:#?}");
    }
    // A dump of Envoy's configuration repeats the routes of connection managers.
    fs::write(copies.path().join("routes.yaml"), ROUTES.replace("name: local", "name: ingress")).unwrap();
    let (found, code) = check(copies.path(), &["envoy/ingress.yaml", "routes.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}
