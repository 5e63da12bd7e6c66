//! The JSON Schema of the plugin configuration is up to date, and as strict as a schema can be.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "tests may panic, and the cases hold more than is asked of them here"
)]

#[path = "../../../tests/cases/mod.rs"]
mod cases;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn printed() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_session-affinity")).arg("schema").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&printed()).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

#[test]
fn the_committed_schema_is_what_the_command_prints() {
    let file = root().join("docs/session-affinity.schema.json");
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == printed(), "run `cargo run -p cli -- schema > docs/session-affinity.schema.json`");
}

#[test]
fn the_schema_follows_its_own_meta_schema_and_describes_every_field() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let mut missing = Vec::new();
    undescribed(&schema, "", &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
}

fn undescribed(schema: &Value, path: &str, missing: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match schema {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, value) in children {
        let path = format!("{path}/{name}");
        if name == "properties" {
            let undescribed =
                value.as_object().unwrap().iter().filter(|(_, field)| field["description"].is_null());
            missing.extend(undescribed.map(|(field, _)| format!("{path}/{field}")));
        }
        undescribed(value, &path, missing);
    }
}

/// The plugin configurations of a file: the value beside the type `google.protobuf.Struct`, `pluginConfig` of Istio,
/// and `config` of Envoy Gateway.
fn configurations(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| configurations(item, found)),
        Value::Object(fields) => {
            let has =
                |value: &Value| value.get("sessionAffinity").is_some() || value.get("services").is_some();
            let plain = [fields.get("pluginConfig"), fields.get("config"), fields.get("value")];
            found.extend(plain.into_iter().flatten().filter(|value| has(value)).cloned());
            fields.values().for_each(|value| configurations(value, found));
        }
        Value::String(text) if text.contains("sessionAffinity") => {
            if let Ok(value) = serde_saphyr::from_str::<Value>(text)
                && !value.is_string()
            {
                configurations(&value, found);
            }
        }
        _ => {}
    }
}

fn yaml_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        // The templates of a Helm chart are not YAML before Helm has rendered them.
        .filter(|path| !(path.is_dir() && path.with_file_name("Chart.yaml").is_file()))
        .flat_map(|path| if path.is_dir() { yaml_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect()
}

#[test]
fn every_shipped_configuration_is_valid() {
    let validator = validator();
    let mut count = 0;
    for file in [yaml_files(&root().join("envoy")), yaml_files(&root().join("deploy"))].concat() {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&file).unwrap()).unwrap();
        let mut found = Vec::new();
        for document in &documents {
            configurations(document, &mut found);
        }
        for configuration in found {
            count += 1;
            let errors: Vec<_> =
                validator.iter_errors(&configuration).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", file.display());
        }
    }
    assert!(count >= 16, "{count}");
}

#[test]
fn every_configuration_that_the_filter_accepts_is_valid() {
    let validator = validator();
    for configuration in cases::accepted() {
        let value: Value = serde_json::from_str(&configuration).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{configuration}: {errors:?}");
    }
}

/// Errors that the schema does not find: the start of the filter's error, and the reason. The help of the command has
/// the same list in other words.
const NOT_IN_THE_SCHEMA: &[(&str, &str)] = &[
    ("not JSON", "a schema is about JSON"),
    ("no configuration", "a schema is about JSON"),
    ("given twice", "JSON as a schema sees it has each field once"),
    ("duplicate of", "names that differ"),
    ("the same name as", "names that differ"),
    ("missing, and ", "several services together"),
    ("given beside services", "fields that exclude each other"),
    ("missing; allowed: a list of clusters", "needed only without `pin: ENDPOINT`"),
    ("missing; allowed: an object with", "needed only with some affinity types"),
    ("missing; allowed: the name of the application's session cookie", "needed only with COOKIE_ENVELOPE"),
    ("every weight is 0", "several backends together"),
    ("has no effect", "fields that go together"),
    ("cannot work with", "fields that go together"),
    ("needs keys", "fields that go together"),
    ("browsers drop a cookie", "fields that go together"),
    ("longer than checkIntervalSec", "two numbers together"),
    ("neither secret nor env given", "one of two fields"),
    ("both secret and env given", "one of two fields"),
    ("not set", "the environment"),
    ("the variable's value is", "the environment"),
];

#[test]
fn every_configuration_that_the_filter_refuses_is_invalid_or_a_known_exception() {
    let validator = validator();
    let mut used = BTreeSet::new();
    let mut accepted = Vec::new();
    for case in cases::refused() {
        let value: Result<Value, _> = serde_json::from_str(&case.config);
        if value.as_ref().is_ok_and(|value| !validator.is_valid(value)) {
            continue;
        }
        match NOT_IN_THE_SCHEMA.iter().find(|(start, _)| case.problem.starts_with(start)) {
            Some((start, _)) => _ = used.insert(*start),
            None => accepted.push(case),
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    let unused: Vec<_> = NOT_IN_THE_SCHEMA.iter().filter(|(start, _)| !used.contains(start)).collect();
    assert!(unused.is_empty(), "the schema says these: {unused:?}");
}
