//! One release for all tests, and the commands that build it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use harness::workspace_root;

/// The version of every part.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a program, and returns its output.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs `cargo xtask dist` into this directory.
pub fn dist(to: &Path, options: &[&str]) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["xtask", "dist", "--to"]).arg(to).args(options).current_dir(workspace_root());
    run(&mut cargo);
}

/// A directory with this name for a test's files. Replaces the contents from an earlier run.
pub fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The directory of the complete release.
pub static RELEASE: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = directory("dist");
    dist(&directory, &[]);
    directory
});

/// The module of the release.
pub fn module() -> Vec<u8> {
    fs::read(RELEASE.join("session_affinity.wasm")).unwrap()
}
