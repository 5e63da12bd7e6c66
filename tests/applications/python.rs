//! Applications in Python, with packages from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{python_package, workspace_root};

/// Python with the packages of one application.
pub struct Python {
    site: PathBuf,
    directory: PathBuf,
}

impl Python {
    /// Python for the application in `tests/applications/NAME`, with the packages of its `requirements.txt`.
    pub fn of(name: &str) -> Self {
        let directory = workspace_root().join("tests/applications").join(name);
        let requirements = fs::read_to_string(directory.join("requirements.txt")).unwrap();
        let packages: Vec<&str> = requirements.lines().collect();
        let site = python_package::site(name, &packages, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        Self { site, directory }
    }

    /// The directory of the packages.
    pub fn site(&self) -> &Path {
        &self.site
    }

    /// A command that begins with `python3` and runs in the directory of the application.
    pub fn command(&self) -> Command {
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", &self.site)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1");
        command.current_dir(&self.directory);
        command
    }
}
