//! Node.js programs with the npm packages that they need.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use crate::packages;
use crate::progress::Progress;

/// Tests of one process wait for one another, since they may need the same packages.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Copies the files of `program` (a directory with a `package.json` and a `package-lock.json`) into a directory of
/// `cache`, and installs exactly the packages of the lock file there. Returns the copy. An existing copy is used
/// without network access.
///
/// # Errors
/// If Node.js or npm is missing and cannot be installed, or npm fails.
pub fn install(program: &Path, cache: &Path) -> Result<PathBuf> {
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    packages::need("node", &["nodejs"])?;
    packages::need("npm", &["npm"])?;
    let files = files(program)?;
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    let name = program.file_name().context("a directory with a name")?.to_string_lossy();
    let directory = cache.join(format!("{name}-node-{:x}", hasher.finish()));
    if directory.is_dir() {
        return Ok(directory);
    }
    fs::create_dir_all(cache).with_context(|| format!("creating {}", cache.display()))?;
    let progress = Progress::start(format!("installing the npm packages of {}", program.display()));
    let work = tempfile::tempdir_in(cache)?;
    let copy = work.path().join("program");
    fs::create_dir(&copy)?;
    for (name, content) in files {
        fs::write(copy.join(name), content)?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]);
    let output = npm.current_dir(&copy).stdin(Stdio::null()).output().context("running npm")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("npm ci in {} failed ({}):\n{}", program.display(), output.status, said.trim_end());
    }
    // Another process may have installed it in the meantime.
    if fs::rename(&copy, &directory).is_err() && !directory.is_dir() {
        bail!("could not place {}", directory.display());
    }
    progress.finish("done");
    Ok(directory)
}

/// The files of a directory by name, without its subdirectories.
fn files(directory: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if path.is_file() {
            let name = path.file_name().context("a file with a name")?.to_string_lossy().into_owned();
            files.push((name, fs::read(&path).with_context(|| format!("reading {}", path.display()))?));
        }
    }
    files.sort();
    Ok(files)
}
