//! Programs that come with the distribution's packages.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::envoy_binary::on_path;
use crate::progress::Progress;

/// Makes sure that `program` is on the `PATH`. If it is missing, root installs these packages with apt-get.
///
/// # Errors
/// If the program is missing and cannot be installed. The message names the packages.
pub fn need(program: &str, packages: &[&str]) -> Result<()> {
    if on_path(program).is_some() { Ok(()) } else { install(program, packages) }
}

/// Makes sure that this file exists, for packages without a program. If the file is missing, root installs these
/// packages with apt-get.
///
/// # Errors
/// If the file is missing and cannot be installed. The message names the packages.
pub fn need_file(file: &Path, packages: &[&str]) -> Result<()> {
    if file.exists() { Ok(()) } else { install(&file.display().to_string(), packages) }
}

fn install(missing: &str, packages: &[&str]) -> Result<()> {
    let packages = packages.join(" ");
    if !is_root() || on_path("apt-get").is_none() {
        bail!("{missing} is missing: install it first (Debian: apt-get install {packages})");
    }
    let progress = Progress::start(format!("apt-get install {packages}"));
    let script = format!(
        "apt-get update && apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends {packages}"
    );
    // Several tests, also of different processes, may miss a program at the same time. `apt-get update` refuses to run
    // twice and has no option to wait.
    let lock = env::temp_dir().join("session-affinity-apt-get.lock");
    let mut command = Command::new("flock");
    command.arg(lock).args(["sh", "-c", &script]).env("DEBIAN_FRONTEND", "noninteractive");
    let installed = run(&mut command);
    progress.finish(if installed.is_ok() { "done" } else { "failed" });
    installed.map(drop)
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
