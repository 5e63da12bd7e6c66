//! The operating system's side of Envoy: a child process, its directory, its log.

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
    /// Starts `command` with its output going to files in `directory`, which lives as long as the process.
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

    /// The log for somebody to read: without the lists of all extensions and headers that Envoy opens with.
    pub(super) fn excerpt(&self) -> String {
        let log = self.log();
        log.lines().filter(|line| !is_list_item(line)).flat_map(|line| [line, "\n"]).collect()
    }

    /// How the process ended, or None while it runs.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        // An error here means that the child is not ours to wait for, which a handle of ours cannot be.
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
        // Both fail only where the process has ended by itself.
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

/// The file's text, with what is not UTF-8 replaced; a file that cannot be read is an empty one.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
