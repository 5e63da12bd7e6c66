//! What the domain must not know.

use std::fs;
use std::path::Path;

/// Paths of all source files of the crate, below `src`, and their texts.
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

/// `file: line` of every line in which one of these words stands.
fn lines_with(words: &[&str]) -> Vec<String> {
    let sources = sources();
    let lines = sources.iter().flat_map(|(name, text)| text.lines().map(move |line| (name, line.trim())));
    let lines = lines.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    lines.map(|(name, line)| format!("{name}: {line}")).collect()
}

#[test]
fn only_the_two_sides_of_the_abi_name_its_functions() {
    let mut elsewhere = lines_with(&["proxy_", "extern \"C\"", "unsafe "]);
    let sides = ["exports.rs: ", "host.rs: ", "host/"];
    elsewhere.retain(|line| !sides.iter().any(|file| line.starts_with(file)));
    assert_eq!(elsewhere, [""; 0]);
}

#[test]
fn only_the_edge_calls_the_host() {
    let edge = ["exports.rs: ", "plugin.rs: ", "plugin/", "filter.rs: ", "filter/", "host.rs: ", "host/"];
    let mut elsewhere = lines_with(&["host::", "wasi::"]);
    elsewhere.retain(|line| !edge.iter().any(|file| line.starts_with(file)));
    assert_eq!(elsewhere, [""; 0]);
}

#[test]
fn the_domain_has_no_clock_and_no_randomness_of_its_own() {
    let words = ["std::time", "SystemTime", "Instant::", "RandomState", "HashMap::new", "HashSet::new"];
    let mut own = lines_with(&words);
    // A length of time is no clock.
    own.retain(|line| !line.ends_with("use std::time::Duration;"));
    // The configuration's maps live for one parse, and nothing depends on their order.
    own.retain(|line| !line.starts_with("config"));
    assert_eq!(own, [""; 0]);
}
