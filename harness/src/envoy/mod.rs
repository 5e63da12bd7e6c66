//! A running Envoy: started from a configuration, asked through its admin interface, ended by its handle.

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

/// How long Envoy may take for something it always does: getting ready, refusing, ending. A generous limit
/// for a loaded machine, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at again.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// An Envoy process that serves. It is killed when this is dropped; if that happens in a panic, its log is
/// printed.
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
    /// Where Envoy cannot be had, or ends before it is ready; then the error carries its log.
    pub async fn start(config: &Value) -> Result<Self> {
        Self::options().start(config).await
    }

    /// How to start Envoy, where the defaults do not do.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// Starts Envoy with a configuration it must refuse, and returns its log.
    ///
    /// # Errors
    /// Where Envoy takes the configuration, or does not end with a failure.
    pub async fn expect_refusal(config: &Value) -> Result<String> {
        Self::options().expect_refusal(config).await
    }

    /// Has Envoy check a configuration, the Wasm module's `configure` included.
    ///
    /// # Errors
    /// Envoy's log, where it refuses the configuration.
    ///
    /// # Panics
    /// Where Envoy cannot be had at all.
    pub async fn validate(config: &Value) -> Result<(), String> {
        Self::options().validate(config).await
    }

    /// Has Envoy check a configuration file as it is.
    ///
    /// # Errors
    /// Envoy's log, where it refuses the file.
    ///
    /// # Panics
    /// Where Envoy cannot be had at all.
    pub async fn validate_file(path: &Path) -> Result<(), String> {
        Self::options().validate_file(path).await
    }

    /// The first listener, as `http://127.0.0.1:port`, without a slash at the end.
    ///
    /// # Panics
    /// Where there is no listener.
    #[must_use]
    pub fn url(&self) -> String {
        let (_, address) = self.listeners.first().expect("the configuration has a listener");
        format!("http://{address}")
    }

    /// Where the listener of this name listens, or None where there is no such listener.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(name, _)| name == listener).map(|&(_, address)| address)
    }

    /// Asks again for the listeners' addresses: they were read at the start, and an LDS update may add some.
    ///
    /// # Errors
    /// Where the admin interface does not answer.
    pub async fn refresh_listeners(&mut self) -> Result<()> {
        self.listeners = admin::listeners(&self.http, self.admin).await?;
        Ok(())
    }

    /// The admin interface's address.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The operating system's number of this process, for tools that look at it from outside.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The body of an admin page; `path` begins with `/`.
    ///
    /// # Errors
    /// Where the admin interface does not answer 200.
    pub async fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(&self.http, self.admin, path).await
    }

    /// Does something through the admin interface: `/logging?wasm=debug`, `/reset_counters`.
    ///
    /// # Errors
    /// Where the admin interface does not answer 200.
    pub async fn admin_post(&self, path: &str) -> Result<String> {
        admin::post(&self.http, self.admin, path).await
    }

    /// All counters and gauges whose name begins with `prefix`, unused ones included.
    ///
    /// # Errors
    /// Where the admin interface does not answer.
    pub async fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        admin::stats(&self.http, self.admin, prefix).await
    }

    /// One counter or gauge; 0 where Envoy does not know it (yet).
    ///
    /// # Errors
    /// Where the admin interface does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        Ok(self.stats(name).await?.remove(name).unwrap_or(0))
    }

    /// Waits until a counter or gauge is as wanted, and returns its value.
    ///
    /// # Errors
    /// Where it is not so within `timeout`; the error tells its last value.
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
                bail!("after {timeout:?} {name} is {value}, which is not what was waited for");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Everything Envoy has logged so far (its standard error).
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The log for somebody to read: without the long lists that Envoy opens with.
    #[must_use]
    pub fn log_excerpt(&self) -> String {
        self.process.excerpt()
    }

    /// Everything Envoy has written to its standard output so far: access logs that go there.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Waits until the log contains `text`.
    ///
    /// # Errors
    /// Where it does not within `timeout`; the error carries the log.
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

    /// Whether the process still runs. A filter may kill its VM; Envoy itself must survive.
    pub fn is_running(&mut self) -> bool {
        self.process.exit_status().is_none()
    }

    /// This process's directory: its configuration, its log, and room for files that the configuration
    /// names. It is removed with the process.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Ends Envoy through its admin interface, as a user would, and returns its whole log.
    ///
    /// # Errors
    /// Where it does not end by itself.
    pub async fn stop(mut self) -> Result<String> {
        // The answer may be lost with the process.
        let _ = self.admin_post("/quitquitquit").await;
        self.process.wait(PATIENCE).await.context("stopping Envoy")?;
        Ok(self.log())
    }
}

/// Where Envoy's binary is; the look-up may download, so it keeps off the runtime's threads.
async fn locate() -> Result<PathBuf> {
    tokio::task::spawn_blocking(crate::envoy_binary::locate).await?
}
