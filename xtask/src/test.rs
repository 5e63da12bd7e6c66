//! `cargo xtask test`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use console::style;
use harness::envoy_binary;

use crate::{build, shell};

/// The arguments of `cargo xtask test`.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Test {
    /// Also run the end-to-end tests on every other supported Envoy
    #[arg(long)]
    matrix: bool,
    /// Also run the tests under load, which take a minute or more
    #[arg(long)]
    soak: bool,
    /// Instead, test the Compose files, on the Docker engine that `docker` uses
    #[arg(long, conflicts_with_all = ["applications", "browser", "matrix", "soak"])]
    compose: bool,
    /// Instead, test the cookies in a browser: Chromium, without a window
    #[arg(long, conflicts_with_all = ["applications", "matrix", "soak"])]
    browser: bool,
    /// Instead, test unmodified applications with sessions in memory: Tomcat, Express, Django and others
    #[arg(long, conflicts_with_all = ["matrix", "soak"])]
    applications: bool,
    /// Only tests whose name contains this
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

/// The tests that run on the other Envoys.
const END_TO_END: &str = "end-to-end tests";

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

/// The result of one run.
struct Outcome {
    envoy: String,
    what: &'static str,
    passed: bool,
    time: Duration,
}

impl Test {
    /// Builds the module, gets Envoy, and runs the tests.
    pub fn run(&self) -> Result<()> {
        if self.browser || self.applications {
            harness::packages::need("chromedriver", &["chromium", "chromium-driver"])?;
        }
        let trap = build::trap_for_tests()?;
        let modules = Modules { filter: build::run()?, trap };
        let envoy = envoy_binary::locate()?;
        let version = envoy_binary::version_of(&envoy)?;
        eprintln!("testing on Envoy {version}");
        // Always the whole workspace: single packages have other features, so everything would be compiled again.
        let (what, selection): (_, &[&str]) = if self.browser {
            ("browser's tests", &["--workspace", "--test", "browser"])
        } else if self.applications {
            ("applications", &["--workspace", "--test", "applications"])
        } else if self.compose {
            ("Compose tests", &["--workspace", "--test", "compose"])
        } else {
            ("all tests", &["--workspace"])
        };
        let mut outcomes = vec![self.test(&version, what, &envoy, &modules, selection)];
        if self.matrix {
            for other in envoy_binary::MATRIX.into_iter().filter(|other| *other != version) {
                let envoy = envoy_binary::get(other)?;
                eprintln!("testing on Envoy {other}");
                let end_to_end = ["--workspace", "--test", "e2e"];
                outcomes.push(self.test(other, END_TO_END, &envoy, &modules, &end_to_end));
            }
        }
        report(&outcomes)
    }

    fn test(
        &self,
        version: &str,
        what: &'static str,
        envoy: &Path,
        modules: &Modules,
        selection: &[&str],
    ) -> Outcome {
        let start = Instant::now();
        let mut cargo = self.cargo(what, selection);
        cargo.env("ENVOY", envoy).env("SESSION_AFFINITY_WASM", &modules.filter);
        cargo.env("SESSION_AFFINITY_TRAP_WASM", &modules.trap);
        let result = shell::run(&mut cargo);
        Outcome { envoy: version.to_owned(), what, passed: result.is_ok(), time: start.elapsed() }
    }

    fn cargo(&self, what: &str, selection: &[&str]) -> Command {
        let mut cargo = shell::cargo();
        cargo.args(["test", "--no-fail-fast"]).args(selection).arg("--");
        cargo.args(&self.filter);
        if self.soak {
            cargo.arg("--include-ignored");
        }
        if what == END_TO_END {
            cargo.args(UNDER_LOAD.iter().flat_map(|module| ["--skip", module]));
        }
        cargo
    }
}

fn report(outcomes: &[Outcome]) -> Result<()> {
    println!("\n{:<8}  {:<16}  {:<6}  {:>7}", "Envoy", "", "", "time");
    for Outcome { envoy, what, passed, time } in outcomes {
        let result = if *passed { style("passed").green() } else { style("FAILED").red().bold() };
        println!("{envoy:<8}  {what:<16}  {result}  {:>5.1} s", time.as_secs_f64());
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    if !failed.is_empty() {
        bail!("{} of {} runs failed", failed.len(), outcomes.len());
    }
    Ok(())
}
