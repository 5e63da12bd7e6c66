//! One instance of an application: a process that listens on a port.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long an instance may take to start on a busy machine. A limit, not a time that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process of an application. The process is killed when this is dropped.
pub struct Instance {
    process: Child,
    directory: TempDir,
    address: SocketAddr,
}

impl Instance {
    /// Starts a command and waits until its output has the port at which the instance listens: the number after `before`.
    /// `directory` lives as long as the process.
    pub async fn start(mut command: Command, directory: TempDir, before: &str) -> Self {
        let output = File::create(log(directory.path())).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut instance = Self { process, directory, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = instance.log();
            if let Some(port) = number_after(&log, before) {
                instance.address.set_port(port);
                return instance;
            }
            let ended = instance.process.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended ({ended:?}):\n{log}");
            assert!(Instant::now() < deadline, "{command:?} does not listen after {PATIENCE:?}:\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where the instance listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log(self.directory.path())).unwrap_or_default()).into_owned()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both fail only if the process has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(2_000);
            eprintln!("---- the end of an instance's log ----\n{}", log.get(start..).unwrap_or(&log));
        }
    }
}

fn log(directory: &Path) -> PathBuf {
    directory.join("output.log")
}

/// The port number in the text, if it is whole: something follows it.
fn number_after(text: &str, before: &str) -> Option<u16> {
    let (_, rest) = text.split_once(before)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest[..end].parse().ok()
}
