//! Runs the command on copies of shipped files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use tempfile::TempDir;

/// A diagnostic of `--format json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    pub level: String,
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub field: String,
    pub message: String,
    pub help: Option<String>,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs the command in a directory.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_session-affinity"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// The diagnostics of `check` about files, and the exit code.
pub fn check(directory: &Path, files: &[&str]) -> (Vec<Found>, i32) {
    let output = run(directory, &[&["check", "--format", "json"], files].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let found = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (found, output.status.code().unwrap())
}

/// Copies of the shipped directories `envoy` and `deploy`.
pub struct Copies(pub TempDir);

impl Copies {
    pub fn new() -> Self {
        let target = tempfile::tempdir().unwrap();
        for directory in ["envoy", "deploy"] {
            copy(&root().join(directory), &target.path().join(directory));
        }
        Self(target)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Replaces the first occurrence of a text in a file. The text must occur.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    pub fn line(&self, file: &Path, number: usize) -> String {
        let text = fs::read_to_string(self.path().join(file)).unwrap();
        text.lines().nth(number - 1).unwrap_or_default().to_owned()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
