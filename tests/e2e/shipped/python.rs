//! Servers and clients with official Python packages, as processes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use harness::{python_package, workspace_root};

/// A set of Python packages that some scripts need.
#[derive(Clone, Copy, Debug)]
pub struct Packages {
    /// The scripts' directory in `tests/`.
    pub name: &'static str,
    /// The requirements in pip's format.
    pub requirements: &'static [&'static str],
}

impl Packages {
    /// The directory of the packages. They are installed on first use.
    fn directory(self) -> PathBuf {
        python_package::site(self.name, self.requirements, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
    }

    /// A script that uses these packages.
    pub fn script(self, name: &str) -> Command {
        let mut command = Command::new("python3");
        command.arg(workspace_root().join("tests").join(self.name).join(name));
        command.env("PYTHONPATH", self.directory());
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
        command
    }
}

/// A script that reads and writes lines. It ends when its standard input closes.
pub struct Talk {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    /// Starts the script.
    pub fn start(mut command: Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, input, output }
    }

    /// The next line, or `None` after the last line.
    pub fn hear(&mut self) -> Option<String> {
        self.output.next().map(Result::unwrap)
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.input.take());
        // Fails only if the process has already ended and been waited for.
        let _ = self.process.wait();
    }
}

/// Servers that keep their sessions in memory, each in its own process.
pub struct Servers {
    talk: Talk,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Servers {
    /// Starts one server for each name: `server.py` with these packages.
    pub fn start(packages: Packages, names: &[&str]) -> Self {
        let mut command = packages.script("server.py");
        command.args(names);
        let mut talk = Talk::start(command);
        let mut addresses = BTreeMap::new();
        for _ in names {
            let line = talk.hear().expect("the servers have ended");
            let (name, port) = line.split_once(' ').unwrap();
            addresses.insert(name.to_owned(), SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())));
        }
        Self { talk, addresses }
    }

    /// The address of the server with this name.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    /// Kills the server with this name, and waits until it is dead. Not every `server.py` supports this.
    pub fn kill(&mut self, name: &str) {
        self.talk.say(name);
        assert_eq!(self.talk.hear().as_deref(), Some(name));
    }
}
