//! `cargo xtask build`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use harness::progress::Progress;

use crate::{exports, shell};

/// The module's target. `rust-toolchain.toml` names it too.
const TARGET: &str = "wasm32-unknown-unknown";

/// The arguments of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Build {
    /// Instead, build `target/session_affinity_trap.wasm`, a module that traps on a request with the header x-trap
    #[arg(long, hide = true)]
    trap_for_tests: bool,
}

impl Build {
    /// Builds the module.
    pub fn run(&self) -> Result<()> {
        if self.trap_for_tests { trap_for_tests() } else { run() }.map(drop)
    }
}

/// Builds the optimised module. Returns its path.
pub fn run() -> Result<PathBuf> {
    build("session_affinity", &workspace_target(), &[])
}

/// Builds the module that traps on a request with the header `x-trap`, for tests. Returns its path.
///
/// This module has a separate target directory. In a shared directory, each build would link both modules again.
pub fn trap_for_tests() -> Result<PathBuf> {
    build("session_affinity_trap", &workspace_target().join("trap"), &["--features", "trap-for-tests"])
}

/// Builds the module of another checkout, in the `target` of that checkout.
pub fn in_checkout(checkout: &Path) -> Result<Vec<u8>> {
    let target = checkout.join("target");
    shell::run(cargo("build")?.arg("--release").arg("--target-dir").arg(&target).current_dir(checkout))?;
    let linked = target.join(TARGET).join("release/session_affinity.wasm");
    exports::keep_needed(&fs::read(&linked).with_context(|| format!("reading {}", linked.display()))?)
}

/// A cargo command for the module: `build` or `clippy`. Adds the target to the toolchain if it is missing.
pub fn cargo(subcommand: &str) -> Result<Command> {
    add_target()?;
    let mut cargo = shell::cargo();
    cargo.args([subcommand, "--target", TARGET, "--package", "session-affinity", "--lib"]);
    if let Some(sources) = registry_sources() {
        // Otherwise the panic messages would contain this directory, and the module would differ between machines.
        let remap = format!("--remap-path-prefix={}=", sources.display());
        cargo.args(["--config", &format!("target.{TARGET}.rustflags=[{remap:?}]")]);
    }
    Ok(cargo)
}

fn workspace_target() -> PathBuf {
    harness::workspace_root().join("target")
}

/// Builds `target/<name>.wasm`, with cargo's own files in the directory `cargo_target`.
fn build(name: &str, cargo_target: &Path, features: &[&str]) -> Result<PathBuf> {
    shell::run(cargo("build")?.arg("--release").arg("--target-dir").arg(cargo_target).args(features))?;
    let linked = cargo_target.join(TARGET).join("release/session_affinity.wasm");
    let module = workspace_target().join(name).with_extension("wasm");
    place(&linked, &module)?;
    let size = fs::metadata(&module)?.len().div_ceil(1024);
    eprintln!("target/{name}.wasm: {size} KiB");
    Ok(module)
}

/// Writes the module in one step, and only if it changed. An Envoy that starts in the meantime reads either the old
/// file or the new one.
fn place(linked: &Path, module: &Path) -> Result<()> {
    let linked = fs::read(linked).with_context(|| format!("reading {}", linked.display()))?;
    let bytes = exports::keep_needed(&linked)?;
    if fs::read(module).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    harness::xds::write(module, bytes)
}

/// Adds the target, because rustup ignores the `targets` of `rust-toolchain.toml` for a toolchain that is already
/// installed.
fn add_target() -> Result<()> {
    let mut rustc = Command::new("rustc");
    let library = shell::run_quietly(rustc.args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(&library).is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    let progress = Progress::start(shell::shown(&rustup));
    let added = shell::run_quietly(&mut rustup)
        .with_context(|| format!("this Rust compiler has no standard library for {TARGET}"));
    progress.finish(if added.is_ok() { "done" } else { "failed" });
    added.map(drop)
}

/// The directory in which cargo unpacks dependencies.
fn registry_sources() -> Option<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    Some(cargo_home.join("registry/src/"))
}
