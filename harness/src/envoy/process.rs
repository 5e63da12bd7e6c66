//! The process of Envoy, with its directory and its log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::POLL;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    directory: TempDir,
}

impl Process {
    /// Starts `command` and writes its output to files in `directory`. The directory is removed with the process.
    pub(super) fn spawn(mut command: Command, directory: TempDir) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(output_path(directory.path()))?)
            .stderr(File::create(log_path(directory.path()))?)
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self { child, directory })
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log(&self) -> String {
        read(&log_path(self.directory.path()))
    }

    pub(super) fn output(&self) -> String {
        read(&output_path(self.directory.path()))
    }

    /// The log for people: without Envoy's lists of all extensions and headers at the start.
    pub(super) fn excerpt(&self) -> String {
        let log = self.log();
        log.lines().filter(|line| !is_list_item(line)).flat_map(|line| [line, "\n"]).collect()
    }

    /// The exit status, or `None` while the process runs.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        // An error would mean that this is not our child process, which is impossible here.
        self.child.try_wait().ok().flatten()
    }

    pub(super) async fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.exit_status() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("Envoy still runs after {patience:?}:\n{}", self.excerpt());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- Envoy's log ----\n{}---- end of Envoy's log ----", self.excerpt());
        }
    }
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("envoy.log")
}

fn output_path(directory: &Path) -> PathBuf {
    directory.join("envoy.out")
}

/// `[time][thread][info][main] [source/server/server.cc:467]   envoy.upstreams: …`
fn is_list_item(line: &str) -> bool {
    line.split_once("[info][main] [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .is_some_and(|(_, message)| message.starts_with("   ") || message.ends_with("extensions:"))
}

/// The file's text, with bytes that are not UTF-8 replaced. Empty if the file cannot be read.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
