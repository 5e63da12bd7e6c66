//! A Docker engine for one run.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::progress::Progress;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::docker::{PACKAGES, quietly};
use crate::packages;

/// How long the engine may take to begin or to end: a limit, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// `dockerd` with all it has in a directory of its own. It changes neither the machine's firewall nor its
/// forwarding, and makes no network but those of the projects. It ends when this is dropped, but [`Engine::stop`] says what goes wrong.
pub struct Engine {
    child: Child,
    directory: TempDir,
}

impl Engine {
    /// Starts it and waits until it answers.
    pub async fn start() -> Result<Self> {
        if !packages::is_root() {
            bail!("start one (`systemctl start docker`), or run this as root, and it starts one for itself");
        }
        if Command::new("dockerd").arg("--version").stdout(Stdio::null()).status().is_err() {
            if !packages::can_install() {
                bail!(
                    "dockerd is missing: install it first (Debian, Ubuntu: apt-get install {})",
                    PACKAGES[0]
                );
            }
            packages::install(&packages::known(&PACKAGES))?;
        }
        let progress = Progress::start("starting a Docker engine");
        let directory = tempfile::Builder::new().prefix("docker-engine-").tempdir()?;
        let log = File::create(log_path(directory.path()))?;
        let child = Command::new("dockerd")
            .arg("--host")
            .arg(host(directory.path()))
            .arg("--data-root")
            .arg(directory.path().join("data"))
            .arg("--exec-root")
            .arg(directory.path().join("exec"))
            .arg("--pidfile")
            .arg(directory.path().join("pid"))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for this program, which then takes everything down in order.
            .process_group(0)
            .spawn()
            .context("starting dockerd")?;
        let mut engine = Self { child, directory };
        engine.wait_until_ready().await?;
        progress.finish("done");
        Ok(engine)
    }

    /// What `DOCKER_HOST` must be.
    pub fn host(&self) -> String {
        host(self.directory.path())
    }

    /// Ends it, and removes all it had.
    pub async fn stop(mut self) -> Result<()> {
        let progress = Progress::start("ending the Docker engine");
        self.ask_to_end().context("asking dockerd to end")?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("dockerd still runs after {PATIENCE:?}:\n{}", self.log());
            }
            tokio::time::sleep(POLL).await;
        }
        let directory = self.directory.path().to_path_buf();
        fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
        progress.finish("done");
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut version = Command::new("docker");
            version.args(["version", "--format", "{{.Server.Version}}"]).env("DOCKER_HOST", self.host());
            if quietly(version).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("dockerd ended ({status}):\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("dockerd does not answer after {PATIENCE:?}:\n{}", self.log());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn ask_to_end(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    fn log(&self) -> String {
        fs::read_to_string(log_path(self.directory.path())).unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Where it was not stopped, something went wrong: a killed dockerd would leave its containerd behind.
        if matches!(self.child.try_wait(), Ok(None)) && self.ask_to_end().is_ok() {
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
        }
        // Both fail only where it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn host(directory: &Path) -> String {
    format!("unix://{}", directory.join("docker.sock").display())
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("dockerd.log")
}
