//! Helm's own engine, from the Python package `helm-python-sdk`. Needs neither a cluster nor the `helm` command.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::python_package;

/// The version of the package. It contains Helm 4.2.3.
const VERSION: &str = "0.2.2";

/// A chart in a directory.
#[derive(Clone, Debug)]
pub struct Chart {
    directory: PathBuf,
    kubernetes: Option<String>,
}

impl Chart {
    /// The chart in this directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), kubernetes: None }
    }

    /// The chart `deploy/helm/session-affinity` of this repository.
    #[must_use]
    pub fn shipped() -> Self {
        Self::new(crate::workspace_root().join("deploy/helm/session-affinity"))
    }

    /// The chart in a cluster of this version of Kubernetes, such as `1.30.4`. The default is Helm's.
    #[must_use]
    pub fn on_kubernetes(mut self, version: &str) -> Self {
        self.kubernetes = Some(version.to_owned());
        self
    }

    /// Renders the chart as `helm install NAME --namespace NAMESPACE` does, and returns the text of each template by
    /// the template's file name, such as `configmap.yaml`. Empty templates are left out.
    ///
    /// # Errors
    /// Helm's message, if the chart refuses the values.
    pub fn render(&self, values: &Value, name: &str, namespace: &str) -> Result<BTreeMap<String, String>> {
        let request = json!({
            "do": "render", "values": values, "name": name, "namespace": namespace, "kube_version": self.kubernetes,
        });
        let templates: BTreeMap<String, String> = self.ask(request)?;
        let file =
            |path: &str| Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = templates.into_iter().filter(|(_, text)| !text.trim().is_empty());
        Ok(written.map(|(path, text)| (file(&path), text)).collect())
    }

    /// The warnings and errors of `helm lint --strict`.
    ///
    /// # Errors
    /// If Helm cannot be run.
    pub fn lint(&self, values: &Value) -> Result<Vec<String>> {
        self.ask(json!({ "do": "lint", "values": values }))
    }

    /// Packages the chart into a directory, and returns the `.tgz` file.
    ///
    /// # Errors
    /// If the chart cannot be packaged.
    pub fn package(&self, destination: &Path) -> Result<PathBuf> {
        self.ask(json!({ "do": "package", "values": {}, "destination": destination }))
    }

    fn ask<Answer: DeserializeOwned>(&self, mut request: Value) -> Result<Answer> {
        request["chart"] = json!(self.directory);
        let package = python_package::directory("helm-python-sdk", VERSION, "helm_python/chart.py")?;
        let mut python = Command::new("python3")
            .args(["-c", include_str!("helm.py")])
            .env("PYTHONPATH", package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running python3")?;
        python
            .stdin
            .take()
            .context("python3 without standard input")?
            .write_all(request.to_string().as_bytes())?;
        let output = python.wait_with_output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        serde_json::from_slice(&output.stdout).context("reading the output of Helm's engine")
    }
}
