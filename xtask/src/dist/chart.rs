//! The packaged Helm chart, by Helm's own engine (the Python package `helm-python-sdk`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::VERSION;
use crate::shell;

/// The version of the Python package.
const SDK: &str = "0.2.2";

const SCRIPT: &str = "
import sys
from helm_python import chart
path, destination, version = sys.argv[1:]
print(chart.package(path, destination=destination, version=version, app_version=version))
";

/// Packages the chart under the version of the release. Returns where the archive is.
pub fn package(chart: &Path, to: &Path) -> Result<PathBuf> {
    ensure!(
        chart.join("Chart.yaml").is_file(),
        "{} has no Chart.yaml: the Helm chart is a part of every release",
        chart.display()
    );
    let module = harness::python_package::program("helm-python-sdk", SDK, "helm_python/chart.py")?;
    let packages = module.ancestors().nth(2).context("the Python package lies in a directory")?;
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).args([chart, to]).arg(VERSION).env("PYTHONPATH", packages);
    let archive = PathBuf::from(shell::run_quietly(&mut python).context("packaging the Helm chart")?);
    ensure!(archive.is_file(), "Helm made no archive of {}", chart.display());
    Ok(archive)
}
