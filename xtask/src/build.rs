//! `cargo xtask build`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell;
use crate::strip::strip;
use crate::toolchain::{self, Toolchain};

/// What to build.
#[derive(clap::Args)]
pub struct Build {
    /// Instead, build a module that a request with the header x-trap kills, `target/session_affinity_trap.wasm`
    #[arg(long, hide = true)]
    trap_for_tests: bool,
}

impl Build {
    /// Builds it.
    pub fn run(&self) -> Result<()> {
        if self.trap_for_tests { trap_for_tests() } else { run() }.map(drop)
    }
}

/// Builds the module, optimised, and returns where it is.
pub fn run() -> Result<PathBuf> {
    build("session_affinity", &[])
}

/// Builds the module for tests of what follows when it fails, and returns where it is.
pub fn trap_for_tests() -> Result<PathBuf> {
    build("session_affinity_trap", &["--features", "trap-for-tests"])
}

fn build(name: &str, features: &[&str]) -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    eprintln!("building the module with {}", toolchain.describe());
    let package = ["--release", "--package", "session-affinity", "--lib"];
    shell::run(toolchain.build().args(package).args(features))?;
    let built = toolchain::release_directory().join("session_affinity.wasm");
    let module = harness::workspace_root().join("target").join(name).with_extension("wasm");
    put(&built, &module)?;
    let size = fs::metadata(&module)?.len().div_ceil(1024);
    eprintln!("target/{name}.wasm: {size} KiB");
    Ok(module)
}

/// Copies in one step, and only what is new: an Envoy that is starting reads the old file or the new one.
fn put(built: &Path, module: &Path) -> Result<()> {
    let linked = fs::read(built).with_context(|| format!("reading {}", built.display()))?;
    let bytes = strip(&linked)?;
    if fs::read(module).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    harness::xds::write(module, bytes)
}
