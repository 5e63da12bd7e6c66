//! The cost of a request with the filter, and with Envoy's own filters in the same run.
//!
//! `cargo xtask bench` builds the module and runs this. `SESSION_AFFINITY_WASM` names another module to measure.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a tool may panic")]

mod backends;
mod client;
mod faults;
mod instructions;
mod load;
mod plot;
mod progress;
mod promises;
mod report;
mod scale;
mod start;
mod statistics;
mod subjects;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use backends::Backends;
use faults::Outcome;
use instructions::{Cost, Effort};
use load::Loads;
use scale::Point;
use start::{Memory, Start};
use subjects::{NO_FILTER, REFERENCE};

/// Measure what a request costs
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Options {
    /// Only the most telling figures, in about three minutes; writes to target/bench
    #[arg(long)]
    quick: bool,
    /// Only the instructions of subjects whose name contains this, and of the two that they are compared with; writes
    /// no file
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    filter: Option<String>,
    /// Only this measurement (may be given several times); writes to target/bench
    #[arg(long, value_enum, value_name = "MEASUREMENT")]
    only: Vec<Measurement>,
    /// Fresh processes for each count of instructions; 3 by default, 1 with --quick
    #[arg(long)]
    runs: Option<usize>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    /// Instructions per request
    Instructions,
    /// Instructions with more backends and services
    Scale,
    /// CPU time and latency
    Load,
    /// Time from the start of Envoy to its first response
    Start,
    /// Memory per worker
    Memory,
    /// The effect of a failing backend on clients
    Faults,
}

/// All results. Missing results are empty.
#[derive(Default)]
struct Results {
    module_bytes: u64,
    costs: Vec<Cost>,
    scale: Vec<Point>,
    load: Option<Loads>,
    starts: Vec<Start>,
    memory: Option<Memory>,
    faults: Vec<Outcome>,
}

impl Results {
    /// The cost of a subject.
    fn cost(&self, name: &str) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.name == name)
    }

    /// Instructions as a multiple of the reference.
    fn ratio(&self, instructions: f64) -> Option<f64> {
        Some(instructions / self.cost(REFERENCE)?.median())
    }
}

fn main() -> ExitCode {
    match Options::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error:#}", console::style("error:").red().bold());
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// Measures, prints the tables, and writes `results.md` and the plot.
    fn run(&self) -> Result<()> {
        if self.wants(Measurement::Instructions) || self.wants(Measurement::Scale) {
            harness::packages::need("callgrind_control", &["valgrind"])?;
        }
        if self.wants(Measurement::Load) {
            harness::packages::need("h2load", &["nghttp2-client"])?;
        }
        let results = tokio::runtime::Runtime::new()?.block_on(async {
            // Envoys end with the future that owns them. A signal must not end this program before them.
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                results = self.measure() => results,
                _ = tokio::signal::ctrl_c() => bail!("stopped"),
                _ = terminated.recv() => bail!("stopped"),
            }
        })?;
        report::print(&results);
        if let Some(directory) = self.directory() {
            report::write(&results, &directory)?;
            let shown = directory.strip_prefix(harness::workspace_root()).unwrap_or(&directory);
            eprintln!("{}/results.md", shown.display());
        }
        let failed = results.costs.iter().chain(results.scale.iter().map(|point| &point.cost));
        match failed.filter(|cost| cost.runs.is_empty()).count() {
            0 => Ok(()),
            count => bail!("{count} subjects could not be measured"),
        }
    }

    /// The directory of the files. Incomplete results do not replace the committed ones.
    fn directory(&self) -> Option<PathBuf> {
        let complete = !self.quick && self.only.is_empty() && self.runs.is_none();
        let name = if complete { "bench" } else { "target/bench" };
        self.filter.is_none().then(|| harness::workspace_root().join(name))
    }

    fn wants(&self, measurement: Measurement) -> bool {
        match &self.filter {
            Some(_) => measurement == Measurement::Instructions,
            None => self.only.is_empty() || self.only.contains(&measurement),
        }
    }

    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    async fn measure(&self) -> Result<Results> {
        let backends = Backends::start().await?;
        let mut subjects = subjects::all(&backends)?;
        subjects.retain(|subject| match &self.filter {
            Some(part) => [NO_FILTER, REFERENCE].contains(&&*subject.name) || subject.name.contains(part),
            None => subject.quick || !self.quick,
        });
        let mut effort = self.pick(Effort::FULL, Effort::QUICK);
        effort.runs = self.runs.unwrap_or(effort.runs).max(1);
        let module_bytes = fs::metadata(harness::module_path()?)?.len();
        let mut results = Results { module_bytes, ..Results::default() };
        // Time depends on the state of the machine, so it is measured first, while the machine is cool.
        if self.wants(Measurement::Load) {
            results.load = Some(load::measure(&subjects, self.pick(10, 3), self.pick(3, 1)).await?);
        }
        if self.wants(Measurement::Start) {
            results.starts = start::measure(&backends, self.pick(10, 3)).await?;
        }
        if self.wants(Measurement::Memory) {
            results.memory = Some(start::measure_memory(&backends, self.pick(3, 1)).await?);
        }
        if self.wants(Measurement::Faults) && !self.quick {
            results.faults = faults::measure().await?;
        }
        if self.wants(Measurement::Instructions) {
            results.costs = instructions::measure("instructions", subjects, effort).await?;
        }
        if self.wants(Measurement::Scale) {
            results.scale = scale::measure(&backends, self.quick, effort).await?;
        }
        Ok(results)
    }
}
