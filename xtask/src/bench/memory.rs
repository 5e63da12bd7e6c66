//! What one more worker takes.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::Client;
use harness::envoy::Envoy;

use super::backends::Backends;
use super::load::Ratio;
use super::process;
use super::progress::Bar;
use super::starting::with_names;
use super::subjects::{self, Subject};

/// Backends of the service.
pub const BACKENDS: u32 = 1_000;
/// Workers beside the first.
const MORE: u32 = 16;
/// Each on a connection of its own, so that every worker gets its share.
const REQUESTS: u32 = 400;

/// Bytes of memory per worker.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Of an Envoy with a no-op Wasm filter.
    pub noop: Ratio,
    /// With this repository's.
    pub ours: Ratio,
    /// The linear memory of one of its VMs.
    pub linear: u64,
}

/// Measures both in turn.
pub async fn measure(backends: &Backends, runs: usize) -> Result<Memory> {
    let bar = Bar::start("memory", runs * 4);
    let (noop, ours) = (subjects::noop(backends)?, with_names(backends, BACKENDS));
    let (mut of_noop, mut of_ours, mut linear) = (Vec::new(), Vec::new(), 0);
    for _ in 0..runs {
        for (subject, figures) in [(&noop, &mut of_noop), (&ours, &mut of_ours)] {
            let (one, _) = resident(subject, 1).await?;
            bar.done(&subject.name, &format!("{one:.0} bytes with one worker"));
            let (many, memory) = resident(subject, 1 + MORE).await?;
            let figure = (many - one) / f64::from(MORE);
            bar.done(&subject.name, &format!("{figure:.0} bytes for each of {MORE} more"));
            figures.push(figure);
            linear = memory;
        }
    }
    Ok(Memory { noop: Ratio::of(of_noop.into_iter()), ours: Ratio::of(of_ours.into_iter()), linear })
}

/// Bytes that Envoy uses when all its workers have served, and those of the largest VM in it.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn resident(subject: &Subject, workers: u32) -> Result<(f64, u64)> {
    let envoy = Envoy::options().concurrency(workers).log_level("error").start(&subject.config).await?;
    let client = Client::http1_fresh();
    for _ in 0..REQUESTS {
        client.fetch(&envoy.url(), &[]).await?;
    }
    // What is compiled in the background is there after that.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let largest = process::linear_memories(envoy.pid())?.first().copied().context("no linear memory")?;
    Ok((process::resident(envoy.pid())? as f64, largest))
}
