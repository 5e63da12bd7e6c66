//! `cargo xtask bench`: what a request costs, beside what Envoy's own filters cost in the same run.

mod backends;
mod bounds;
mod callgrind;
mod crossings;
mod h2load;
mod instructions;
mod leaks;
mod load;
mod machine;
mod memory;
mod plots;
mod process;
mod progress;
mod report;
mod results;
mod scale;
mod simulation;
mod starting;
mod subjects;
mod tables;
mod tools;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::build;
use backends::Backends;
use instructions::Effort;
use results::Results;
use subjects::{NO_FILTER, REFERENCE, Subject};

/// How much to measure.
#[derive(clap::Args)]
pub struct Bench {
    /// The most telling figures only, in less than three minutes, to target/bench
    #[arg(long)]
    quick: bool,
    /// Only subjects whose name contains this, beside the two that costs are compared with; writes no result
    #[arg(long, value_name = "NAME")]
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
    /// Calls between Envoy and the filter
    Calls,
    /// Instructions with more backends, services, cookies
    Scale,
    /// CPU time and latency
    Load,
    /// Module size, time to load
    Start,
    /// Memory per worker
    Memory,
    /// Memory after many aborted streams
    Leaks,
    /// A fleet, simulated
    Fleet,
}

impl Bench {
    /// Measures, prints the tables, and leaves `bench/results.md` and its plots.
    pub fn run(&self) -> Result<()> {
        for (tool, measurements) in [
            (tools::VALGRIND, &[Measurement::Instructions, Measurement::Scale][..]),
            (tools::H2LOAD, &[Measurement::Load, Measurement::Calls][..]),
        ] {
            if measurements.iter().any(|measurement| self.wants(*measurement)) {
                tool.need()?;
            }
        }
        build::run()?;
        let results = tokio::runtime::Runtime::new()?.block_on(async {
            // Whoever stops it leaves no Envoy behind.
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
        Ok(())
    }

    /// Where results go: what is not complete must not replace what is committed.
    fn directory(&self) -> Option<PathBuf> {
        let complete = !self.quick && self.only.is_empty() && self.runs.is_none();
        let name = if complete { "bench" } else { "target/bench" };
        self.filter.is_none().then(|| harness::workspace_root().join(name))
    }

    fn wants(&self, measurement: Measurement) -> bool {
        let filtered = matches!(measurement, Measurement::Instructions | Measurement::Calls);
        if self.only.is_empty() {
            self.filter.is_none() || filtered
        } else {
            self.only.contains(&measurement)
        }
    }

    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    async fn measure(&self) -> Result<Results> {
        let backends = Backends::start().await?;
        let subjects = self.chosen(subjects::all(&backends)?);
        let mut effort = self.pick(Effort::FULL, Effort::QUICK);
        effort.runs = self.runs.unwrap_or(effort.runs).max(1);
        let mut results =
            Results { module: fs::metadata(harness::module_path()?)?.len(), ..Results::default() };
        // What depends on the machine's mood comes first, while it is cool.
        if self.wants(Measurement::Load) {
            let effort = load::Effort { rounds: self.pick(10, 3), seconds: self.pick(3, 1) };
            results.load = Some(load::measure(&subjects, effort).await?);
        }
        if self.wants(Measurement::Start) {
            results.starts = starting::measure(&backends, self.pick(5, 1)).await?;
        }
        if self.wants(Measurement::Memory) {
            results.memory = Some(memory::measure(&backends, self.pick(3, 1)).await?);
        }
        if self.wants(Measurement::Calls) {
            results.crossings = crossings::measure(&subjects).await?;
        }
        if self.wants(Measurement::Instructions) {
            results.costs = instructions::measure("instructions", subjects, effort).await?;
        }
        if self.wants(Measurement::Scale) {
            let amounts = self.pick(scale::Amounts::FULL, scale::Amounts::QUICK);
            results.scale = scale::measure(&backends, &amounts, effort).await?;
        }
        if self.wants(Measurement::Leaks) {
            results.leaks = leaks::measure(self.pick(200_000, 20_000)).await?;
        }
        if self.wants(Measurement::Fleet) {
            results.churn = simulation::run(self.pick(1_000_000, 20_000)).await?;
        }
        Ok(results)
    }

    fn chosen(&self, subjects: Vec<Subject>) -> Vec<Subject> {
        let always = [NO_FILTER, REFERENCE];
        let mut subjects = subjects;
        subjects.retain(|subject| match &self.filter {
            Some(part) => always.contains(&subject.name.as_str()) || subject.name.contains(part.as_str()),
            None => !self.quick || subject.quick,
        });
        subjects
    }
}
