//! `cargo xtask lint`: everything that needs no running program.

use anyhow::Result;

use crate::shell;
use crate::toolchain::Toolchain;

/// Runs each check, and stops at the first that fails.
pub fn run() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let toolchain = Toolchain::find()?;
    eprintln!("linting for wasm32 with {}", toolchain.describe());
    let wasm = ["--package", "session-affinity", "--lib", "--", "-D", "warnings"];
    shell::run(toolchain.clippy()?.args(wasm))?;
    shell::run(shell::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}
