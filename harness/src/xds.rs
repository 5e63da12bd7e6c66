//! Files that Envoy watches.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Replaces `path` in one rename, because Envoy's `path_config_source` only notices renames. Creates missing parent
/// directories.
///
/// # Errors
/// If the file cannot be written or renamed.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let directory = path.parent().context("a file in a directory")?;
    std::fs::create_dir_all(directory)?;
    // Envoy may run as another user, as in its image.
    let readable = std::fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(directory)?;
    file.write_all(contents.as_ref())?;
    file.persist(path).with_context(|| format!("replacing {}", path.display()))?;
    Ok(())
}

/// A discovery response for Envoy's `path_config_source`. Each resource has its own `@type`.
#[must_use]
pub fn resources(resources: &[serde_json::Value]) -> String {
    serde_json::json!({ "resources": resources }).to_string()
}
