//! The forms of manifests: several files or documents, a List, JSON, standard input.

use std::fs::File;
use std::io::Write as _;

use serde_json::Value;

use crate::manifests::{all, backend_config, configured, ingress_to, service_with_config, stateful_set};
use crate::support::{Written, convert, convert_files, run};

fn parts() -> [String; 4] {
    let spec = "{sessionAffinity: {affinityType: GENERATED_COOKIE, affinityCookieTtlSec: 50}}";
    [stateful_set("app", 2), service_with_config("app"), backend_config("app", spec), ingress_to("app")]
}

/// The same manifests in one file of several documents.
async fn wanted() -> Value {
    convert(&all(&parts())).written().await.value
}

async fn is_the_same(written: Written) {
    assert_eq!(written.value, wanted().await, "{}", written.said);
}

#[tokio::test]
async fn manifests_may_come_in_any_files_and_any_order() {
    let [deployment, service, config, ingress] = parts();
    let rest = all(&[config, service, deployment]);
    is_the_same(convert_files(&[("a.yaml", &ingress), ("b.yaml", &rest)], &[]).written().await).await;
    let with_empty_documents = format!("---\n# nothing\n---\n{ingress}---\n{rest}...\n---\n");
    is_the_same(convert(&with_empty_documents).written().await).await;
}

#[tokio::test]
async fn the_list_that_kubectl_prints_is_read_with_the_fields_of_the_server() {
    let items: Vec<String> = parts()
        .iter()
        .map(|manifest| {
            let served = manifest.replacen(
                "metadata:\n",
                "metadata:\n  uid: 1-2\n  resourceVersion: \"7\"\n  managedFields: []\n",
                1,
            );
            let served = format!("{served}status: {{observed: true}}\n");
            // An item of a list.
            format!("- {}\n", served.trim_end().replace('\n', "\n  "))
        })
        .collect();
    let list = format!(
        "apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: \"\"}}\nitems:\n{}",
        items.concat()
    );
    is_the_same(convert(&list).written().await).await;
}

#[tokio::test]
async fn json_is_yaml_too() {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<(String, String)> = parts()
        .iter()
        .enumerate()
        .map(|(index, manifest)| {
            let path = directory.path().join("part.yaml");
            std::fs::write(&path, manifest).unwrap();
            (format!("{index}.json"), format!("{:#}", harness::shipped::read(&path).unwrap()))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    is_the_same(convert_files(&files, &[]).written().await).await;
}

#[tokio::test]
async fn a_dash_is_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    File::create(&path).unwrap().write_all(all(&parts()).as_bytes()).unwrap();
    let input = File::open(&path).unwrap();
    is_the_same(run(directory, &["-"], input.into()).written().await).await;
}

#[tokio::test]
async fn anchors_and_merge_keys_are_resolved() {
    let text = configured("{sessionAffinity: &affinity {affinityType: CLIENT_IP}}");
    let merged = configured("{sessionAffinity: {<<: {affinityType: CLIENT_IP}}}");
    assert_eq!(convert(&text).written().await.value, convert(&merged).written().await.value);
}

#[test]
fn an_error_in_a_later_document_is_reported_with_the_line_of_the_file() {
    let manifests = all(&parts()).replace("affinityCookieTtlSec: 50", "affinityCookieTtlSec: -1");
    let line = manifests.lines().position(|line| line.contains("-1}")).unwrap() + 1;
    let wanted = format!(
        "all.yaml:{line}: spec.sessionAffinity.affinityCookieTtlSec: error: invalid value: -1; \
         write an integer from 0 to 1209600"
    );
    assert_eq!(convert(&manifests).errors(), [wanted]);
}
