//! `cargo xtask build`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell;
use crate::strip::strip;
use crate::toolchain::{self, Toolchain};

/// Builds the module, optimised, and returns where it is.
pub fn run() -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    eprintln!("building the module with {}", toolchain.describe());
    shell::run(toolchain.build().args(["--release", "--package", "session-affinity", "--lib"]))?;
    let built = toolchain::release_directory().join("session_affinity.wasm");
    let module = harness::workspace_root().join("target/session_affinity.wasm");
    put(&built, &module)?;
    let size = fs::metadata(&module)?.len().div_ceil(1024);
    eprintln!("target/session_affinity.wasm: {size} KiB");
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
