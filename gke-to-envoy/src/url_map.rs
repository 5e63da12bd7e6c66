//! The table of hosts and paths that GKE makes of an Ingress. It follows GKE's controller: the translator and
//! `GCEURLMap` of kubernetes/ingress-gce.

use crate::manifest::{Backend, Ingress, PathRule, PathType};
use crate::report::Report;

/// A host and its paths, as they are written.
#[derive(Clone, Debug)]
pub struct Host<T> {
    /// The host, `*.` and a domain, or `*` for every other host.
    pub name: String,
    /// No path comes twice.
    pub paths: Vec<Path<T>>,
}

/// A path and where it leads.
#[derive(Clone, Debug)]
pub struct Path<T> {
    /// The path, or what stands before a `*` at its end.
    pub text: String,
    /// Whether it stands for everything that begins with it.
    pub is_prefix: bool,
    /// Where it leads.
    pub target: T,
}

/// The hosts of an Ingress, each once.
pub fn hosts(ingress: &Ingress, report: &mut Report) -> Vec<Host<Backend>> {
    let mut hosts: Vec<Host<Backend>> = Vec::new();
    for rule in &ingress.rules {
        let name = rule.host.clone().unwrap_or_else(|| "*".to_owned());
        let mut paths: Vec<Path<Backend>> = Vec::new();
        for (path, rule) in rule.paths.iter().flat_map(|rule| expanded(rule).map(move |path| (path, rule))) {
            if let Some(index) = paths.iter().position(|other| other.is_same(&path)) {
                let text = format!("{path} is there twice for this host: as in GKE, the later one counts");
                report.note(&rule.path.place, text);
                paths.remove(index);
            }
            paths.push(path);
        }
        if let Some(index) = hosts.iter().position(|host| host.name == name) {
            let text = "a second rule for this host: as in GKE, it takes the place of the first";
            report.note(&rule.place, text);
            hosts.remove(index);
        }
        hosts.push(Host { name, paths });
    }
    hosts
}

/// The order in which paths are tried: the longest first, and a path before what begins with it.
pub fn sort<T>(paths: &mut [Path<T>]) {
    paths.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then(a.is_prefix.cmp(&b.is_prefix)));
}

/// What a rule stands for in a table that knows paths, and paths that end in `/*`.
fn expanded(rule: &PathRule) -> impl Iterator<Item = Path<Backend>> + '_ {
    let written = &*rule.path.value;
    let paths = match rule.path_type {
        PathType::Exact => [Some((written.to_owned(), false)), None],
        PathType::Prefix => {
            let base = written.strip_suffix('/').unwrap_or(written);
            let alone = (!base.is_empty()).then(|| (base.to_owned(), false));
            [alone, Some((format!("{base}/"), true))]
        }
        PathType::ImplementationSpecific if written.is_empty() => [Some(("/".to_owned(), true)), None],
        PathType::ImplementationSpecific => {
            let prefix = written.strip_suffix('*');
            [Some((prefix.unwrap_or(written).to_owned(), prefix.is_some())), None]
        }
    };
    let path = |(text, is_prefix)| Path { text, is_prefix, target: rule.backend.clone() };
    paths.into_iter().flatten().map(path)
}

impl<T> Host<T> {
    /// The same paths with other targets; those for which there is none are left out.
    pub fn map<U>(self, target: impl Fn(T) -> Option<U>) -> Host<U> {
        let path = |path: Path<T>| {
            Some(Path { text: path.text, is_prefix: path.is_prefix, target: target(path.target)? })
        };
        Host { name: self.name, paths: self.paths.into_iter().filter_map(path).collect() }
    }
}

impl<T> Path<T> {
    fn is_same(&self, other: &Self) -> bool {
        self.text == other.text && self.is_prefix == other.is_prefix
    }
}

impl<T> std::fmt::Display for Path<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}
