//! `cargo xtask test`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use console::style;
use harness::envoy_binary::{self, MATRIX};

use crate::{build, shell};

/// The arguments of `cargo xtask test`.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Test {
    /// Also run the tests under load, which take a minute or more
    #[arg(long, conflicts_with_all = ["applications", "browser", "compose"])]
    soak: bool,
    /// Instead, run the end-to-end tests on every other supported Envoy, on all of them at the same time
    #[arg(long, group = "instead")]
    matrix: bool,
    /// Instead, test the Compose files, on the Docker engine that `docker` uses
    #[arg(long, group = "instead")]
    compose: bool,
    /// Instead, test the cookies in a browser: Chromium, without a window
    #[arg(long, group = "instead")]
    browser: bool,
    /// Instead, test unmodified applications with sessions in memory: Tomcat, Express, Django and others
    #[arg(long, group = "instead")]
    applications: bool,
    /// Only tests whose name contains this
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

/// The modules to test.
struct Modules {
    filter: PathBuf,
    trap: PathBuf,
}

/// Tests under load. They take as long as all other tests together, so they only run on the default Envoy.
const UNDER_LOAD: [&str; 6] = [
    "availability::",
    "endpoints::losses::",
    "endpoints::spread::",
    "endpoints::updates::",
    "shipped::mcp::",
    "shipped::socketio::",
];

/// The result of the tests on one Envoy.
struct Outcome {
    envoy: String,
    passed: bool,
    time: Duration,
}

impl Test {
    /// Builds the module, gets Envoy, and runs the tests.
    pub fn run(&self) -> Result<()> {
        if self.browser || self.applications {
            harness::packages::need("chromedriver", &["chromium", "chromium-driver"])?;
        }
        let modules = Modules { filter: build::run()?, trap: build::trap_for_tests()? };
        let envoy = envoy_binary::locate()?;
        let version = envoy_binary::version_of(&envoy)?;
        if self.matrix {
            return report(&self.on_other_envoys(&version, &modules)?);
        }
        eprintln!("testing on Envoy {version}");
        let start = Instant::now();
        let passed = shell::run(&mut self.cargo(&envoy, &modules)).is_ok();
        report(&[Outcome { envoy: version, passed, time: start.elapsed() }])
    }

    /// Runs the end-to-end tests on all supported Envoys but this one. A run that fails prints its output.
    fn on_other_envoys(&self, version: &str, modules: &Modules) -> Result<Vec<Outcome>> {
        let others = MATRIX.into_iter().filter(|other| *other != version);
        let envoys: Vec<_> =
            others.map(|other| Ok((other, envoy_binary::get(other)?))).collect::<Result<_>>()?;
        shell::run(shell::cargo().args(["test", "--no-run"]).args(self.selection()))?;
        let versions: Vec<_> = envoys.iter().map(|(version, _)| *version).collect();
        eprintln!("testing on Envoy {}, at the same time", versions.join(", "));
        thread::scope(|scope| {
            let run = |(version, envoy)| scope.spawn(move || self.on_other_envoy(version, envoy, modules));
            let runs: Vec<_> = envoys.iter().map(|(version, envoy)| run((version, envoy))).collect();
            runs.into_iter().map(|run| run.join().unwrap_or_else(|_| bail!("a run panicked"))).collect()
        })
    }

    fn on_other_envoy(&self, version: &str, envoy: &Path, modules: &Modules) -> Result<Outcome> {
        let start = Instant::now();
        let output = self.cargo(envoy, modules).output()?;
        let outcome =
            Outcome { envoy: version.to_owned(), passed: output.status.success(), time: start.elapsed() };
        if outcome.passed {
            eprintln!("Envoy {version}: passed");
        } else {
            let [printed, reported] =
                [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
            println!("Envoy {version}: FAILED\n{printed}{reported}");
        }
        Ok(outcome)
    }

    /// The tests that cargo builds. Always of the whole workspace: single packages have other features, so everything
    /// would be compiled again.
    fn selection(&self) -> &'static [&'static str] {
        if self.matrix {
            &["--workspace", "--test", "e2e"]
        } else if self.browser {
            &["--workspace", "--test", "browser"]
        } else if self.applications {
            &["--workspace", "--test", "applications"]
        } else if self.compose {
            &["--workspace", "--test", "compose"]
        } else {
            &["--workspace"]
        }
    }

    fn cargo(&self, envoy: &Path, modules: &Modules) -> Command {
        let mut cargo = shell::cargo();
        cargo.args(["test", "--no-fail-fast"]).args(self.selection()).arg("--");
        cargo.args(&self.filter);
        if self.soak {
            cargo.arg("--include-ignored");
        }
        if self.matrix {
            cargo.args(UNDER_LOAD.iter().flat_map(|module| ["--skip", module]));
        } else if env::var_os("RUST_TEST_THREADS").is_none() {
            // A test mostly waits, so each core has time for two tests.
            let cores = thread::available_parallelism().map_or(1, Into::into);
            cargo.env("RUST_TEST_THREADS", (2 * cores).to_string());
        }
        cargo.env("ENVOY", envoy).env("SESSION_AFFINITY_WASM", &modules.filter);
        cargo.env("SESSION_AFFINITY_TRAP_WASM", &modules.trap);
        cargo
    }
}

fn report(outcomes: &[Outcome]) -> Result<()> {
    println!("\n{:<8}  {:<6}  {:>8}", "Envoy", "", "time");
    for Outcome { envoy, passed, time } in outcomes {
        let result = if *passed { style("passed").green() } else { style("FAILED").red().bold() };
        println!("{envoy:<8}  {result}  {:>6.1} s", time.as_secs_f64());
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    if !failed.is_empty() {
        bail!("{} of {} runs failed", failed.len(), outcomes.len());
    }
    Ok(())
}
