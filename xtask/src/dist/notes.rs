//! The notes of a release: the newest section of `CHANGELOG.md`.

use anyhow::{Context as _, Result, ensure};

use super::VERSION;

/// The newest section, without its heading. Checks that it is the section of this version.
pub fn newest(changelog: &str) -> Result<String> {
    let (_, sections) =
        changelog.split_once("\n## ").context("CHANGELOG.md has no section: a line `## [1.2.3] - date`")?;
    let (heading, section) = sections.split_once('\n').unwrap_or((sections, ""));
    let expected = format!("[{VERSION}] - ");
    ensure!(
        heading.starts_with(&expected),
        "the newest section of CHANGELOG.md is `## {heading}`, and this is version {VERSION}: write `## {expected}<date>`"
    );
    let section = section.split("\n## ").next().unwrap_or_default();
    // The addresses of links are at the end of the file.
    let links: Vec<&str> =
        changelog.lines().filter(|line| line.starts_with('[') && line.contains("]: ")).collect();
    let text = section.lines().filter(|line| !links.contains(line)).collect::<Vec<_>>().join("\n");
    Ok(format!("{}\n", text.trim()))
}
