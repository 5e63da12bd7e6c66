//! The instances of an application: processes, each with its own port.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harness::envoy::Envoy;
use tempfile::TempDir;

/// The maximum time that an instance takes to start on a busy machine. The test does not wait longer than needed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Three instances of an application. They run until this value is dropped.
pub struct Instances(Vec<Instance>);

impl Instances {
    /// Starts the instances. `command` gets a directory for each instance, which lives as long as the instance. The
    /// output of an instance contains its port after `before`.
    pub async fn start(command: impl Fn(&Path) -> Command, before: &str) -> Self {
        let instances = (0..3).map(|_| {
            let directory = tempfile::tempdir().unwrap();
            Instance::start(command(directory.path()), directory, before)
        });
        Self(join_all(instances).await)
    }

    /// The addresses of the instances.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|instance| instance.address).collect()
    }

    /// Ends the first instance.
    pub fn end_first(&mut self) {
        drop(self.0.remove(0));
    }

    /// Ends the instance that received most of this Envoy's requests. (Browsers send no cookie with some requests for
    /// fonts.) The instances must be endpoints of the cluster `app`.
    pub async fn end_the_one_in_use(&mut self, envoy: &Envoy) {
        let clusters = envoy.admin_get("/clusters").await.unwrap();
        let requests = |instance: &Instance| {
            let before = format!("app::{}::rq_total::", instance.address);
            let count = clusters.lines().find_map(|line| line.strip_prefix(&before));
            count.unwrap().parse::<u64>().unwrap()
        };
        let index = (0..self.0.len()).max_by_key(|index| requests(&self.0[*index])).unwrap();
        drop(self.0.remove(index));
    }
}

/// A process of an application. The process is killed when this value is dropped.
struct Instance {
    process: Child,
    directory: TempDir,
    address: SocketAddr,
}

impl Instance {
    /// Starts a command and waits until its output contains the instance's port: the number after `before`. `directory`
    /// lives as long as the process.
    async fn start(mut command: Command, directory: TempDir, before: &str) -> Self {
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

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log(self.directory.path())).unwrap_or_default()).into_owned()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both calls fail only if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(2_000);
            eprintln!("---- the end of an instance's log ----\n{}", log.get(start..).unwrap_or(&log));
        }
    }
}

/// A free port: the system assigned it and released it. For applications that cannot report a port assigned by the
/// system.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn log(directory: &Path) -> PathBuf {
    directory.join("output.log")
}

/// The port number in the text, if it is complete: another character follows it.
fn number_after(text: &str, before: &str) -> Option<u16> {
    let (_, rest) = text.split_once(before)?;
    let (number, _) = rest.split_once(|letter: char| !letter.is_ascii_digit())?;
    number.parse().ok()
}
