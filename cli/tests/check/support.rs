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

/// A `StringValue` for [`bootstrap`], without its value.
pub const TEXT: &str = r#"                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: "#;

/// A bootstrap around a `configuration`, which is indented by 18 spaces.
pub fn bootstrap(configuration: &str) -> String {
    format!(
        r#"static_resources:
  listeners:
  - name: ingress
    address: {{socket_address: {{address: 0.0.0.0, port_value: 10000}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          early_header_mutation_extensions:
          - name: envoy.http.early_header_mutation.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
              mutations: [{{remove: x-affinity-cluster}}]
          route_config:
            virtual_hosts:
            - name: shop
              domains: ["*"]
              routes:
              - name: shop
                match: {{prefix: /}}
                route: {{cluster_header: x-affinity-cluster, timeout: 0s}}
          http_filters:
          - name: affinity
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                failure_policy: FAIL_RELOAD
                vm_config:
                  vm_id: affinity
                  code: {{local: {{filename: /plugin.wasm}}}}
                configuration:
{configuration}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: shop-0
    connect_timeout: 1s
    common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}
"#
    )
}
