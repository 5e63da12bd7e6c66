//! The resources of an Envoy process: time until it serves, and memory.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use harness::client::Client;
use harness::envoy::Envoy;

use crate::backends::Backends;
use crate::progress::Bar;
use crate::statistics::Quartiles;
use crate::subjects::{self, Subject};

/// The numbers of configured backends.
const AMOUNTS: [u32; 3] = [3, 1_000, 10_000];
/// Backends of the service in the memory measurement.
pub const BACKENDS: u32 = 1_000;
/// Additional workers in the memory measurement.
const MORE: u32 = 16;
/// Requests before the memory measurement, each on its own connection, so that every worker gets some.
const REQUESTS: u32 = 400;

/// A start, in seconds. Each figure is the lowest of several starts, because other processes disturbed that start
/// least.
#[derive(Clone, Debug)]
pub struct Start {
    /// The subject's name.
    pub name: String,
    /// From the start of the process to the first response.
    pub first_answer: f64,
    /// CPU time of all threads until then.
    pub cpu: f64,
}

/// Measures starts of Envoy alone, with a no-op Wasm filter, and with the filter and this many backends, in turn.
pub async fn measure(backends: &Backends, runs: usize) -> Result<Vec<Start>> {
    let mut subjects = vec![subjects::no_filter(backends), subjects::noop(backends)?];
    subjects.extend(AMOUNTS.map(|amount| subjects::with_names(backends, amount)));
    let bar = Bar::start("start", subjects.len() * runs);
    let new = |subject: &Subject| Start { name: subject.name.clone(), first_answer: f64::MAX, cpu: f64::MAX };
    let mut starts: Vec<Start> = subjects.iter().map(new).collect();
    for _ in 0..runs {
        for (subject, start) in subjects.iter().zip(&mut starts) {
            let began = Instant::now();
            let envoy = Envoy::options().concurrency(1).log_level("error").start(&subject.config).await?;
            let reply = Client::http1().fetch(&envoy.url(), &[]).await?;
            let (time, cpu) = (began.elapsed().as_secs_f64(), cpu_time(envoy.pid())?.as_secs_f64());
            ensure!(reply.status == 200, "{}: the first answer is {}", subject.name, reply.status);
            bar.done(&subject.name, &format!("{time:.3} s"));
            start.first_answer = start.first_answer.min(time);
            start.cpu = start.cpu.min(cpu);
        }
    }
    Ok(starts)
}

/// Bytes of memory that one more worker needs.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// With a no-op Wasm filter.
    pub noop: f64,
    /// With this filter.
    pub ours: f64,
}

/// Measures both in turn. The figures are medians.
pub async fn measure_memory(backends: &Backends, runs: usize) -> Result<Memory> {
    let bar = Bar::start("memory", runs * 2);
    let subjects = [subjects::noop(backends)?, subjects::with_names(backends, BACKENDS)];
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        for (subject, figures) in subjects.iter().zip(&mut figures) {
            let (one, many) = (resident(subject, 1).await?, resident(subject, 1 + MORE).await?);
            let figure = (many - one) / f64::from(MORE);
            bar.done(&subject.name, &format!("{figure:.0} bytes for each of {MORE} more workers"));
            figures.push(figure);
        }
    }
    let [noop, ours] = figures.map(|figures| Quartiles::of(figures.into_iter()).median);
    Ok(Memory { noop, ours })
}

/// The resident memory of Envoy in bytes after all its workers have served.
async fn resident(subject: &Subject, workers: u32) -> Result<f64> {
    let envoy = Envoy::options().concurrency(workers).log_level("error").start(&subject.config).await?;
    let client = Client::http1_fresh();
    for _ in 0..REQUESTS {
        client.fetch(&envoy.url(), &[]).await?;
    }
    // V8 continues to compile in the background for a moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = fs::read_to_string(format!("/proc/{}/status", envoy.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes = line.split_whitespace().next().unwrap_or_default();
    Ok(kibibytes.parse::<f64>()? * 1024.0)
}

/// The CPU time of all threads of a process, in nanoseconds.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let file = task?.path().join("schedstat");
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let nanoseconds = text.split_whitespace().next().unwrap_or_default();
        sum += Duration::from_nanos(nanoseconds.parse().context("a schedstat without a number")?);
    }
    Ok(sum)
}
