//! The whole release as one archive, for users who do not want to collect its files.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};

/// Writes `<name>.tar.gz` with everything in the directory, below the directory `<name>`. The archive has no timestamps
/// and no owners, and its entries are sorted. Returns its path.
pub fn write(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(format!("{name}.tar.gz"));
    let files = files(directory)?;
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let mut archive = tar::Builder::new(GzBuilder::new().mtime(0).write(file, Compression::best()));
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let is_program = file.metadata()?.permissions().mode() & 0o100 != 0;
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len())?);
        header.set_mode(if is_program { 0o755 } else { 0o644 });
        header.set_mtime(0);
        let inside = Path::new(name).join(file.strip_prefix(directory)?);
        archive.append_data(&mut header, inside, &*bytes)?;
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
