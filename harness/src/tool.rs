//! The command-line tool `session-affinity`, as its users run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;
use std::{env, fs, io};

use crate::workspace_root;

/// The program, beside the test that asks for it. `cargo test --workspace` has built it. If a test is run alone, the
/// program may be missing or old: then this builds it.
///
/// # Panics
/// If the program cannot be built.
#[must_use]
pub fn path() -> &'static Path {
    static TOOL: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = env::current_exe().expect("the test has a path");
        let tool = test.ancestors().nth(2).expect("cargo's directory").join("session-affinity");
        let sources = ["src", "cli/src"].map(|sources| newest_change(&workspace_root().join(sources)));
        let newest = sources.into_iter().map(|time| time.expect("the sources are readable")).max();
        let built = tool.metadata().and_then(|metadata| metadata.modified()).ok();
        if built < newest {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo).args(["build", "--package", "cli"]).status();
            assert!(built.is_ok_and(|status| status.success()), "cargo build --package cli failed");
        }
        tool
    });
    &TOOL
}

/// When the newest file below a directory was changed.
fn newest_change(directory: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let changed = if path.is_dir() { newest_change(&path)? } else { path.metadata()?.modified()? };
        newest = newest.max(changed);
    }
    Ok(newest)
}
