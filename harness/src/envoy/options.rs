//! Options to start Envoy.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::process::Process;
use super::{Envoy, PATIENCE, POLL, admin};

/// Options of an Envoy process.
#[derive(Clone, Debug)]
pub struct Options {
    binary: Option<PathBuf>,
    concurrency: u32,
    log_level: String,
    working_directory: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<OsString>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            binary: None,
            concurrency: 2,
            log_level: "info".to_owned(),
            working_directory: None,
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }
}

impl Options {
    /// The Envoy to run. Default: what [`crate::envoy_binary::locate`] finds.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The number of worker threads. Each has a separate Wasm VM. Default: 2.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// The log level. Default: `info`. The filter's debug messages need `debug`, or `--component-log-level wasm:debug`.
    #[must_use]
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.log_level = level.into();
        self
    }

    /// An environment variable of the Envoy process, for a VM's `host_env_keys`.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The working directory, for relative paths in the configuration. Default: that of the parent process.
    #[must_use]
    pub fn working_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.working_directory = Some(path.into());
        self
    }

    /// One more command line argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts Envoy and waits until it is ready to serve. If the configuration has no `admin`, it is added with a port
    /// that the system chooses.
    ///
    /// # Errors
    /// If there is no Envoy, or if Envoy ends before it is ready. The error then contains its log.
    pub async fn start(&self, config: &Value) -> Result<Envoy> {
        let mut process = self.spawn(config).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.exit_status() {
                bail!("Envoy ended before it was ready ({status}):\n{}", process.excerpt());
            }
            if Instant::now() > deadline {
                bail!("Envoy is not ready after {PATIENCE:?}:\n{}", process.excerpt());
            }
            if let Some(admin) = read_admin_address(process.directory())
                && admin::get(&http, admin, "/ready").await.is_ok()
            {
                let listeners = admin::listeners(&http, admin).await?;
                return Ok(Envoy { process, admin, listeners, http });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// As [`Envoy::expect_refusal`].
    ///
    /// # Errors
    /// If Envoy accepts the configuration, or does not end with a failure.
    pub async fn expect_refusal(&self, config: &Value) -> Result<String> {
        let mut process = self.spawn(config).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match process.exit_status() {
                Some(status) if status.success() => {
                    bail!("Envoy ended without a failure:\n{}", process.excerpt())
                }
                Some(_) => return Ok(process.log()),
                None => {}
            }
            if let Some(admin) = read_admin_address(process.directory())
                && admin::get(&http, admin, "/ready").await.is_ok()
            {
                bail!("Envoy accepted a configuration that it should refuse:\n{}", process.excerpt());
            }
            if Instant::now() > deadline {
                bail!(
                    "Envoy neither refused the configuration nor became ready within {PATIENCE:?}:\n{}",
                    process.excerpt()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// As [`Envoy::validate`].
    ///
    /// # Errors
    /// Envoy's log, if Envoy refuses the configuration.
    ///
    /// # Panics
    /// If there is no Envoy.
    pub async fn validate(&self, config: &Value) -> Result<(), String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("envoy.json");
        fs::write(&file, config.to_string()).expect("writing the configuration");
        self.validate_file(&file).await
    }

    /// As [`Envoy::validate_file`].
    ///
    /// # Errors
    /// Envoy's log, if Envoy refuses the file.
    ///
    /// # Panics
    /// If there is no Envoy.
    pub async fn validate_file(&self, path: &Path) -> Result<(), String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = self.command(path).await.expect("an Envoy to run");
        command.args(["--mode", "validate"]);
        let mut process = Process::spawn(command, directory).expect("starting Envoy");
        match process.wait(PATIENCE).await {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(process.log()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn spawn(&self, config: &Value) -> Result<Process> {
        let directory = tempfile::Builder::new().prefix("envoy-").tempdir()?;
        let file = directory.path().join("envoy.json");
        fs::write(&file, with_admin(config.clone()).to_string())?;
        let mut command = self.command(&file).await?;
        command.arg("--admin-address-path").arg(admin_address_path(directory.path()));
        Process::spawn(command, directory)
    }

    async fn command(&self, config: &Path) -> Result<Command> {
        let binary = match &self.binary {
            Some(binary) => binary.clone(),
            None => super::locate().await.context("no Envoy to run")?,
        };
        let mut command = Command::new(binary);
        command.arg("-c").arg(config);
        // Several Envoys run at the same time. They would conflict in the shared memory of hot restart.
        command.arg("--disable-hot-restart");
        command.args(["--concurrency", &self.concurrency.to_string(), "--log-level", &self.log_level]);
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.working_directory {
            command.current_dir(directory);
        }
        Ok(command)
    }
}

fn with_admin(mut config: Value) -> Value {
    if config.get("admin").is_none() {
        config["admin"] =
            json!({ "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } });
    }
    config
}

fn admin_address_path(directory: &Path) -> PathBuf {
    directory.join("admin-address")
}

/// The address that Envoy wrote. `None` before Envoy has written it.
fn read_admin_address(directory: &Path) -> Option<SocketAddr> {
    fs::read_to_string(admin_address_path(directory)).ok()?.trim().parse().ok()
}
