//! The distribution's packages, installed where that is allowed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::progress::Progress;

use crate::shell;

/// Whether packages can be installed: as root, where there is apt-get.
pub fn can_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").is_file()
}

/// Whether this runs as root.
pub fn is_root() -> bool {
    shell::run_quietly(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// Installs packages, by the names they have in Debian and Ubuntu.
pub fn install(packages: &[&str]) -> Result<()> {
    let progress = Progress::start(format!("apt-get install {}", packages.join(" ")));
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let installed = shell::run_quietly(apt_get().arg("update")).and_then(|_| {
        // Somebody else may be installing something.
        let options = ["-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"];
        shell::run_quietly(apt_get().args(options).args(packages))
    });
    progress.finish(if installed.is_ok() { "done" } else { "failed" });
    installed.map(drop)
}

/// Which of these packages the distribution has. Asks it for its newest list first.
pub fn known<'n>(packages: &[&'n str]) -> Vec<&'n str> {
    // Where that fails, the list that is there is as good as any.
    let _ = shell::run_quietly(Command::new("apt-get").arg("update"));
    let is_known = |package: &&&str| {
        let mut list = Command::new("apt-cache");
        shell::run_quietly(list.args(["pkgnames", package]))
            .is_ok_and(|names| names.lines().any(|name| name == **package))
    };
    packages.iter().filter(is_known).copied().collect()
}
