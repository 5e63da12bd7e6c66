//! A program that runs many instances of the application's own client at the same time.
//!
//! The program prints one line for each client: `done`; `again` with the text that the user saw before beginning again;
//! or `failed` with the reason. When each client has done the first half of its work, the program prints `halfway` and
//! waits for a line or the end of its input.

use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// The running program. It is killed when this value is dropped.
pub struct Clients {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// The number of clients with each result.
#[derive(Debug, Default)]
pub struct Outcomes {
    pub done: usize,
    /// The texts that users saw before they began again.
    pub again: Vec<String>,
    /// The reasons why clients failed.
    pub failed: Vec<String>,
}

impl Clients {
    /// Starts the program.
    pub fn start(command: Command) -> Self {
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits until each client has done the first half of its work.
    pub async fn halfway(&mut self) {
        let line = self.lines.next_line().await.unwrap();
        assert_eq!(line.as_deref(), Some("halfway"));
    }

    /// Makes the clients do the rest of their work.
    pub async fn finish(mut self) -> Outcomes {
        let mut input = self.process.stdin.take().unwrap();
        // Fails only if every client has already failed.
        let _ = input.write_all(b"\n").await;
        drop(input);
        let mut outcomes = Outcomes::default();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("halfway", _) => {}
                ("done", _) => outcomes.done += 1,
                ("again", seen) => outcomes.again.push(seen.to_owned()),
                ("failed", reason) => outcomes.failed.push(reason.to_owned()),
                _ => panic!("{line}"),
            }
        }
        let status = self.process.wait().await.unwrap();
        assert!(status.success(), "the clients end with {status} and {outcomes:?}");
        outcomes
    }
}
