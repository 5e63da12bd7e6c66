//! A fleet without any Envoy: runs `bench/simulation`, optimised, and reads what it prints.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::progress::Bar;
use crate::shell;

/// Lines that it prints.
const LINES: usize = 24;

/// What came of one event.
#[derive(Clone, Debug)]
pub struct Churn {
    /// The affinity type.
    pub affinity: String,
    /// What happened to 1,000 backends.
    pub event: String,
    /// Envoys in the fleet.
    pub envoys: u64,
    /// Sessions, or clients.
    pub sessions: u64,
    /// So many were sent to different backends by two Envoys.
    pub disagreements: u64,
    /// So many went elsewhere than before.
    pub moved: u64,
    /// So many had to, since their backend went.
    pub had_to: u64,
    /// The load of the fullest backend, as a multiple of an equal share.
    pub fullest: f64,
}

/// Simulates so many sessions.
pub async fn run(sessions: u32) -> Result<Vec<Churn>> {
    let bar = Bar::start("simulation", LINES);
    let mut command = Command::from(shell::cargo());
    command.args(["run", "--quiet", "--release", "--package", "simulation", "--", &sessions.to_string()]);
    let mut child = command.stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let churn = read(&line).with_context(|| format!("simulation said {line}"))?;
        let how = format!("{} of {} moved, {} split", churn.moved, churn.sessions, churn.disagreements);
        bar.done(&format!("{}: {}, {} Envoys", churn.affinity, churn.event, churn.envoys), &how);
        all.push(churn);
    }
    ensure!(child.wait().await?.success(), "the simulation failed");
    Ok(all)
}

fn read(line: &str) -> Result<Churn> {
    let value: Value = serde_json::from_str(line)?;
    let text = |name: &str| value[name].as_str().map(str::to_owned).with_context(|| name.to_owned());
    let number = |name: &str| value[name].as_u64().with_context(|| name.to_owned());
    Ok(Churn {
        affinity: text("affinity")?,
        event: text("event")?,
        envoys: number("envoys")?,
        sessions: number("sessions")?,
        disagreements: number("disagreements")?,
        moved: number("moved")?,
        had_to: number("had_to")?,
        fullest: value["fullest"].as_f64().context("fullest")?,
    })
}
