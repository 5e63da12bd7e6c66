//! How long the module takes to be ready to serve.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::envoy::Envoy;

use super::backends::Backends;
use super::process;
use super::progress::Bar;
use super::subjects::{self, Behaviour, Kind, Subject};

/// The numbers of backends that are configured.
const AMOUNTS: [u32; 3] = [2, 1_000, 10_000];

/// One start, in seconds; the fastest of several is what no other process disturbed.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Backends of the service.
    pub backends: u32,
    /// Until the module is compiled; once for each Envoy.
    pub load: f64,
    /// Until a worker's VM is configured.
    pub configure: f64,
    /// Of all threads, until Envoy is ready, over an Envoy with the no-op filter. Other processes matter less to it.
    pub cpu: f64,
}

/// Measures them, in turn with an Envoy that has the no-op filter.
pub async fn measure(backends: &Backends, runs: usize) -> Result<Vec<Start>> {
    let bar = Bar::start("starting", AMOUNTS.len() * runs);
    let noop = subjects::noop(backends)?;
    let mut starts = Vec::new();
    for amount in AMOUNTS {
        let subject = with_names(backends, amount);
        let mut fastest = Start { backends: amount, load: f64::MAX, configure: f64::MAX, cpu: f64::MAX };
        let mut without = f64::MAX;
        for _ in 0..runs {
            let envoy = start(&noop).await?;
            without = without.min(process::cpu_time(envoy.pid())?.as_secs_f64());
            drop(envoy);
            let envoy = start(&subject).await?;
            fastest.cpu = fastest.cpu.min(process::cpu_time(envoy.pid())?.as_secs_f64());
            let (load, configure) = times_in(&envoy.log())?;
            bar.done(&subject.name, &format!("{load:?} to load, {configure:?} to configure"));
            fastest.load = fastest.load.min(load.as_secs_f64());
            fastest.configure = fastest.configure.min(configure.as_secs_f64());
        }
        starts.push(Start { cpu: fastest.cpu - without, ..fastest });
    }
    Ok(starts)
}

async fn start(subject: &Subject) -> Result<Envoy> {
    let options = Envoy::options().concurrency(1).log_level("warning");
    options.argument("--component-log-level").argument("wasm:trace").start(&subject.config).await
}

/// The filter with so many backends, only three of which have a cluster: Envoy's own share stays as it is.
pub fn with_names(backends: &Backends, amount: u32) -> Subject {
    let few: Vec<String> = backends.names().map(str::to_owned).collect();
    let more = (3..amount).map(|index| format!("backend-{index}"));
    let names: Vec<String> = few.into_iter().chain(more).take(usize::try_from(amount).unwrap_or(0)).collect();
    let plugin = subjects::pinned(names.iter().map(String::as_str));
    let bootstrap = subjects::clusters(backends).filter(plugin.json());
    Subject::new(format!("{amount} backends"), Kind::Ours, bootstrap, Behaviour::Stranger)
}

/// The time until the module is compiled, and the longest that a VM took for its configuration.
fn times_in(log: &str) -> Result<(Duration, Duration)> {
    let time_of = |text: &str| log.lines().find(|line| line.contains(text)).and_then(time);
    let created = time_of("Base Wasm created").context("Envoy logged no start of a VM")?;
    let compiled = time_of("[host->vm] ").context("Envoy logged no VM that is ready")?;
    let mut longest = Duration::ZERO;
    let mut began = None;
    for line in log.lines() {
        if line.contains("[host->vm] proxy_on_configure") {
            began = time(line);
        } else if line.contains("[host<-vm] proxy_on_configure")
            && let (Some(began), Some(ended)) = (began.take(), time(line))
        {
            longest = longest.max(ended.saturating_sub(began));
        }
    }
    Ok((compiled.saturating_sub(created), longest))
}

/// The time of day of `[2026-01-01 12:34:56.789][…`.
fn time(line: &str) -> Option<Duration> {
    let (_, time) = line.strip_prefix('[')?.split_once(']')?.0.split_once(' ')?;
    let mut parts = time.split(':');
    let (hours, minutes): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some(Duration::from_secs(hours * 3600 + minutes * 60) + Duration::from_secs_f64(seconds))
}
