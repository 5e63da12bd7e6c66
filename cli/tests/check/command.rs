//! The command line: exit codes, help, formats.

use std::fs;

use crate::support::{Copies, check, root, run};

#[test]
fn wrong_usage_and_files_that_cannot_be_read_exit_with_2() {
    for arguments in [
        &["check"][..],
        &["check", "--format", "xml", "envoy/canary.yaml"],
        &["check", "envoy/missing.yaml"],
        &["check", "envoy/canary.yaml", "envoy"],
        &["chek", "envoy/canary.yaml"],
        &[],
    ] {
        let output = run(&root(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    let output = run(&root(), &["check", "envoy/missing.yaml"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("envoy/missing.yaml"));
}

#[test]
fn text_that_is_not_yaml_is_an_error_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("envoy.yaml"), "static_resources:\n  listeners: [\n  clusters: []\n")
        .unwrap();
    let output = run(directory.path(), &["check", "envoy.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("error: not YAML: ") && text.contains("envoy.yaml:2:14"), "{text}");
}

#[test]
fn text_output_has_the_line_a_marker_and_the_help_without_colours_in_a_file() {
    let copies = Copies::new();
    copies.edit("envoy/canary.yaml", "{cluster: canary, weight: 10}", "{cluster: canray, weight: 10}");
    let output = run(copies.path(), &["check", "envoy/canary.yaml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "error: no cluster has the name `canray`",
        "--> envoy/canary.yaml:",
        "- {cluster: canray, weight: 10}",
        "^^^^^^ backends[1].cluster",
        "help: write `canary`",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    let summary = String::from_utf8(output.stderr).unwrap();
    assert_eq!(summary, "1 session-affinity filter in 1 file: 1 error, 0 warnings\n");
}

#[test]
fn standard_input_is_a_file_too() {
    use std::process::{Command, Stdio};
    let file = fs::File::open(root().join("envoy/canary.yaml")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
        .args(["check", "-"])
        .stdin(Stdio::from(file))
        .output()
        .unwrap();
    let summary = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{summary}");
    assert_eq!(summary, "1 session-affinity filter in 1 file: 0 errors, 0 warnings\n");
}

#[test]
fn a_file_without_a_document_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    for text in ["", "\n", "# A comment.\n", "---\n", "---\n# A comment.\n---\n"] {
        fs::write(directory.path().join("envoy.yaml"), text).unwrap();
        let (found, code) = check(directory.path(), &["envoy.yaml"]);
        assert_eq!(code, 1, "{text:?}");
        let [found] = &*found else { panic!("{text:?}: {found:?}") };
        assert_eq!(found.level, "error");
        assert_eq!((found.file.to_str(), found.line), (Some("envoy.yaml"), 1));
        assert_eq!(found.message, "the file is empty: there is nothing to check");
    }
    let output = run(directory.path(), &["check", "envoy.yaml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("error: the file is empty") && text.contains("--> envoy.yaml:1:1"), "{text}");
}

#[test]
fn a_full_standard_error_changes_no_exit_code() {
    for (file, code) in [("envoy/canary.yaml", 0), ("envoy/missing.yaml", 2)] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_session-affinity"));
        let status = command.args(["check", file]).current_dir(root()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(code), "{file}");
    }
}

#[test]
fn the_summary_tells_that_files_have_no_filter() {
    let output = run(&root(), &["check", "deploy/kubernetes/app.yaml"]);
    let summary = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(summary, "no session-affinity filter in 1 file: 0 errors, 0 warnings\n");
}

#[test]
fn the_help_names_the_input_files_examples_and_exit_codes() {
    let help = |arguments: &[&str]| String::from_utf8(run(&root(), arguments).stdout).unwrap();
    let all = help(&["--help"]);
    assert!(all.contains("check") && all.contains("schema"), "{all}");
    let check = help(&["check", "--help"]);
    for part in ["ConfigMap", "Examples:", "Exit codes:", "--format", "path_config_source", "read or written"]
    {
        assert!(check.contains(part), "{part}: {check}");
    }
    let schema = help(&["schema", "--help"]);
    assert!(schema.contains("The schema does not have these rules"), "{schema}");
}
