//! Runs the converter, and reads its output.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::envoy::{Envoy, Options};
use harness::{module_path, shipped};
use serde_json::Value;
use tempfile::TempDir;

/// A secret for keys.
pub const SECRET: &str = "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=";
/// The variable of the key.
pub const KEY_ENV: &str = "SESSION_AFFINITY_KEY";

/// The manifests of the example, in the order of the README.
pub const EXAMPLE: [&str; 4] = ["deployment.yaml", "backendconfig.yaml", "service.yaml", "ingress.yaml"];

/// The directory of the example.
pub fn example_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/neg-demo")
}

/// The result of the converter.
pub struct Conversion {
    /// Whether the exit code is 0.
    pub succeeded: bool,
    /// The standard output.
    pub output: String,
    /// The standard error.
    pub said: String,
    /// The working directory.
    pub directory: TempDir,
}

/// A written configuration.
pub struct Written {
    /// The configuration.
    pub value: Value,
    /// The text of the configuration.
    pub text: String,
    /// The standard error.
    pub said: String,
    /// The working directory of the converter and of Envoy.
    pub directory: TempDir,
}

/// Converts one file, `all.yaml`.
pub fn convert(manifests: &str) -> Conversion {
    convert_with(manifests, &[])
}

/// Converts one file, `all.yaml`, with these arguments.
pub fn convert_with(manifests: &str, arguments: &[&str]) -> Conversion {
    convert_files(&[("all.yaml", manifests)], arguments)
}

/// Converts several files.
pub fn convert_files(files: &[(&str, &str)], arguments: &[&str]) -> Conversion {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).chain(arguments.iter().copied()).collect();
    run(directory, &names, Stdio::null())
}

/// Runs the converter in a directory, with the built module as the filter's and ports that the system chooses.
pub fn run(directory: TempDir, arguments: &[&str], input: Stdio) -> Conversion {
    let module = module_path().unwrap();
    let to_envoy = ["--to", "envoy", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--module"];
    let arguments = [arguments, &to_envoy, &[module.to_str().unwrap()]].concat();
    run_as_is(directory, &arguments, input)
}

/// Runs `convert gke` in a directory, with only these arguments.
pub fn run_as_is(directory: TempDir, arguments: &[&str], input: Stdio) -> Conversion {
    let output = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
        .args(["convert", "gke"])
        .args(arguments)
        .current_dir(&directory)
        .stdin(input)
        .output()
        .unwrap();
    Conversion {
        succeeded: output.status.success(),
        output: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
        directory,
    }
}

impl Conversion {
    /// Asserts that `check` finds nothing in the output.
    pub fn assert_checked(&self) {
        let path = self.directory.path().join("checked.yaml");
        fs::write(&path, &self.output).unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_session-affinity"))
            .args(["check", "--format", "json", "checked.yaml"])
            .current_dir(&self.directory)
            .output()
            .unwrap();
        assert_eq!(str::from_utf8(&checked.stdout).unwrap(), "", "{}", self.output);
        assert!(checked.status.success());
    }

    /// The written configuration. Asserts that Envoy accepts it, and that `check` finds nothing in it.
    pub async fn written(self) -> Written {
        assert!(self.succeeded, "{}", self.said);
        self.assert_checked();
        let path = self.directory.path().join("envoy.yaml");
        fs::write(&path, &self.output).unwrap();
        let written = Written {
            value: shipped::read(&path).unwrap(),
            text: self.output,
            said: self.said,
            directory: self.directory,
        };
        assert_eq!(written.options().validate_file(&path).await, Ok(()), "{}", written.text);
        written
    }

    /// The errors. Asserts that nothing was written.
    pub fn errors(self) -> Vec<String> {
        assert!(!self.succeeded, "accepted:\n{}", self.output);
        assert_eq!(self.output, "");
        let errors: Vec<String> = remarks_with(&self.said, ": error: ");
        let (last, plural) = (self.said.lines().last().unwrap(), if errors.len() == 1 { "" } else { "s" });
        assert_eq!(last, format!("error: nothing is written: {} error{plural}", errors.len()));
        errors
    }
}

impl Written {
    /// Options to start Envoy with the configuration, in the working directory of the converter and with a key.
    pub fn options(&self) -> Options {
        Envoy::options().env(KEY_ENV, SECRET).working_directory(self.directory.path())
    }

    /// Starts Envoy with the configuration.
    pub async fn start(&self) -> Envoy {
        self.options().start(&self.value).await.unwrap()
    }

    /// The services of the filter.
    pub fn services(&self) -> &Vec<Value> {
        self.filter_configuration()["services"].as_array().unwrap()
    }

    /// The only service of the filter.
    pub fn service(&self) -> &Value {
        let [service] = &**self.services() else { panic!("one service: {}", self.text) };
        service
    }

    /// The filter's configuration.
    pub fn filter_configuration(&self) -> &Value {
        let filters = self.manager()["http_filters"].as_array().unwrap();
        let ours = filters.iter().find(|filter| filter["name"] == "session_affinity").unwrap();
        &ours["typed_config"]["config"]["configuration"]["value"]
    }

    /// The connection manager.
    pub fn manager(&self) -> &Value {
        self.value.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config").unwrap()
    }

    /// All routes, of all hosts.
    pub fn routes(&self) -> Vec<&Value> {
        let hosts = self.manager()["route_config"]["virtual_hosts"].as_array().unwrap();
        hosts.iter().flat_map(|host| host["routes"].as_array().unwrap()).collect()
    }

    /// All clusters.
    pub fn clusters(&self) -> &Vec<Value> {
        self.value["static_resources"]["clusters"].as_array().unwrap()
    }

    /// The targets of clusters of pods: their names and `host:port`.
    pub fn pods(&self) -> Vec<(String, String)> {
        let address = |cluster: &Value| {
            let path = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
            let address = cluster.pointer(path).unwrap();
            let host = address["address"].as_str().unwrap();
            (cluster["name"].as_str().unwrap().to_owned(), format!("{host}:{}", address["port_value"]))
        };
        self.clusters().iter().map(address).collect()
    }

    /// The reports of unsupported settings.
    pub fn not_carried_over(&self) -> Vec<String> {
        remarks_with(&self.said, ": not carried over: ")
    }

    /// The notes.
    pub fn notes(&self) -> Vec<String> {
        remarks_with(&self.said, ": note: ")
    }
}

fn remarks_with(text: &str, part: &str) -> Vec<String> {
    remarks(text).into_iter().filter(|remark| remark.contains(part)).collect()
}

/// All remarks, each on one line: `all.yaml:6: spec.replicas: error: what is wrong; what to write`. A remark without a
/// place begins with a colon.
pub fn remarks(text: &str) -> Vec<String> {
    let mut remarks = Vec::new();
    // An empty line ends each remark. What follows the last remark is no remark.
    let Some((text, _)) = text.rsplit_once("\n\n") else { return remarks };
    for block in text.split("\n\n") {
        let mut lines = block.lines().peekable();
        let mut title = lines.next().unwrap_or_default().to_owned();
        // A long title continues on the next line with an indentation.
        let is_of_title = |line: &&str| {
            let line = line.trim_start();
            line != "|" && !line.starts_with("--> ") && !line.starts_with("= help: ")
        };
        while let Some(line) = lines.next_if(is_of_title) {
            title = format!("{title} {}", line.trim());
        }
        let place = block.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
        let place = place.map_or("", |place| {
            let (place, column) = place.rsplit_once(':').unwrap();
            assert!(column.parse::<usize>().is_ok_and(|column| column > 0), "{block}");
            place
        });
        let marker = block.lines().find(|line| line.contains('^')).unwrap_or_default();
        let field = marker.trim_start_matches([' ', '|', '^']).trim();
        let field = if field.is_empty() { String::new() } else { format!(": {field}") };
        let help = block.lines().find_map(|line| line.trim_start().strip_prefix("= help: "));
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        remarks.push(format!("{place}{field}: {}{help}", title.trim_start_matches("warning: ")));
    }
    remarks
}
