//! `metadata`: names, labels, annotations.

use std::collections::BTreeMap;

use crate::reader::{Item, Located, Object};
use crate::report::{Place, Report};

/// Where a manifest that names no namespace is created.
const DEFAULT_NAMESPACE: &str = "default";

/// A manifest's `metadata`.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The object's name.
    pub name: String,
    /// The namespace, where one is written.
    pub written_namespace: Option<String>,
    /// Where the name stands.
    pub place: Place,
    annotations: BTreeMap<String, Located<String>>,
}

impl Metadata {
    pub(super) fn read(object: &Object<'_>, report: &mut Report) -> Option<Self> {
        let metadata = object.require(report, "metadata", "an object")?.object(report)?;
        metadata.ignore(&["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"]);
        metadata.ignore(&["ownerReferences", "finalizers", "selfLink", "generateName", "clusterName"]);
        metadata.ignore(&["deletionTimestamp", "deletionGracePeriodSeconds"]);
        let namespace = metadata.get("namespace").and_then(|item| item.located(report));
        if let Some(labels) = metadata.get("labels") {
            texts(&labels, report);
        }
        let annotations = metadata.get("annotations").map_or_else(BTreeMap::new, |item| texts(&item, report));
        let name = metadata.require(report, "name", "the object's name");
        metadata.refuse_others(report);
        let name = name?.located(report)?;
        check_name(&name, report);
        Some(Self {
            name: name.value,
            written_namespace: namespace.map(|namespace| namespace.value),
            place: name.place,
            annotations,
        })
    }

    /// The namespace that the object is in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.written_namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&Located<String>> {
        self.annotations.get(name)
    }

    /// Whether name and namespace are the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.namespace() == other.namespace()
    }
}

/// A mapping of strings to strings.
pub(super) fn texts(item: &Item<'_>, report: &mut Report) -> BTreeMap<String, Located<String>> {
    let Some(object) = item.object(report) else { return BTreeMap::new() };
    let entries = object.items();
    entries.filter_map(|(key, item)| Some((key.to_owned(), item.located(report)?))).collect()
}

/// Names go into clusters, cookies and files: nothing but what Kubernetes allows may be in them.
fn check_name(name: &Located<String>, report: &mut Report) {
    if !is_subdomain(&name.value) {
        let allowed =
            "lower-case letters, digits, `-` and `.`, at most 253, letters or digits first and last";
        report.mistake(&name.place, "not a name", allowed, format_args!("{:?}", name.value));
    }
}

/// RFC 1123, as Kubernetes reads it.
pub(super) fn is_subdomain(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let legal = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        bytes.iter().all(legal) && is_edge(bytes.first()) && is_edge(bytes.last())
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
