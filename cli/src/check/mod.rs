//! `check`: finds what does not work with the filter in Envoy's configuration.

mod client_address;
mod clusters;
mod config;
mod embedded;
mod endpoints;
mod envoy;
mod file;
mod files;
mod form;
mod headers;
mod manifests;
mod order;
mod plugin;
mod redact;
mod report;
mod routes;
mod services;
mod suggest;
mod vm;
mod websockets;

use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Level};
use envoy::Envoy;
use file::At;
use files::Files;
use plugin::Plugin;
use report::Report;

/// The result of `check`.
#[derive(Debug)]
pub struct Findings {
    /// In the order of the files, and of the positions in each file.
    pub diagnostics: Vec<Diagnostic>,
    /// The number of files that were read, including files that the given files name.
    pub files: usize,
    /// The number of session-affinity filters in these files.
    pub filters: usize,
}

impl Findings {
    /// The number of diagnostics with this level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.level == level).count()
    }
}

/// Checks the files, and the files that they name.
///
/// # Errors
/// When a given file cannot be read.
pub fn run(paths: &[PathBuf]) -> anyhow::Result<Findings> {
    let mut report = Report::default();
    let files = Files::read(paths, &mut report)?;
    let mut messages: Vec<At<'_>> = Vec::new();
    for (documents, clusters_known) in files.envoys() {
        let envoy = Envoy::new(&documents, clusters_known);
        for plugin in &envoy.plugins {
            check(&envoy, plugin, &mut report);
        }
        messages.extend(envoy.plugins.iter().map(|plugin| plugin.message));
    }
    let manifests = files.manifests();
    for plugin in manifests::plugins(&manifests) {
        of_filter(&plugin, &mut report);
        if let Ok(config) = &plugin.config {
            endpoints::check_patches(&manifests, config, &mut report);
        }
        messages.push(plugin.message);
    }
    messages.sort_by_key(|message| std::ptr::from_ref(message.node).addr());
    messages.dedup_by(|one, other| one.is(*other));
    let filters = messages.len();
    let names = files.names();
    Ok(Findings { diagnostics: report.into_diagnostics(&names), files: names.len(), filters })
}

/// Checks a filter by itself.
fn of_filter(plugin: &Plugin<'_>, report: &mut Report) {
    config::check(plugin, report);
    vm::check(plugin, report);
}

/// Checks a filter and the Envoy around it.
fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, report: &mut Report) {
    of_filter(plugin, report);
    let Ok(config) = &plugin.config else { return };
    services::check(envoy, plugin, config, report);
    routes::check(envoy, plugin, config, report);
    clusters::check(envoy, plugin, config, report);
    headers::check(envoy, plugin, config, report);
    client_address::check(envoy, plugin, config, report);
    order::check(envoy, plugin, config, report);
    endpoints::check(envoy, plugin, config, report);
    websockets::check(envoy, plugin, config, report);
}
