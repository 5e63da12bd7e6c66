//! `cargo xtask manifests`: `deploy/kubernetes`, made from the chart.

use anyhow::Result;

/// Renders the chart with its defaults, and says which files changed.
pub fn run() -> Result<()> {
    let root = harness::workspace_root();
    let changed = harness::manifests::write()?;
    for file in &changed {
        println!("{} is new", file.strip_prefix(&root).unwrap_or(file).display());
    }
    if changed.is_empty() {
        println!("deploy/kubernetes is what the chart renders");
    }
    Ok(())
}
