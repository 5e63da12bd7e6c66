//! The forms of a plugin configuration in Envoy's files: positions and secrets in each form.

use std::fs;

use crate::support::{Found, check, run};

/// A bootstrap around a `configuration`, which is indented by 18 spaces.
fn bootstrap(configuration: &str) -> String {
    format!(
        r#"static_resources:
  listeners:
  - name: ingress
    address: {{socket_address: {{address: 0.0.0.0, port_value: 10000}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          early_header_mutation_extensions:
          - name: envoy.http.early_header_mutation.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
              mutations: [{{remove: x-affinity-cluster}}]
          route_config:
            virtual_hosts:
            - name: shop
              domains: ["*"]
              routes:
              - name: shop
                match: {{prefix: /}}
                route: {{cluster_header: x-affinity-cluster, timeout: 0s}}
          http_filters:
          - name: affinity
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                failure_policy: FAIL_RELOAD
                vm_config:
                  vm_id: affinity
                  code: {{local: {{filename: /plugin.wasm}}}}
                configuration:
{configuration}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: shop-0
    connect_timeout: 1s
    common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}
"#
    )
}

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

const TEXT: &str = r#"                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: "#;

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

#[test]
fn no_secret_is_ever_printed() {
    const SECRET: &str = "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=";
    let key = format!(r#"{{"id":"k1","secret":"{SECRET}"}}"#);
    let wrong = r#""sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["shop-1"],"pin":7"#;
    let base64 = |json: &str| {
        use std::io::Write as _;
        let mut child = std::process::Command::new("base64")
            .arg("-w0")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let encoded = base64(&format!(r#"{{"keys":[{key}],{wrong}}}"#));
    let structure =
        "                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  value: ";
    for configuration in [
        format!(r#"{structure}{{"keys":[{key}],{wrong}}}"#),
        format!(r#"{structure}{{"keys":[{{"id":"{SECRET}","env":"{SECRET}"}}],{wrong}}}"#),
        format!(r#"{structure}{{"keys":["{SECRET}"],{wrong}}}"#),
        format!(r#"{structure}{{"keys":[{key}],{wrong}"#),
        format!(r#"{TEXT}'{{"keys":[{key}],{wrong}}}'"#),
        format!(r#"{TEXT}'{{"keys":[{key}],{wrong}'"#),
        format!(
            "                  \"@type\": type.googleapis.com/google.protobuf.BytesValue\n                  value: {encoded}"
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("envoy.yaml"), bootstrap(&configuration)).unwrap();
        for format in ["text", "json"] {
            let output = run(directory.path(), &["check", "--format", format, "envoy.yaml"]);
            let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{configuration}: {text}");
            assert!(
                !text.contains("IDMyIGJ5dGVz") && !text.contains(&encoded[20..60]),
                "{configuration}: {text}"
            );
        }
    }
}
