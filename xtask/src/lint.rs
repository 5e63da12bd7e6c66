//! `cargo xtask lint`: all checks that need no running program.

use anyhow::Result;

use crate::{build, shell};

/// The features that add code which no other check sees.
const FEATURES: [&str; 2] = ["--features", "session-affinity/fuzzing"];

/// Runs all checks, and stops at the first failure.
pub fn run() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(shell::cargo().args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))?;
    let mut clippy = shell::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets"]).args(FEATURES);
    shell::run(clippy.args(["--", "-D", "warnings"]))?;
    shell::run(build::cargo("clippy")?.args(["--", "-D", "warnings"]))?;
    let mut doc = shell::cargo();
    doc.args(["doc", "--workspace", "--no-deps"]).args(FEATURES);
    shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}
