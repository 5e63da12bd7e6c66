//! The files in `deploy/`.

use std::fs;
use std::path::{Path, PathBuf};

use harness::workspace_root;
use serde_json::Value;

/// `deploy/` of this repository.
pub fn directory() -> PathBuf {
    workspace_root().join("deploy")
}

/// All manifests in `deploy/`, as relative paths. The Helm chart is not a manifest: its templates are not YAML.
pub fn files() -> Vec<String> {
    let mut files = Vec::new();
    collect(&directory(), &mut files);
    files.sort();
    files
}

fn collect(directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("helm") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path.strip_prefix(self::directory()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// The objects in one file.
pub fn load(file: &str) -> Vec<Value> {
    parse(file, &fs::read_to_string(directory().join(file)).unwrap())
}

/// The objects in the text of a file.
pub fn parse(file: &str, text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{file}: {error}\n{text}"))
}

/// The only object of this kind among these objects.
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

/// The name of an object in `kubectl`: `Service/neg-demo-svc`.
pub fn name(object: &Value) -> String {
    format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}

/// A list's elements, or none if there is no list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
