//! `cargo xtask lint`: all checks that need no running program.

use anyhow::Result;

use crate::{build, shell};

/// Runs all checks, and stops at the first failure.
pub fn run() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(shell::cargo().args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))?;
    let mut clippy = shell::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--features", "session-affinity/fuzzing"]);
    shell::run(clippy.args(["--", "-D", "warnings"]))?;
    shell::run(build::cargo("clippy")?.args(["--", "-D", "warnings"]))?;
    shell::run(shell::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}
