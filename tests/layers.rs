//! The layers of the modules: only `src/envoy` calls Envoy, and no other module has a clock or a source of randomness.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;
use std::path::Path;

/// All source files of the crate: paths relative to `src`, and texts.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 10, "the sources are somewhere else: {sources:?}");
    sources
}

/// `file: line` for every line of code that contains one of these words, except in files whose path has the given
/// prefix.
fn lines_with(words: &[&str], except: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, text) in sources() {
        if except.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let found = code.filter(|line| words.iter().any(|word| line.contains(word)));
        lines.extend(found.map(|line| format!("{name}: {line}")));
    }
    lines
}

#[test]
fn only_envoy_and_the_crate_root_name_the_sdk() {
    assert_eq!(lines_with(&["proxy_wasm", "wasi::"], &["envoy/", "lib.rs"]), [""; 0]);
}

#[test]
fn only_one_file_has_unsafe_code() {
    assert_eq!(lines_with(&["unsafe ", "unsafe_code"], &["envoy/abi.rs"]), [""; 0]);
    assert!(!lines_with(&["unsafe "], &[]).is_empty(), "no file has unsafe code: this test can go");
}

#[test]
fn only_envoy_has_a_clock_and_randomness() {
    let words = ["SystemTime", "Instant", "RandomState", "HashMap::new", "HashSet::new"];
    assert_eq!(lines_with(&words, &["envoy/"]), [""; 0]);
}
