//! The path of the filter's module.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The root of the checkout in which this crate was built.
///
/// # Panics
/// Never in a checkout, because this crate is one directory below the root.
#[must_use]
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("harness/ lies in the workspace").to_path_buf()
}

/// The built filter: `SESSION_AFFINITY_WASM` if it is set, else `target/session_affinity.wasm`.
///
/// # Errors
/// If the file does not exist. The message tells how to build it.
pub fn module_path() -> Result<PathBuf> {
    let path = match env::var_os("SESSION_AFFINITY_WASM") {
        Some(path) => PathBuf::from(path),
        None => workspace_root().join("target/session_affinity.wasm"),
    };
    if !path.is_file() {
        bail!("the filter's module {} does not exist: run `cargo xtask build` first", path.display());
    }
    Ok(path.canonicalize()?)
}
