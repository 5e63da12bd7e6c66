//! Kubernetes manifests that contain an Envoy configuration.

use std::fs;

use crate::support::{Copies, check};

#[test]
fn files_of_one_config_map_belong_together() {
    let copies = Copies::new();
    let indented = |file: &str| -> String {
        let text = fs::read_to_string(copies.path().join(file)).unwrap();
        text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
    };
    let bootstrap = indented("envoy/live-update.yaml");
    let filter = indented("envoy/live-update/filter.yaml").replace("app-1, app-2]", "app-1, app-7]");
    let clusters = indented("envoy/live-update/clusters.yaml");
    let manifest = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: envoy}}\ndata:\n  envoy.yaml: |\n{bootstrap}  \
         filter.yaml: |\n{filter}  clusters.yaml: |\n{clusters}"
    );
    fs::create_dir(copies.path().join("k8s")).unwrap();
    fs::write(copies.path().join("k8s/envoy.yaml"), &manifest).unwrap();
    let (found, code) = check(copies.path(), &["k8s/envoy.yaml"]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    assert!(found[0].message.contains("no cluster has the name `app-7`"), "{found:#?}");
    let line = manifest.lines().nth(found[0].line - 1).unwrap();
    let place: String = line.chars().skip(found[0].column - 1).collect();
    assert!(place.starts_with("app-7]"), "{line}");
    assert_eq!(found[0].field, "backends[2]");
}

#[test]
fn a_list_of_manifests_is_read_as_the_manifests_themselves() {
    let copies = Copies::new();
    let text = fs::read_to_string(copies.path().join("deploy/istio/session-affinity.yaml")).unwrap();
    let plugin =
        text.split("\n---\n").next().unwrap().replace("failStrategy: FAIL_RELOAD", "failStrategy: FAIL_OPEN");
    let lines: Vec<&str> = plugin.lines().filter(|line| !line.starts_with('#')).collect();
    let items = lines.join("\n  ");
    fs::write(copies.path().join("list.yaml"), format!("apiVersion: v1\nkind: List\nitems:\n- {items}\n"))
        .unwrap();
    let (found, code) = check(copies.path(), &["list.yaml"]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    assert!(found[0].message.contains("FAIL_OPEN"), "{found:#?}");
}

#[test]
fn an_envoy_in_a_secret_is_checked() {
    let copies = Copies::new();
    let text = fs::read_to_string(copies.path().join("envoy/ingress.yaml")).unwrap();
    let text: String = text.lines().flat_map(|line| ["    ", line, "\n"]).collect();
    let text = text.replace("routes: [api-a]", "routes: [apii]");
    let manifest =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData:\n  envoy.yaml: |\n{text}");
    fs::write(copies.path().join("secret.yaml"), manifest).unwrap();
    let (found, code) = check(copies.path(), &["secret.yaml"]);
    let is_it = |message: &str| message.contains("names the route `apii`, which does not exist");
    assert!(code == 1 && found.iter().any(|found| is_it(&found.message)), "{found:#?}");
}

#[test]
fn a_filter_in_a_patch_is_recognised_by_the_name_of_the_filter() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = "apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: a}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    patch:
      operation: INSERT_BEFORE
      value:
        name: session-affinity
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          config:
            vm_config: {vm_id: a, code: {local: {filename: /plugin.wasm}}}
            failure_policy: FAIL_RELOAD
            configuration:
              \"@type\": type.googleapis.com/google.protobuf.Struct
              value: {backend: [a]}
";
    fs::write(directory.path().join("patch.yaml"), manifest).unwrap();
    let (found, code) = check(directory.path(), &["patch.yaml"]);
    assert!(code == 1 && found[0].message.contains("config error at backend: unknown field"), "{found:#?}");
}

/// A `WasmPlugin` of Istio with a merge key.
const WITH_MERGE_KEYS: &str = "x: &affinity {affinityType: GENERATED_COOKIE}
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: session-affinity}
spec:
  url: oci://registry.example.com/session-affinity
  failStrategy: FAIL_RELOAD
  pluginConfig:
    sessionAffinity: {<<: *affinity}
    backends: [shop-0]
";

#[test]
fn a_merge_key_is_read_in_a_manifest_and_an_error_in_a_document_for_envoy() {
    let copies = Copies::new();
    fs::write(copies.path().join("plugin.yaml"), WITH_MERGE_KEYS).unwrap();
    let (found, code) = check(copies.path(), &["plugin.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");

    let filter = "static_resources:\n  clusters: [{<<: {name: shop-0}}]\n";
    fs::write(copies.path().join("both.yaml"), format!("{WITH_MERGE_KEYS}---\n{filter}")).unwrap();
    let (found, code) = check(copies.path(), &["both.yaml"]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    let at = (found[0].line, found[0].column);
    assert_eq!((&*found[0].message, at), ("Envoy does not read the merge key `<<`", (13, 15)));
}

#[test]
fn a_merge_key_in_the_configuration_of_the_filter_is_only_one_error() {
    let copies = Copies::new();
    let from = "                    sessionAffinity:\n";
    for (field, notes) in [
        ("                    <<: {logOutcome: true}\n                    sessionAffinity:\n", 1),
        ("                    sessionAffinity:\n                      <<: {idleTimeoutSec: 60}\n", 0),
    ] {
        copies.edit("envoy/canary.yaml", from, field);
        let (found, code) = check(copies.path(), &["envoy/canary.yaml"]);
        assert_eq!(code, 1);
        let (errors, others): (Vec<_>, Vec<_>) = found.iter().partition(|found| found.level == "error");
        assert!(errors.len() == 1 && others.len() == notes, "{found:#?}");
        assert_eq!(errors[0].message, "Envoy does not read the merge key `<<`");
        for found in &found {
            assert!(copies.line(&found.file, found.line).contains("<<"), "{found:#?}");
        }
        copies.edit("envoy/canary.yaml", field, from);
    }
}

#[test]
fn a_merge_key_in_an_envoy_in_a_config_map_is_an_error_at_its_place() {
    let copies = Copies::new();
    let text = fs::read_to_string(copies.path().join("envoy/canary.yaml")).unwrap();
    let text = text.replace("  - name: stable\n", "  - <<: {respect_dns_ttl: true}\n    name: stable\n");
    let text: String = text.lines().flat_map(|line| ["    ", line, "\n"]).collect();
    let manifest =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  envoy.yaml: |\n{text}");
    fs::write(copies.path().join("envoy.yaml"), &manifest).unwrap();
    let (found, code) = check(copies.path(), &["envoy.yaml"]);
    assert_eq!((code, found.len()), (1, 1), "{found:#?}");
    assert_eq!(found[0].message, "Envoy does not read the merge key `<<`");
    assert!(manifest.lines().nth(found[0].line - 1).unwrap().contains("<<"), "{found:#?}");
}
