//! The forms of a plugin configuration in Envoy's files: positions in each form.

use std::fs;

use crate::support::{Found, TEXT, bootstrap, check, run};

/// The errors and warnings of a bootstrap with the configuration, each with the text from its place to the end of the
/// line.
fn found(configuration: &str) -> Vec<(Found, String)> {
    let directory = tempfile::tempdir().unwrap();
    let text = bootstrap(configuration);
    fs::write(directory.path().join("envoy.yaml"), &text).unwrap();
    let (found, _) = check(directory.path(), &["envoy.yaml"]);
    let at = |found: &Found| {
        let line = text.lines().nth(found.line - 1).unwrap_or_default();
        line.chars().skip(found.column - 1).collect()
    };
    let without_notes = found.into_iter().filter(|found| found.level != "note");
    without_notes.map(|found| (found.clone(), at(&found))).collect()
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
        format!(
            "                  \"@type\": type.googleapis.com/google.protobuf.BytesValue\n                  value: {}",
            base64.trim_end_matches('=')
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

/// Asserts that the filter is recognised, that the only diagnostic is the error, and what its help says.
fn assert_form(configuration: &str, message: &str, place: &str, write: &str) {
    assert_only(configuration, message, place);
    let found = found(configuration);
    assert_eq!(found[0].0.level, "error");
    assert!(found[0].0.help.as_ref().is_some_and(|help| help.contains(write)), "{found:?}");
}

#[test]
fn a_form_that_envoy_refuses_is_an_error_that_names_the_right_form() {
    let json = r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["shop-0"]}"#;
    let fields = "sessionAffinity: {affinityType: GENERATED_COOKIE}\n                  backends: [shop-0]";
    let of_type = |name: &str, rest: &str| {
        format!(
            "                  \"@type\": type.googleapis.com/google.protobuf.{name}\n                  {rest}"
        )
    };
    let as_struct = "write `\"@type\": type.googleapis.com/google.protobuf.Struct`";
    let as_text = "write `\"@type\": type.googleapis.com/google.protobuf.StringValue`";
    let no_type = "the configuration has no `@type`";
    let no_value = "the configuration has no `value`";
    assert_form(&format!("                  {fields}"), no_type, "sessionAffinity:", as_struct);
    assert_form(&format!("                  value: {json}"), no_type, "{", as_struct);
    assert_form(&format!("                  value: '{json}'"), no_type, "'", as_text);
    assert_form(&format!("                  '{json}'"), no_type, "'", as_text);
    assert_form(&of_type("Struct", fields), no_value, "\"@type\"", as_struct);
    assert_form(&of_type("StringValue", fields), no_value, "\"@type\"", as_struct);
    assert_form(&of_type("Struct", &format!("value: '{json}'")), "must be a mapping", "'", as_text);
    assert_form(&of_type("StringValue", &format!("value: {json}")), "must be text", "{", as_struct);
    assert_form(&of_type("BytesValue", &format!("value: '{json}'")), "base64", "'", as_struct);
    assert_form(&of_type("ListValue", &format!("value: {json}")), "of this type", "type.google", as_struct);
}

#[test]
fn a_configuration_in_a_form_that_envoy_refuses_is_checked_too() {
    let found = found(
        "                  sessionAffinity: {affinityType: GENERATED_COOKIE}\n                  backends: [shop-1]",
    );
    let messages: Vec<&str> = found.iter().map(|(found, _)| found.message.as_str()).collect();
    assert!(
        matches!(&*messages, [form, cluster] if form.contains("no `@type`") && cluster.contains("`shop-1`")),
        "{messages:?}"
    );
}

#[test]
fn numbers_are_read_as_envoy_reads_them() {
    let with_weight = |weight: &str| {
        let fields = format!(
            "{{backends: [{{cluster: shop-0, weight: {weight}}}], sessionAffinity: {{affinityType: NONE}}}}"
        );
        found(&format!(
            "                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  value: {fields}"
        ))
    };
    for weight in ["9", "+9", "0x10", "010"] {
        assert!(with_weight(weight).is_empty(), "{weight}: {:?}", with_weight(weight));
    }
    for weight in ["9.0", "9e1", "1_0", "0b1", "0o7", "09", "'9'"] {
        assert_eq!(with_weight(weight).len(), 1, "{weight}");
    }
}

#[test]
fn a_number_as_the_id_of_a_key_is_a_wrong_type_as_for_the_filter() {
    let configuration = "                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  \
                         value: {sessionAffinity: {affinityType: GENERATED_COOKIE}, backends: [shop-0], \
                         keys: [{id: 1, env: KEY}]}";
    let (found, _) = &found(configuration)[0];
    assert!(found.message.starts_with("config error at keys[0].id: wrong type"), "{found:#?}");
}

#[test]
fn a_merge_key_in_json_text_is_an_unknown_field_as_for_the_filter() {
    let json = r#"{"<<":{"pin":"CLUSTER"},"sessionAffinity":{"affinityType":"NONE"},"backends":["shop-0"]}"#;
    assert_only(&format!("{TEXT}'{json}'"), "unknown field", "\"<<\"");
}

#[test]
fn a_filter_is_recognised_by_a_valid_configuration_alone() {
    let found = found(
        "                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  value: {backends: [shop-1]}",
    );
    assert!(matches!(&*found, [(found, _)] if found.message.contains("the name `shop-1`")), "{found:?}");
}
