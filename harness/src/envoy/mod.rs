//! A running Envoy: started with a configuration, queried through its admin interface, and stopped when its handle is
//! dropped.

mod admin;
mod options;
mod process;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

pub use self::options::Options;
use self::process::Process;

/// Maximum time to wait until Envoy is ready, refuses a configuration, or ends. A generous limit for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two checks of a condition.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// An Envoy process that serves. Dropping the handle kills the process. During a panic, this also prints the log.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    listeners: Vec<(String, SocketAddr)>,
    http: reqwest::Client,
}

impl Envoy {
    /// Starts Envoy with the default [`Options`] and waits until it is ready to serve.
    ///
    /// # Errors
    /// If there is no Envoy, or if Envoy ends before it is ready. The error then contains its log.
    pub async fn start(config: &Value) -> Result<Self> {
        Self::options().start(config).await
    }

    /// Options to start Envoy with other settings than the defaults.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// Starts Envoy with a configuration it must refuse, and returns its log.
    ///
    /// # Errors
    /// If Envoy accepts the configuration, or does not end with a failure.
    pub async fn expect_refusal(config: &Value) -> Result<String> {
        Self::options().expect_refusal(config).await
    }

    /// Validates a configuration with Envoy, including the Wasm module's `configure`.
    ///
    /// # Errors
    /// Envoy's log, if Envoy refuses the configuration.
    ///
    /// # Panics
    /// If there is no Envoy.
    pub async fn validate(config: &Value) -> Result<(), String> {
        Self::options().validate(config).await
    }

    /// Validates a configuration file with Envoy, without changes.
    ///
    /// # Errors
    /// Envoy's log, if Envoy refuses the file.
    ///
    /// # Panics
    /// If there is no Envoy.
    pub async fn validate_file(path: &Path) -> Result<(), String> {
        Self::options().validate_file(path).await
    }

    /// The URL of the first listener: `http://127.0.0.1:port`, without a slash at the end.
    ///
    /// # Panics
    /// If there is no listener.
    #[must_use]
    pub fn url(&self) -> String {
        let (_, address) = self.listeners.first().expect("the configuration has a listener");
        format!("http://{address}")
    }

    /// The address of the listener with this name. `None` if there is no such listener.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(name, _)| name == listener).map(|&(_, address)| address)
    }

    /// Reads the listeners' addresses again, because an LDS update may have added listeners since the start.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn refresh_listeners(&mut self) -> Result<()> {
        self.listeners = admin::listeners(&self.http, self.admin).await?;
        Ok(())
    }

    /// The admin interface's address.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The process id, for tools that examine the process from outside.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The body of an admin page. `path` begins with `/`.
    ///
    /// # Errors
    /// If the admin interface does not answer 200.
    pub async fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(&self.http, self.admin, path).await
    }

    /// Sends a POST to the admin interface, such as `/logging?wasm=debug` or `/reset_counters`.
    ///
    /// # Errors
    /// If the admin interface does not answer 200.
    pub async fn admin_post(&self, path: &str) -> Result<String> {
        admin::post(&self.http, self.admin, path).await
    }

    /// All counters and gauges whose name begins with `prefix`, unused ones included.
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        admin::stats(&self.http, self.admin, prefix).await
    }

    /// One counter or gauge. 0 if Envoy does not know it (yet).
    ///
    /// # Errors
    /// If the admin interface does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        Ok(self.stats(name).await?.remove(name).unwrap_or(0))
    }

    /// Waits until the value of a counter or gauge meets the condition, and returns the value.
    ///
    /// # Errors
    /// If the condition is not met within `timeout`. The error contains the last value.
    pub async fn wait_for_stat(
        &self,
        name: &str,
        wanted: impl Fn(u64) -> bool,
        timeout: Duration,
    ) -> Result<u64> {
        let deadline = Instant::now() + timeout;
        loop {
            let value = self.stat(name).await?;
            if wanted(value) {
                return Ok(value);
            }
            if Instant::now() > deadline {
                bail!("{name} is still {value} after {timeout:?}, which is not the expected value");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The log so far (standard error).
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The log for people: without Envoy's long lists at the start.
    #[must_use]
    pub fn log_excerpt(&self) -> String {
        self.process.excerpt()
    }

    /// Envoy's standard output so far, for access logs.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Waits until the log contains `text`.
    ///
    /// # Errors
    /// If the log does not contain it within `timeout`. The error contains the log.
    pub async fn wait_for_log(&self, text: &str, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            if self.log().contains(text) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("after {timeout:?} Envoy has not logged {text:?}:\n{}", self.process.excerpt());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the process still runs. A filter may kill its VM, but Envoy itself must survive.
    pub fn is_running(&mut self) -> bool {
        self.process.exit_status().is_none()
    }

    /// The directory of this process, with its configuration and its log. Files that the configuration names can be put
    /// there. The directory is removed with the process.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Stops Envoy through its admin interface, as a user would, and returns the whole log.
    ///
    /// # Errors
    /// If Envoy does not stop.
    pub async fn stop(mut self) -> Result<String> {
        // Envoy may end before it sends the response.
        let _ = self.admin_post("/quitquitquit").await;
        self.process.wait(PATIENCE).await.context("stopping Envoy")?;
        Ok(self.log())
    }
}

/// Finds Envoy's binary. This may download it, so it runs outside the runtime's threads.
async fn locate() -> Result<PathBuf> {
    tokio::task::spawn_blocking(crate::envoy_binary::locate).await?
}
