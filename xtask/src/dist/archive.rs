//! The whole release as one archive, for users who do not want to collect its files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use tar::HeaderMode;

/// Writes `<name>.tar.gz` with everything in the directory, below the directory `<name>`. All entries have the same
/// timestamp and owner, and they are sorted. Returns the path of the archive.
pub fn write(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(format!("{name}.tar.gz"));
    let files = files(directory)?;
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let mut archive = tar::Builder::new(GzBuilder::new().mtime(0).write(file, Compression::best()));
    archive.mode(HeaderMode::Deterministic);
    for file in files {
        let inside = Path::new(name).join(file.strip_prefix(directory)?);
        archive
            .append_path_with_name(&file, inside)
            .with_context(|| format!("archiving {}", file.display()))?;
    }
    archive.into_inner()?.finish()?;
    Ok(path)
}

/// All files below a directory, sorted.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
