//! What is written, and when nothing is.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::manifests::configured;
use crate::support::{Conversion, run_as_is};

const COOKIE: &str = "{sessionAffinity: {affinityType: GENERATED_COOKIE}}";
const TO_EDS: [&str; 7] =
    ["all.yaml", "--to", "envoy", "--eds", "eds", "--endpoints", "app=10.0.0.1,10.0.0.2"];

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("all.yaml"), configured(COOKIE)).unwrap();
    directory
}

/// `convert gke` with full devices in place of standard output or standard error.
fn with_streams(directory: &Path, arguments: &[&str], output: Stdio, error: Stdio) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-affinity"));
    let command = command.args(["convert", "gke"]).args(arguments).current_dir(directory);
    command.stdout(output).stderr(error).status().unwrap().code()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_of_endpoints_that_is_a_directory_is_an_error_and_nothing_is_written() {
    let directory = directory();
    fs::create_dir_all(directory.path().join("eds/app.yaml")).unwrap();
    for arguments in [&TO_EDS[..], &TO_EDS[..5]] {
        let output = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
            .args(["convert", "gke"])
            .args(arguments)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.ends_with("error: eds/app.yaml: is a directory\n"), "{said}");
    }
}

#[test]
fn no_file_of_endpoints_changes_if_standard_output_is_full() {
    let directory = directory();
    assert_eq!(with_streams(directory.path(), &TO_EDS, full(), Stdio::null()), Some(2));
    assert_eq!(files(&directory.path().join("eds")), [""; 0]);
    assert_eq!(with_streams(directory.path(), &TO_EDS, Stdio::null(), Stdio::null()), Some(0));
    assert_eq!(files(&directory.path().join("eds")), ["app.yaml"]);
}

#[test]
fn a_full_standard_error_changes_no_exit_code() {
    let directory = directory();
    assert_eq!(with_streams(directory.path(), &TO_EDS, Stdio::null(), full()), Some(0));
    assert_eq!(with_streams(directory.path(), &["all.yaml", "--eds", "x"], Stdio::null(), full()), Some(2));
    fs::write(directory.path().join("bad.yaml"), "kind: [").unwrap();
    assert_eq!(with_streams(directory.path(), &["bad.yaml"], Stdio::null(), full()), Some(1));
    assert_eq!(with_streams(directory.path(), &["missing.yaml"], Stdio::null(), full()), Some(2));
}

#[test]
fn a_note_about_an_option_that_nobody_gave_has_no_place() {
    let Conversion { said, succeeded, .. } = run_as_is(directory(), &["all.yaml"], Stdio::null());
    assert!(succeeded && said.contains("name another one with --image") && !said.contains("-->"), "{said}");
}
