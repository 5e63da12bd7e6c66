//! The shipped files have no diagnostics.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{check, root};

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            // The templates of a Helm chart are not YAML before Helm has rendered them.
            if !path.with_file_name("Chart.yaml").is_file() {
                found.extend(files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn shipped() -> Vec<String> {
    let all = [files(&root().join("envoy")), files(&root().join("deploy"))].concat();
    assert!(all.len() > 15, "{all:?}");
    let relative = |path: PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    all.into_iter().map(relative).collect()
}

#[test]
fn every_shipped_file_passes_without_a_diagnostic() {
    let mut complaints = Vec::new();
    for file in shipped() {
        let (found, code) = check(&root(), &[&file]);
        if code != 0 || !found.is_empty() {
            complaints.push((file, found));
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn all_shipped_files_pass_together_and_from_their_own_directory() {
    let all = shipped();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (found, code) = check(&root(), &all);
    assert!(code == 0 && found.is_empty(), "{found:#?}");

    let (found, code) = check(&root().join("envoy"), &["live-update.yaml", "endpoints.yaml"]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}
