//! A load generator: nghttp2's h2load, over HTTP/1.1 connections that are kept alive.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::subjects::Headers;

/// Connections.
const CONNECTIONS: u32 = 32;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where.
    pub url: String,
    /// With each request.
    pub headers: Headers,
    /// For how long.
    pub seconds: u32,
    /// Requests in a second; as many as can be where there is none.
    pub rate: Option<u32>,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// Answered with 2xx.
    pub count: u32,
    /// From the first to the last.
    pub per_second: f64,
    /// Microseconds within which half of them were answered.
    pub p50: f64,
    /// Microseconds within which all but a hundredth were.
    pub p99: f64,
}

/// Makes the load and waits for its end.
pub async fn run(load: &Load) -> Result<Answers> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("log");
    let mut command = Command::new("h2load");
    command.args(["--h1", "--threads=1"]).arg(format!("--clients={CONNECTIONS}"));
    command.arg(format!("--log-file={}", log.display()));
    if let Some(rate) = load.rate {
        // They begin one after the other, and so go on: none of their requests come in bursts.
        command.args(["--rate=1", "--rate-period=1ms"]);
        command.arg(format!("--rps={}", f64::from(rate) / f64::from(CONNECTIONS)));
        command.arg(format!("--requests={}", rate * load.seconds));
    } else {
        command.arg(format!("--duration={}", load.seconds));
    }
    for (name, value) in &load.headers {
        command.arg(format!("--header={name}: {value}"));
    }
    let output = command.arg(&load.url).kill_on_drop(true).output().await.context("h2load")?;
    ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
    read(&fs::read_to_string(&log)?)
}

/// Lines of: microseconds since 1970 when the request was sent, status, microseconds to the end of the answer.
fn read(log: &str) -> Result<Answers> {
    let mut sent = Vec::new();
    let mut times = Vec::new();
    for line in log.lines() {
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().context("a line of h2load's log that is cut off");
        let (began, status, took) = (next()?.parse::<u64>()?, next()?, next()?.parse::<u32>()?);
        ensure!(status == "200", "status {status} under load");
        sent.push(began);
        times.push(took);
    }
    times.sort_unstable();
    let count = u32::try_from(times.len())?;
    let (first, last) = (sent.iter().min().context("no answer")?, sent.iter().max().context("no answer")?);
    let seconds = f64::from(u32::try_from(last - first)?) / 1e6;
    let within = |share: usize| f64::from(times[(times.len() * share / 100).min(times.len() - 1)]);
    Ok(Answers { count, per_second: f64::from(count) / seconds, p50: within(50), p99: within(99) })
}
