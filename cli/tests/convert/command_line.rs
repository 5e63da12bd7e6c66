//! The command line.

use std::process::{Command, Output, Stdio};

use crate::manifests::configured;
use crate::support::{SECRET, convert, convert_with, example_directory, run_as_is};

fn converter(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_session-affinity"))
        .args(["convert", "gke"])
        .args(arguments)
        .current_dir(example_directory())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_names_every_option_and_an_example() {
    let output = converter(&["--help"]);
    assert!(output.status.success());
    for part in [
        "--to",
        "--image",
        "--installer",
        "--dns",
        "--ingress",
        "--endpoints",
        "--eds",
        "--key-env",
        "--module",
        "--listen",
        "--admin",
        "/etc/envoy/session_affinity.wasm",
        "session-affinity convert gke manifests/*.yaml | kubectl apply -f -",
        "kubectl get all,gateway,httproute,gcpbackendpolicy,healthcheckpolicy -o yaml | session-affinity convert gke -",
        "session-affinity convert gke --to envoy --dns neg-demo-svc=pods.example.com manifests/*.yaml > envoy.yaml",
        "2  wrong usage, or a file that cannot be read or written",
    ] {
        assert!(text(&output.stdout).contains(part), "{part}");
    }
}

#[test]
fn without_files_there_is_nothing_to_do() {
    let output = converter(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("<FILE>..."));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let output = converter(&["deployment.yaml", "missing.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).starts_with("error: missing.yaml: "), "{}", text(&output.stderr));
}

#[test]
fn errors_end_with_code_1_and_nothing_on_standard_output() {
    let output = converter(&["deployment.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(
        text(&output.stderr).ends_with("error: nothing is written: 1 error\n"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn errors_come_last() {
    let spec = "{sessionAffinity: {affinityType: CLIENT_IP, affinityCookieTtlSec: 9}, cdn: {enabled: true}}";
    let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let manifests = configured(spec).replace("targetPort: 8080", "targetPort: web") + config;
    let said = convert(&manifests).said;
    let levels = said.lines().filter_map(|line| {
        let level = line.split_once(": ")?.0;
        ["note", "warning", "error"].iter().position(|known| *known == level)
    });
    let levels: Vec<usize> = levels.collect();
    assert!(
        levels.is_sorted() && levels.contains(&0) && levels.contains(&1) && levels.contains(&2),
        "{said}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let files = ["deployment.yaml", "backendconfig.yaml", "service.yaml", "ingress.yaml"];
    let mut converter = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
        .args(["convert", "gke"])
        .args(files)
        .current_dir(example_directory())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(converter.stdout.take());
    let output = converter.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("error"), "{}", text(&output.stderr));
}

#[test]
fn ports_and_the_module_are_the_given_ones_or_those_of_the_shipped_files() {
    let files = ["deployment.yaml", "backendconfig.yaml", "service.yaml", "ingress.yaml"];
    let to_envoy = ["--to", "envoy", "--endpoints", "neg-demo-app=10.0.0.1,10.0.0.2"];
    let files = [&files[..], &to_envoy].concat();
    let output = converter(&files);
    for part in [
        "{address: 0.0.0.0, port_value: 10000}",
        "{address: 127.0.0.1, port_value: 9901}",
        "filename: /etc/envoy/session_affinity.wasm",
    ] {
        assert!(text(&output.stdout).contains(part), "{part}");
    }
    let said = ["--listen", "[::]:80", "--admin", "127.0.0.1:1", "--module", "here/module.wasm"];
    let output = converter(&[&*files, &said].concat());
    for part in [
        "{address: \"::\", port_value: 80, ipv4_compat: true}",
        "{address: 127.0.0.1, port_value: 1}",
        "filename: here/module.wasm",
        "http://localhost:80/",
    ] {
        assert!(text(&output.stdout).contains(part), "{part}: {}", text(&output.stdout));
    }
}

#[test]
fn options_of_the_other_output_are_refused() {
    for (arguments, option) in [
        (&["--endpoints", "neg-demo-app=10.0.0.1"][..], "--endpoints"),
        (&["--to", "kubernetes", "--listen", "127.0.0.1:80"], "--listen"),
        (&["--to", "envoy", "--image", "registry.example/image"], "--image"),
    ] {
        let output = converter(&[&["deployment.yaml"], arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let said = text(&output.stderr);
        assert!(said.starts_with(&format!("error: {option} is not allowed with --to ")), "{said}");
    }
}

#[test]
fn a_secret_on_the_command_line_is_refused() {
    let cookie = configured("{sessionAffinity: {affinityType: GENERATED_COOKIE}}");
    let conversion = convert_with(&cookie, &["--key-env", SECRET]);
    assert!(!conversion.succeeded);
    assert!(conversion.said.contains("allowed: letters, digits and `_`"), "{}", conversion.said);
}

#[tokio::test]
async fn the_output_is_readable() {
    let spec = "{sessionAffinity: {affinityType: GENERATED_COOKIE, affinityCookieTtlSec: 50}}";
    let written = convert_with(&configured(spec), &[]).written().await;
    let heading =
        "# The GKE Ingress main as an Envoy configuration, made by session-affinity from all.yaml.\n";
    assert!(written.text.starts_with(heading), "{}", written.text);
    assert!(written.text.contains("#   app   cookie GCLB, 50 seconds   app-0, app-1\n"), "{}", written.text);
    assert!(written.text.contains("Without a key, nothing authenticates the cookies"));
    for line in written.text.lines() {
        let is_long_by_itself = line.contains("@type") || line.contains("healthCheck");
        assert!(line.len() <= 120 || is_long_by_itself, "{line}");
    }
}

#[test]
fn two_options_for_the_pods_of_one_service_are_refused() {
    let manifests = configured("{sessionAffinity: {affinityType: GENERATED_COOKIE}}");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("all.yaml"), manifests).unwrap();
    let arguments = ["all.yaml", "--to", "envoy", "--dns", "app=pods.example", "--endpoints", "app=10.0.0.1"];
    let written = run_as_is(directory, &arguments, std::process::Stdio::null());
    assert!(!written.succeeded && written.output.is_empty(), "{}", written.output);
    assert!(written.said.contains("both --dns and --endpoints give the pods of app"), "{}", written.said);
}

#[test]
fn check_finds_nothing_in_the_output() {
    let spec = "{sessionAffinity: {affinityType: GENERATED_COOKIE, affinityCookieTtlSec: 50}, timeoutSec: 1}";
    let manifests = configured(spec);
    let in_config_map = |manifests: &str| {
        let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(manifests).unwrap();
        let map = objects.into_iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        map["data"]["envoy.yaml"].as_str().unwrap().to_owned()
    };
    for arguments in [
        &["--to", "envoy"][..],
        &["--to", "envoy", "--key-env", "KEY"],
        &["--to", "envoy", "--dns", "app=pods.example"],
        &["--to", "envoy", "--eds", "eds"],
        &["--to", "kubernetes"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("all.yaml"), &manifests).unwrap();
        let written = run_as_is(directory, &[&["all.yaml"], arguments].concat(), std::process::Stdio::null());
        assert!(written.succeeded, "{}", written.said);
        let is_envoy = arguments[1] == "envoy";
        let configuration = if is_envoy { written.output } else { in_config_map(&written.output) };
        let file = written.directory.path().join("envoy.yaml");
        std::fs::write(&file, &configuration).unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
            .args(["check", "--format", "json", "envoy.yaml"])
            .current_dir(&written.directory)
            .output()
            .unwrap();
        assert_eq!(text(&checked.stdout), "", "{arguments:?}\n{configuration}");
        assert!(checked.status.success());
    }
}
