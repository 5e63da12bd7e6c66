//! No diagnostic shows a secret.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Found, TEXT, bootstrap, check, root, run};

const SECRET: &str = "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=";
const BYTE_ORDER_MARK: char = '\u{feff}';
const AFFINITY: &str = "sessionAffinity: {affinityType: GENERATED_COOKIE}";
const STRUCT: &str =
    "                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  value: ";

/// Asserts that no diagnostic of an erroneous file shows a part of the secret.
fn assert_hidden(text: &str) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("envoy.yaml"), text).unwrap();
    for format in ["text", "json"] {
        let output = run(directory.path(), &["check", "--format", format, "envoy.yaml"]);
        let shown = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {shown}");
        assert!(
            !shown.contains(&SECRET[..12]) && !shown.contains(&SECRET[SECRET.len() - 3..]),
            "{text}: {shown}"
        );
    }
}

#[test]
fn no_secret_is_ever_printed() {
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

#[test]
fn no_secret_is_printed_from_a_file_with_a_byte_order_mark() {
    let text = bootstrap(&format!(
        "{STRUCT}{{{AFFINITY}, keys: [{{id: k1, secret: {SECRET}, envy: A}}], backends: [shop-1]}}"
    ));
    assert_hidden(&format!("{BYTE_ORDER_MARK}{text}"));
    let lines: String = text.lines().flat_map(|line| ["    ", line, "\n"]).collect();
    let lines = lines.trim_start();
    assert_hidden(&format!(
        "kind: ConfigMap\napiVersion: v1\ndata:\n  envoy.yaml: |\n    {BYTE_ORDER_MARK}{lines}"
    ));
}

#[test]
fn no_secret_is_printed_that_an_anchor_defines_elsewhere() {
    let fields = format!(
        "{{{AFFINITY}, debugHeader: [&secret {SECRET}], keys: [{{id: k1, secret: *secret}}], backends: [shop-0]}}"
    );
    assert_hidden(&bootstrap(&format!("{STRUCT}{fields}")));
}

#[test]
fn no_secret_is_printed_from_a_field_with_a_misspelt_name() {
    let fields = format!("{{keyz: [{{id: k1, sekret: {SECRET}}}], {AFFINITY}, backends: [shop-0]}}");
    assert_hidden(&bootstrap(&format!("{STRUCT}{fields}")));
}

#[test]
fn no_secret_is_printed_from_a_field_with_a_misspelt_name_without_its_padding() {
    let secret = SECRET.trim_end_matches('=');
    let fields = format!("{{keyz: [{{id: k1, sekret: {secret}}}], {AFFINITY}, backends: [shop-0]}}");
    assert_hidden(&bootstrap(&format!("{STRUCT}{fields}")));
}

#[test]
fn no_secret_is_printed_from_a_line_that_is_not_yaml() {
    let text =
        bootstrap(&format!("{STRUCT}{{{AFFINITY}, keys: [{{id: k1, env: KEY}}], backends: [shop-0]}}"));
    for values in [
        format!("{{KEY: {SECRET}, KEY: {SECRET}}}"),
        format!("{{KEY: {SECRET}"),
        format!("[KEY: \"{SECRET}\"}}"),
    ] {
        let variables =
            format!("vm_id: affinity\n                  environment_variables: {{key_values: {values}}}");
        assert_hidden(&text.replace("vm_id: affinity", &variables));
    }
}

#[test]
fn a_hidden_secret_keeps_the_rest_of_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let text = bootstrap(&format!(
        "{STRUCT}{{{AFFINITY}, keys: [{{id: k1, secret: {SECRET}}}], backends: [shop-0]}}"
    ));
    fs::write(directory.path().join("envoy.yaml"), text).unwrap();
    let output = run(directory.path(), &["check", "envoy.yaml"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    let hidden = "*".repeat(SECRET.len());
    assert!(shown.contains(&format!("{{id: k1, secret: {hidden}}}], backends: [shop-0]}}")), "{shown}");
}

#[test]
fn a_byte_order_mark_changes_no_place() {
    let directory = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root().join("envoy/ingress.yaml")).unwrap();
    let text = text.replace("routes: [api-a]", "routes: [äpi-a]");
    let at = |text: &str| {
        fs::write(directory.path().join("envoy.yaml"), text).unwrap();
        let (found, _) = check(directory.path(), &["envoy.yaml"]);
        found.into_iter().map(|found| (found.message, found.line, found.column)).collect::<Vec<_>>()
    };
    let places = at(&text);
    assert_eq!(places.len(), 2, "{places:?}");
    assert_eq!(at(&format!("{BYTE_ORDER_MARK}{text}")), places);

    let file = fs::File::open(directory.path().join("envoy.yaml")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
        .args(["check", "-"])
        .stdin(Stdio::from(file))
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let (_, line, column) = &places[1];
    assert!(shown.contains(&format!("standard input:{line}:{column}")), "{shown}");
}

#[test]
fn a_hidden_secret_changes_no_place_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let affinity = r#""sessionAffinity": {"affinityType": "GENERATED_COOKIE"}"#;
    let keys = format!(r#""keys": [{{"id": "k1", "secret": "{SECRET}"}}]"#);
    let json = format!(r#"{{{keys}, {affinity}, "backends": ["shop-1"]}}"#);
    let text = bootstrap(&format!("{TEXT}'{json}'"));
    let lines: String = text.lines().flat_map(|line| ["    ", line, "\n"]).collect();
    let manifest = format!("kind: ConfigMap\napiVersion: v1\ndata:\n  envoy.yaml: |\n{lines}");
    for text in [text, manifest] {
        fs::write(directory.path().join("envoy.yaml"), &text).unwrap();
        let (found, _) = check(directory.path(), &["envoy.yaml"]);
        let place = |found: &Found| {
            let line = text.lines().nth(found.line - 1).unwrap();
            line.chars().skip(found.column - 1).collect::<String>()
        };
        let places: Vec<String> = found.iter().map(place).collect();
        let [secret, backend] = &*places else { panic!("{found:#?}") };
        assert!(
            secret.starts_with(&format!("\"{SECRET}\"")) && backend.starts_with("\"shop-1\"]"),
            "{places:#?}"
        );
    }
}
