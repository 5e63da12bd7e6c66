//! The forms of a plugin configuration in Envoy's files: positions in each form.

use std::fs;

use crate::support::{Found, TEXT, bootstrap, check, run};

/// The diagnostics of a bootstrap with the configuration, each with the text from its place to the end of the line.
fn found(configuration: &str) -> Vec<(Found, String)> {
    let directory = tempfile::tempdir().unwrap();
    let text = bootstrap(configuration);
    fs::write(directory.path().join("envoy.yaml"), &text).unwrap();
    let (found, _) = check(directory.path(), &["envoy.yaml"]);
    let at = |found: &Found| {
        let line = text.lines().nth(found.line - 1).unwrap_or_default();
        line.chars().skip(found.column - 1).collect()
    };
    found.into_iter().map(|found| (found.clone(), at(&found))).collect()
}

fn assert_only(configuration: &str, message: &str, place: &str) {
    let found = found(configuration);
    assert!(
        matches!(found.as_slice(), [(found, at)] if found.message.contains(message) && at.starts_with(place)),
        "{configuration}\n{found:#?}"
    );
}

#[test]
fn a_valid_configuration_is_recognised_in_each_form_by_its_fields() {
    let json = r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["shop-0"]}"#;
    let base64 = "eyJzZXNzaW9uQWZmaW5pdHkiOnsiYWZmaW5pdHlUeXBlIjoiR0VORVJBVEVEX0NPT0tJRSJ9LCJiYWNrZW5kcyI6WyJzaG9wLTAiXX0=";
    for configuration in [
        format!("{TEXT}'{json}'"),
        format!("{TEXT}{json:?}"),
        format!("{TEXT}|\n                    {json}"),
        format!("{TEXT}>-\n                    {json}"),
        format!(
            "                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  value: {json}"
        ),
        format!(
            "                  \"@type\": type.googleapis.com/google.protobuf.BytesValue\n                  value: {base64}"
        ),
    ] {
        assert!(found(&configuration).is_empty(), "{configuration}: {:?}", found(&configuration));
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("envoy.yaml"), bootstrap(&configuration)).unwrap();
        let output = run(directory.path(), &["check", "envoy.yaml"]);
        let summary = String::from_utf8(output.stderr).unwrap();
        assert!(summary.starts_with("1 session-affinity filter in 1 file: 0 errors"), "{summary}");
    }
}

#[test]
fn an_error_in_json_text_is_shown_at_its_place_in_the_text() {
    let place = "\"shop-1\"";
    let message = "no cluster has the name `shop-1`";
    assert_only(
        &format!(r#"{TEXT}'{{"sessionAffinity":{{"affinityType":"NONE"}},"backends":["shop-0","shop-1"]}}'"#),
        message,
        place,
    );
    assert_only(
        &format!(
            "{TEXT}|\n                    {{\"sessionAffinity\": {{\"affinityType\": \"NONE\"}},\n                     \"backends\": [\"shop-0\",\n                                  \"shop-1\"]}}"
        ),
        message,
        place,
    );
    assert_only(
        &format!(
            r#"{TEXT}"{{\"sessionAffinity\":{{\"affinityType\":\"NONE\"}},\n\"backends\":[\"shop-0\",\"shop-1\"]}}""#
        ),
        message,
        r#""shop-1\""#,
    );
    assert_only(
        &format!(
            "{TEXT}>\n                    {{\"sessionAffinity\":\n                    {{\"affinityType\": \"NONE\"}}, \"backends\": [\"shop-0\"], \"pin\": \"POD\"}}"
        ),
        "config error at pin: unknown value; allowed: CLUSTER, ENDPOINT, CLUSTER_AND_ENDPOINT",
        "\"POD\"",
    );
}

#[test]
fn an_error_in_json_is_shown_where_the_parser_stops() {
    let configuration = format!(
        "{TEXT}|\n                    {{\"sessionAffinity\": {{\"affinityType\": \"NONE\"}},\n                     \"backends\": [\"shop-0\",]}}"
    );
    assert_only(&configuration, "config error at (root): not JSON: trailing comma at line 2", "]");
    let configuration = format!(
        r#"{TEXT}'{{"sessionAffinity":{{"affinityType":"NONE"}},"backends":["shop-0"],"pin":"CLUSTER","pin":"CLUSTER"}}'"#
    );
    let directory = tempfile::tempdir().unwrap();
    let text = bootstrap(&configuration).replace("- name: affinity", "- name: session_affinity");
    fs::write(directory.path().join("envoy.yaml"), &text).unwrap();
    let (found, code) = check(directory.path(), &["envoy.yaml"]);
    assert!(code == 1 && found[0].message.contains("config error at pin: given twice"), "{found:?}");
    let line = text.lines().nth(found[0].line - 1).unwrap();
    assert!(
        line.chars().skip(found[0].column - 1).collect::<String>().starts_with("\"pin\":\"CLUSTER\"}"),
        "{found:?}"
    );
}

#[test]
fn a_filter_without_a_configuration_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let text = bootstrap("").replace("configuration:\n", "root_id: session_affinity\n");
    fs::write(directory.path().join("envoy.yaml"), text).unwrap();
    let (found, code) = check(directory.path(), &["envoy.yaml"]);
    assert_eq!(code, 1);
    assert!(found.iter().any(|found| found.message.contains("no configuration")), "{found:?}");
}
