//! `check`: finds what does not work with the filter in Envoy's configuration.

mod bypass;
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
mod json;
mod manifests;
mod merge_keys;
mod order;
mod partial;
mod plugin;
mod redact;
mod report;
mod routes;
mod services;
mod unchecked;
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
    for document in files.for_envoy() {
        merge_keys::check(document, &mut report);
    }
    let envoys = files.envoys();
    let envoys: Vec<Envoy<'_>> =
        envoys.iter().map(|(documents, known)| Envoy::new(documents, *known)).collect();
    for envoy in &envoys {
        for plugin in &envoy.plugins {
            // A filter that another Envoy uses is checked there.
            if envoy.uses(plugin) || !envoys.iter().any(|other| other.uses(plugin)) {
                check(&envoys, envoy, plugin, &mut report);
            }
        }
        bypass::check(envoy, &mut report);
    }
    unchecked::check(&envoys, &mut report);
    let manifests = files.manifests();
    let (plugins, others): (Vec<_>, Vec<_>) =
        manifests::plugins(&manifests).into_iter().partition(|plugin| plugin.is_ours);
    for plugin in &plugins {
        of_filter(plugin, &mut report);
        if let Ok(config) = &plugin.config {
            endpoints::check_patches(&manifests, config, &mut report);
        }
    }
    let plugins = envoys.iter().flat_map(|envoy| &envoy.plugins).chain(&plugins);
    let others = envoys.iter().flat_map(|envoy| &envoy.other_plugins).chain(&others);
    let mut messages: Vec<At<'_>> = plugins.map(|plugin| plugin.message).collect();
    if messages.is_empty() {
        unchecked::no_filter(&files, &others.collect::<Vec<_>>(), &mut report);
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
fn check<'a>(envoys: &[Envoy<'a>], envoy: &Envoy<'a>, plugin: &Plugin<'a>, report: &mut Report) {
    of_filter(plugin, report);
    let Some(config) = plugin.readable() else {
        if let (Err(error), true) = (&plugin.config, envoy.uses(plugin)) {
            let message =
                "the routes and clusters of this filter are not checked until its error is corrected";
            let help = "correct the error, and run `check` again";
            report.add(Level::Note, plugin.place_of_error(error), message, help);
        }
        return;
    };
    let known = services::known_routes(envoys, config);
    services::check(plugin, config, &known, report);
    routes::check(envoy, plugin, config, &known, report);
    clusters::check(envoy, plugin, config, report);
    headers::check(envoy, plugin, config, report);
    order::check(envoy, plugin, config, report);
    if plugin.config.is_ok() {
        client_address::check(envoy, plugin, config, report);
        endpoints::check(envoy, plugin, config, report);
        websockets::check(envoy, plugin, config, report);
    }
}
