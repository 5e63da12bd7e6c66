//! All files of a run: the given files, the files that they name, and the files in a `ConfigMap` or a `Secret`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::envoy::Known;
use super::file::{At, File, is_manifest};
use super::manifests;
use super::report::Report;
use crate::diagnostic::Level;
use crate::source::Place;

/// The files, and which file names which other files.
#[derive(Debug, Default)]
pub struct Files {
    entries: Vec<Entry>,
    config_maps: usize,
    /// The names of files that are not YAML.
    illegible: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    file: File,
    /// The canonical path, to recognise a file that was already read. `None` for a file in a manifest.
    path: Option<PathBuf>,
    /// The files that this file names, as indices of the list.
    names: Vec<usize>,
    /// Whether some of its clusters come from a server or from a file that was not read.
    has_other_clusters: bool,
}

impl Files {
    /// Reads the files and the files that they name.
    ///
    /// # Errors
    /// When a given file cannot be read. Files that are not YAML go into the report.
    pub fn read(paths: &[PathBuf], report: &mut Report) -> anyhow::Result<Self> {
        let mut files = Self::default();
        for path in paths {
            files.add(path, report)?;
        }
        let mut next = 0;
        while next < files.entries.len() {
            files.follow(next, report);
            next += 1;
        }
        Ok(files)
    }

    /// Adds a file, unless the list already has it. Returns its index, if it is YAML.
    fn add(&mut self, path: &Path, report: &mut Report) -> anyhow::Result<Option<usize>> {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_it = |entry: &Entry| entry.path.as_ref() == Some(&canonical);
        if let Some(known) = self.entries.iter().position(is_it) {
            return Ok(Some(known));
        }
        let file = match File::read(path)? {
            Ok(file) => {
                if file.documents.is_empty() {
                    let source = Arc::clone(&file.source);
                    let place = Place { source, span: 0..0, field: String::new() };
                    let help =
                        "write Envoy's configuration or a manifest into the file, or leave the file out";
                    report.add(Level::Error, place, "the file is empty: there is nothing to check", help);
                }
                file
            }
            Err(diagnostic) => {
                self.illegible.push(diagnostic.place.source.name.clone());
                report.push(*diagnostic);
                return Ok(None);
            }
        };
        let embedded = manifests::embedded_files(&file, &mut self.config_maps);
        let place = self.entries.len();
        let entry = |file, path| Entry { file, path, names: Vec::new(), has_other_clusters: false };
        self.entries.push(entry(file, Some(canonical)));
        self.entries.extend(embedded.into_iter().map(|file| entry(file, None)));
        Ok(Some(place))
    }

    /// Reads the files that a file names.
    fn follow(&mut self, index: usize, report: &mut Report) {
        let Some(entry) = self.entries.get(index) else { return };
        let mut wanted = Vec::new();
        let mut has_other_clusters = false;
        for document in entry.file.documents().filter(|document| !is_manifest(document.node)) {
            has_other_clusters |= has_clusters_on_demand(document);
            for source in config_sources(document) {
                let is_clusters =
                    document.at(&["dynamic_resources", "cds_config"]).is_some_and(|at| at.is(source));
                match path_of(source) {
                    Some(path) => {
                        wanted.push((path.text().unwrap_or_default().to_owned(), path.place(), is_clusters));
                    }
                    None => has_other_clusters |= is_clusters,
                }
            }
        }
        let mut names = Vec::new();
        for (path, place, is_clusters) in wanted {
            let found = match self.find(index, &path) {
                Some(Found::Known(found)) => Some(found),
                Some(Found::File(found)) => self.add(&found, report).unwrap_or_else(|error| {
                    let message = format!("the file `{path}` cannot be read: {}", error.root_cause());
                    report.add(
                        Level::Error,
                        place,
                        message,
                        "write the path of a file that can be read, in UTF-8",
                    );
                    None
                }),
                None => {
                    let message = format!("the file `{path}` was not found, so its contents are not checked");
                    let help = "give the file to `check` as well, or start `check` in a directory from which the path leads to it";
                    report.add(Level::Note, place, message, help);
                    None
                }
            };
            has_other_clusters |= is_clusters && found.is_none();
            names.extend(found);
        }
        if let Some(entry) = self.entries.get_mut(index) {
            entry.names = names;
            entry.has_other_clusters = has_other_clusters;
        }
    }

    /// The file at a path that a file names. The path is searched in the file's manifest, from the working
    /// directory, and from the file's own directory. An absolute path may be a path of another machine, so the longest
    /// end of the path that leads to a file is used.
    fn find(&self, index: usize, path: &str) -> Option<Found> {
        let entry = self.entries.get(index)?;
        let path = Path::new(path);
        let base_name = path.file_name()?.to_string_lossy();
        if let Some((_, config_map)) = &entry.file.embedded {
            let is_sibling = |other: &Entry| matches!(&other.file.embedded, Some((key, other)) if *key == base_name && other == config_map);
            if let Some(found) = self.entries.iter().position(is_sibling) {
                return Some(Found::Known(found));
            }
        }
        let ends = path.ancestors().count();
        let components: Vec<_> = path.components().collect();
        let ends = (0..ends).filter_map(|start| {
            let end: PathBuf = components.get(start..)?.iter().collect();
            end.is_relative().then(|| entry.file.directory.join(end))
        });
        std::iter::once(path.to_owned()).chain(ends).find(|path| path.is_file()).map(Found::File)
    }

    /// The documents of each Envoy: a bootstrap with the files that it names, and all files that no bootstrap names.
    pub fn envoys(&self) -> Vec<(Vec<At<'_>>, Known)> {
        let bootstraps: Vec<usize> = self.indices(|entry| entry.file.is_bootstrap());
        if bootstraps.is_empty() {
            let all = self.indices(|_| true);
            return vec![(self.documents(&all), Known::WithoutBootstrap)];
        }
        let owned: Vec<usize> = bootstraps.iter().flat_map(|bootstrap| self.reachable(*bootstrap)).collect();
        let free: Vec<usize> = self
            .indices(|entry| !entry.file.is_bootstrap())
            .into_iter()
            .filter(|index| !owned.contains(index))
            .collect();
        let of = |bootstrap: usize| {
            let mut indices = self.reachable(bootstrap);
            indices.extend(free.iter().copied());
            let mut entries = indices.iter().filter_map(|index| self.entries.get(*index));
            let partly = entries.any(|entry| entry.has_other_clusters);
            (self.documents(&indices), if partly { Known::Partly } else { Known::All })
        };
        bootstraps.into_iter().map(of).collect()
    }

    fn indices(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<usize> {
        self.entries.iter().enumerate().filter(|(_, entry)| wanted(entry)).map(|(index, _)| index).collect()
    }

    fn reachable(&self, from: usize) -> Vec<usize> {
        let mut found = vec![from];
        let mut next = 0;
        while let Some(entry) = found.get(next).and_then(|index| self.entries.get(*index)) {
            for name in &entry.names {
                if !found.contains(name) {
                    found.push(*name);
                }
            }
            next += 1;
        }
        found
    }

    fn documents(&self, indices: &[usize]) -> Vec<At<'_>> {
        let files = indices.iter().filter_map(|index| self.entries.get(*index));
        files
            .flat_map(|entry| entry.file.documents())
            .filter(|document| !is_manifest(document.node))
            .collect()
    }

    /// All documents for Envoy, except of files that have another purpose.
    pub fn for_envoy(&self) -> impl Iterator<Item = At<'_>> {
        let documents = self.entries.iter().flat_map(|entry| entry.file.documents());
        documents.filter(|document| !is_manifest(document.node) && document.is_for_envoy())
    }

    /// The Kubernetes manifests of all files.
    pub fn manifests(&self) -> Vec<At<'_>> {
        let documents = self.entries.iter().flat_map(|entry| entry.file.documents());
        documents.filter(|document| is_manifest(document.node)).flat_map(manifests::manifests).collect()
    }

    /// The first document of each file, except of files that certainly have another purpose than a filter: manifests,
    /// Envoy's resources such as clusters, and the files of a Helm chart.
    pub fn without_known_purpose(&self) -> Vec<At<'_>> {
        let is_of_chart = |entry: &&Entry| {
            entry.path.as_ref().is_some_and(|path| path.with_file_name("Chart.yaml").is_file())
        };
        let has_other_purpose = |entry: &&Entry| entry.file.documents().any(has_other_purpose);
        let entries = self.entries.iter().filter(|entry| !is_of_chart(entry) && !has_other_purpose(entry));
        entries.filter_map(|entry| entry.file.documents().next()).collect()
    }

    /// The names of the files.
    pub fn names(&self) -> Vec<&str> {
        let on_disk = self.entries.iter().filter(|entry| entry.path.is_some());
        let legible = on_disk.map(|entry| entry.file.source.name.as_str());
        legible.chain(self.illegible.iter().map(String::as_str)).collect()
    }
}

enum Found {
    /// A file of the list.
    Known(usize),
    /// A file that may not be in the list yet.
    File(PathBuf),
}

/// The sources of listeners, clusters, routes and filters.
fn config_sources(document: At<'_>) -> Vec<At<'_>> {
    let mut sources = Vec::new();
    for name in ["lds_config", "cds_config"] {
        sources.extend(document.at(&["dynamic_resources", name]));
    }
    document.walk(&mut |at| {
        for path in [
            ["rds", "config_source"],
            ["config_discovery", "config_source"],
            ["scoped_routes", "rds_config_source"],
            ["scoped_rds", "scoped_rds_config_source"],
        ] {
            sources.extend(at.at(&path));
        }
    });
    sources
}

/// Whether a document is a manifest, or a list of Envoy resources none of which can have a filter or routes.
fn has_other_purpose(document: At<'_>) -> bool {
    let mut types = document.items_at(&["resources"]).map(At::type_name).peekable();
    let is_with_filter = |name: &str| {
        name.contains(".listener.") || name.contains(".route.") || name.ends_with(".TypedExtensionConfig")
    };
    let is_other = types.peek().is_some() && !types.any(|name| name.is_none_or(is_with_filter));
    is_manifest(document.node) || is_other
}

/// Whether Envoy asks a server for further clusters, at the start or when a request needs them.
fn has_clusters_on_demand(document: At<'_>) -> bool {
    let mut found = document.at(&["dynamic_resources", "cds_resources_locator"]).is_some();
    document.walk(&mut |at| found |= at.get("odcds").is_some() || at.get("odcds_config").is_some());
    found
}

/// The path of a source that is a file.
fn path_of(source: At<'_>) -> Option<At<'_>> {
    source.at(&["path_config_source", "path"]).or_else(|| source.get("path"))
}
