//! `cargo xtask fuzz`: the targets in `fuzz/`, with libFuzzer and `AddressSanitizer`.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use console::style;
use harness::progress::Progress;

use crate::shell;

/// The flags of cargo-fuzz: `AddressSanitizer`, and the coverage that libFuzzer needs.
const FLAGS: &str = "-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Every target in `fuzz/fuzz_targets`.
const TARGETS: [&str; 7] =
    ["configuration", "cookie_header", "envelope", "health_table", "set_cookie", "streams", "token"];

/// The arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Fuzz {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target
    #[arg(long, value_parser = TARGETS)]
    target: Option<String>,
    /// Maximum targets that run at the same time; by default the number of cores
    #[arg(long, value_name = "COUNT")]
    jobs: Option<usize>,
}

/// The result of one target.
struct Outcome {
    target: &'static str,
    executions: u64,
    per_second: u64,
    corpus: usize,
    passed: bool,
    log: PathBuf,
}

impl Fuzz {
    /// Builds the targets, and runs each target for the same time.
    pub fn run(&self) -> Result<()> {
        let binaries = build()?;
        let is_chosen = |target: &&str| self.target.as_ref().is_none_or(|chosen| chosen == target);
        let targets: VecDeque<&str> = TARGETS.into_iter().filter(is_chosen).collect();
        let jobs = self.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
        let jobs = jobs.clamp(1, targets.len());
        let (count, seconds) = (targets.len(), self.seconds);
        let progress =
            Progress::start(format!("fuzzing {count} targets for {seconds} s each, {jobs} at a time"));
        let (queue, outcomes) = (Mutex::new(targets), Mutex::new(Vec::new()));
        let next = || locked(&queue).pop_front();
        let work = || -> Result<()> {
            while let Some(target) = next() {
                eprintln!("{target} ...");
                let outcome = run(&binaries, target, seconds)?;
                let how = if outcome.passed { "passed" } else { "FAILED" };
                eprintln!("{target}: {how}, {} executions", outcome.executions);
                locked(&outcomes).push(outcome);
            }
            Ok(())
        };
        let ran = thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a thread panicked")))
        });
        progress.finish(if ran.is_ok() { "done" } else { "failed" });
        ran?;
        report(outcomes.into_inner().unwrap_or_default())
    }
}

/// Locks a mutex. No thread panics while it holds one.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Builds all targets and writes their seeds. Returns the directory of the binaries.
fn build() -> Result<PathBuf> {
    let nightly = || {
        let mut cargo = Command::new("rustup");
        cargo.args(["run", "nightly", "cargo"]).current_dir(directory());
        // The variables of this program's own cargo and toolchain must not apply.
        cargo.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
        cargo
    };
    if shell::run_quietly(nightly().arg("--version")).is_err() {
        let mut install = Command::new("rustup");
        install.args(["toolchain", "install", "nightly", "--profile", "minimal", "--no-self-update"]);
        let progress = Progress::start(shell::shown(&install));
        let installed = shell::run_quietly(&mut install).context("fuzzing needs the nightly compiler");
        progress.finish(if installed.is_ok() { "done" } else { "failed" });
        installed?;
    }
    let host = host_target()?;
    shell::run(nightly().args(["build", "--release", "--bins", "--target", &host]).env("RUSTFLAGS", FLAGS))?;
    let binaries = directory().join("target").join(host).join("release");
    shell::run(&mut Command::new(binaries.join("seeds")))?;
    Ok(binaries)
}

/// The target of this machine. With an explicit target, the flags do not apply to build scripts and macros.
fn host_target() -> Result<String> {
    let version = shell::run_quietly(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

fn directory() -> PathBuf {
    harness::workspace_root().join("fuzz")
}

/// Runs one target. libFuzzer's output goes to `fuzz/artifacts/<target>/log`. An input that fails goes to the same
/// directory.
fn run(binaries: &Path, target: &'static str, seconds: u64) -> Result<Outcome> {
    let (artifacts, corpus) =
        (directory().join("artifacts").join(target), directory().join("corpus").join(target));
    fs::create_dir_all(&artifacts).with_context(|| format!("creating {}", artifacts.display()))?;
    let log = artifacts.join("log");
    let mut command = Command::new(binaries.join(target));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-timeout=60", "-rss_limit_mb=2048"])
        .arg(&corpus)
        .current_dir(directory())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).with_context(|| format!("creating {}", log.display()))?);
    let status = command.status().with_context(|| format!("running {}", shell::shown(&command)))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let corpus = fs::read_dir(&corpus)?.count();
    let stat = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(name))?.trim_start_matches(':').trim();
        value.parse().ok()
    };
    let executions = stat("stat::number_of_executed_units").unwrap_or(0);
    let per_second = stat("stat::average_exec_per_sec").unwrap_or(0);
    // A target without executions has not passed.
    let passed = status.success() && executions > 0;
    Ok(Outcome { target, executions, per_second, corpus, passed, log })
}

fn report(mut outcomes: Vec<Outcome>) -> Result<()> {
    outcomes.sort_by_key(|outcome| outcome.target);
    println!("\n{:<14}  {:>12}  {:>9}  {:>7}  crashes", "target", "executions", "exec/s", "corpus");
    for Outcome { target, executions, per_second, corpus, passed, .. } in &outcomes {
        let crashes = if *passed { style("0").green() } else { style("1").red().bold() };
        println!("{target:<14}  {executions:>12}  {per_second:>9}  {corpus:>7}  {crashes}");
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    for Outcome { target, log, .. } in &failed {
        let said = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(60)..).unwrap_or_default();
        eprintln!("\n{target}: the end of {}:\n{}", log.display(), last.join("\n"));
    }
    ensure!(failed.is_empty(), "{} of {} targets failed", failed.len(), outcomes.len());
    Ok(())
}
