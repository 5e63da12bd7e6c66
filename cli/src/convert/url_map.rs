//! The table of hosts and paths that GKE makes from an Ingress. The code follows GKE's controller: the translator and
//! `GCEURLMap` of kubernetes/ingress-gce.

use super::manifests::ingress::PathType;
use super::remarks::Remarks;
use crate::source::Place;

/// A rule of an Ingress: a host's paths.
#[derive(Debug)]
pub struct Rule<T> {
    /// The host, or `*` for every host that no other rule names.
    pub host: String,
    pub paths: Vec<PathRule<T>>,
    pub place: Place,
}

/// A path and its target.
#[derive(Debug)]
pub struct PathRule<T> {
    /// The path. Empty: all paths.
    pub path: String,
    pub path_type: PathType,
    pub place: Place,
    pub target: T,
}

/// A host and its paths.
#[derive(Clone, Debug)]
pub struct Host<T> {
    /// The host, `*.` and a domain, or `*` for every other host.
    pub name: String,
    /// All paths are different.
    pub paths: Vec<Path<T>>,
}

/// A path and its target.
#[derive(Clone, Debug)]
pub struct Path<T> {
    /// The path, without a `*` at its end.
    pub text: String,
    /// Whether the path is a prefix.
    pub is_prefix: bool,
    pub target: T,
}

/// The hosts of the rules, each once.
pub fn hosts<T: Clone>(rules: Vec<Rule<T>>, remarks: &mut Remarks) -> Vec<Host<T>> {
    let mut hosts: Vec<Host<T>> = Vec::new();
    for Rule { host: name, paths: rules, place } in rules {
        let mut paths: Vec<Path<T>> = Vec::new();
        for rule in &rules {
            for path in expanded(rule) {
                let is_same =
                    |other: &Path<T>| (&other.text, other.is_prefix) == (&path.text, path.is_prefix);
                if paths.iter().any(is_same) {
                    let text =
                        format!("{path} is given twice for this host: the later one is used, as in GKE");
                    remarks.note(rule.place.clone(), text);
                    paths.retain(|other| !is_same(other));
                }
                paths.push(path);
            }
        }
        if hosts.iter().any(|host| host.name == name) {
            remarks.note(place, "a second rule for this host: it replaces the first rule, as in GKE");
            hosts.retain(|host| host.name != name);
        }
        hosts.push(Host { name, paths });
    }
    hosts
}

/// Sorts paths by precedence: the longest first, and an exact path before a prefix with the same text.
pub fn sort<T>(paths: &mut [Path<T>]) {
    paths.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then(a.is_prefix.cmp(&b.is_prefix)));
}

/// The paths of a rule in a table that has only exact paths and prefixes.
fn expanded<T: Clone>(rule: &PathRule<T>) -> impl Iterator<Item = Path<T>> + '_ {
    let written = &*rule.path;
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
    let path = |(text, is_prefix)| Path { text, is_prefix, target: rule.target.clone() };
    paths.into_iter().flatten().map(path)
}

impl<T> std::fmt::Display for Path<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}
