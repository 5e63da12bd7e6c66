//! The official Python SDK of the Model Context Protocol: servers and clients as processes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;

use harness::progress::Progress;
use harness::workspace_root;
use session_affinity::hash::hash;

/// The SDK and all that it needs, each at one version.
const REQUIREMENTS: &str = include_str!("../../../mcp/requirements.txt");

/// Where the SDK is, installed the first time that it is needed.
fn sdk() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock();
    let version = run(Command::new("python3").args(["-c", "import sys; print(*sys.version_info[:2])"]));
    let version = String::from_utf8(version.stdout).unwrap().trim().replace(' ', ".");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pinned = hash(REQUIREMENTS.as_bytes());
    let directory = target.join(format!("mcp-sdk-{pinned:016x}-python{version}"));
    if directory.is_dir() {
        return directory;
    }
    let progress = Progress::start("installing the MCP SDK (PyPI package mcp)");
    let work = tempfile::tempdir_in(target).unwrap();
    let site = work.path().join("site");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    let requirements = workspace_root().join("tests/mcp/requirements.txt");
    pip.args(["--only-binary", ":all:", "--target"]).arg(&site).arg("--requirement").arg(requirements);
    run(&mut pip);
    // Another process may have been faster.
    if fs::rename(&site, &directory).is_err() {
        assert!(directory.is_dir(), "placing {}", directory.display());
    }
    progress.finish("done");
    directory
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("the MCP tests need python3 with pip: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A script in `tests/mcp/`.
fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(workspace_root().join("tests/mcp").join(name));
    command.env("PYTHONPATH", sdk()).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
    command
}

/// Servers that keep their sessions in memory, each a process of its own.
pub struct Servers {
    /// They end with its standard input.
    process: Child,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Servers {
    /// Starts one for each name.
    pub fn start(names: &[&str]) -> Self {
        let mut command = script("server.py");
        command.args(names).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().take(names.len());
        let addresses: BTreeMap<_, _> = lines
            .map(|line| {
                let line = line.unwrap();
                let (name, port) = line.split_once(' ').unwrap();
                (name.to_owned(), SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())))
            })
            .collect();
        assert_eq!(addresses.len(), names.len(), "the servers have ended");
        Self { process, addresses }
    }

    /// Where the one of this name listens.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Fails only where it has been waited for.
        let _ = self.process.wait();
    }
}

/// What one client came to.
#[derive(Debug)]
pub struct Session {
    /// The server that answered all of its calls.
    pub pod: String,
    /// The session's id as the client knows it.
    pub id: String,
}

/// Runs so many clients at once, each with so many calls, as `tests/mcp/client.py` tells.
///
/// # Errors
/// What the clients say went wrong.
pub async fn clients(url: &str, clients: usize, calls: usize) -> Result<Vec<Session>, String> {
    let url = format!("{url}/mcp");
    let run =
        move || script("client.py").args([&url, &clients.to_string(), &calls.to_string()]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = String::from_utf8(output.stdout).unwrap();
    let session = |line: &str| {
        let (pod, id) = line.split_once(' ').unwrap();
        Session { pod: pod.to_owned(), id: id.to_owned() }
    };
    Ok(lines.lines().map(session).collect())
}
