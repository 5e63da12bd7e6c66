//! `cargo xtask manifests`: renders the chart into `deploy/kubernetes`.

use anyhow::Result;

/// Renders the chart with its defaults, and prints the files that changed.
pub fn run() -> Result<()> {
    let root = harness::workspace_root();
    let changed = harness::manifests::write()?;
    for file in &changed {
        println!("{} has changed", file.strip_prefix(&root).unwrap_or(file).display());
    }
    if changed.is_empty() {
        println!("deploy/kubernetes is up to date with the chart");
    }
    Ok(())
}
