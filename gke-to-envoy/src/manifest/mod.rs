//! Manifests, as they are written: which kinds there are, and their fields.

mod backend_config;
mod health;
mod ingress;
mod metadata;
mod service;
mod workload;

use std::sync::Arc;

pub use self::backend_config::{AffinityType, BackendConfig, Header, Logging};
pub use self::health::Probe;
pub use self::ingress::{Backend, Ingress, PathRule, PathType};
pub use self::metadata::Metadata;
pub use self::service::{AppProtocol, Service, ServicePort};
pub use self::workload::Workload;
use crate::reader::{Item, Object};
use crate::report::{Place, Report};
use crate::yaml::{self, Value};

/// The kinds that are read, and how they are written.
const KINDS: [(&str, &[&str]); 5] = [
    ("Deployment", &["apps/v1"]),
    ("StatefulSet", &["apps/v1"]),
    ("Service", &["v1"]),
    ("BackendConfig", &["cloud.google.com/v1", "cloud.google.com/v1beta1"]),
    ("Ingress", &["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"]),
];

/// A port, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

impl std::fmt::Display for PortRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What a file is called, and what is in it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name that remarks give.
    pub name: String,
    /// Its contents.
    pub text: String,
}

/// All manifests, in the order in which they were given.
#[derive(Debug, Default)]
pub struct Manifests {
    /// What makes pods.
    pub workloads: Vec<Workload>,
    /// What requests are sent to.
    pub services: Vec<Service>,
    /// How they are sent.
    pub backend_configs: Vec<BackendConfig>,
    /// Which requests are sent where.
    pub ingresses: Vec<Ingress>,
}

impl Manifests {
    /// Reads all documents of all files, the items of a `List` included.
    pub fn read(sources: &[Source], report: &mut Report) -> Self {
        let mut manifests = Self::default();
        for source in sources {
            let file = Arc::from(&*source.name);
            match yaml::documents(&source.text) {
                Ok(nodes) if nodes.is_empty() => {
                    report.error(&Place::new(&file, None, ""), "no manifest in this file");
                }
                Ok(nodes) => nodes.iter().for_each(|node| manifests.add(&Item::root(&file, node), report)),
                Err(error) => {
                    report.error(&Place::new(&file, error.line, ""), format!("not YAML: {}", error.problem));
                }
            }
        }
        manifests.refuse_duplicates(report);
        manifests
    }

    fn add(&mut self, document: &Item<'_>, report: &mut Report) {
        let Some(object) = document.object(report) else { return };
        let kinds = kinds();
        let Some(kind) = object.require(report, "kind", &kinds).and_then(|item| item.located(report)) else {
            return;
        };
        let versions = match KINDS.iter().find(|(name, _)| *name == kind.value) {
            Some((_, versions)) => *versions,
            None if kind.value == "List" => return self.add_list(&object, report),
            None => {
                return report.mistake(&kind.place, "unknown kind", &kinds, format_args!("{:?}", kind.value));
            }
        };
        let allowed = versions.join(" or ");
        let Some(item) = object.require(report, "apiVersion", &allowed) else { return };
        match item.text(report) {
            Some(version) if versions.contains(&version) => {
                self.add_kind(&kind.value, version, &object, report);
            }
            Some(_) => item.wrong(report, "unknown version of this kind", &allowed),
            None => {}
        }
    }

    /// What `kubectl get -o yaml` prints.
    fn add_list(&mut self, object: &Object<'_>, report: &mut Report) {
        object.ignore(&["apiVersion", "metadata"]);
        if let Some(items) = object.require(report, "items", "a list of manifests") {
            items.list(report).iter().for_each(|item| self.add(item, report));
        }
        object.refuse_others(report);
    }

    fn add_kind(&mut self, kind: &str, version: &str, object: &Object<'_>, report: &mut Report) {
        object.ignore(&["status"]);
        let metadata = Metadata::read(object, report);
        let spec = object.require(report, "spec", "an object").and_then(|item| item.object(report));
        object.refuse_others(report);
        let (Some(metadata), Some(spec)) = (metadata, spec) else { return };
        match kind {
            "Service" => self.services.extend(Service::read(metadata, &spec, report)),
            "BackendConfig" => self.backend_configs.push(BackendConfig::read(metadata, &spec, report)),
            "Ingress" => self.ingresses.push(Ingress::read(metadata, version, &spec, report)),
            _ => self.workloads.extend(Workload::read(metadata, kind, &spec, report)),
        }
        spec.refuse_others(report);
    }

    fn refuse_duplicates(&self, report: &mut Report) {
        let workloads = self.workloads.iter().map(|workload| (&*workload.kind, &workload.metadata));
        let services = self.services.iter().map(|service| ("Service", &service.metadata));
        let configs = self.backend_configs.iter().map(|config| ("BackendConfig", &config.metadata));
        let ingresses = self.ingresses.iter().map(|ingress| ("Ingress", &ingress.metadata));
        let mut seen: Vec<(&str, &Metadata)> = Vec::new();
        for (kind, metadata) in workloads.chain(services).chain(configs).chain(ingresses) {
            let same = |(other, first): &&(&str, &Metadata)| *other == kind && first.is_same(metadata);
            if let Some((_, first)) = seen.iter().find(same) {
                let text = format!("a second {kind} of this name; the first is at {}", first.place);
                report.error(&metadata.place, text);
            }
            seen.push((kind, metadata));
        }
    }
}

fn kinds() -> String {
    KINDS.map(|(name, _)| name).join(", ") + ", List"
}

/// A port by number or by name, as Kubernetes' `IntOrString`.
fn port_ref(item: &Item<'_>, report: &mut Report) -> Option<PortRef> {
    match item.value() {
        Value::Text(_) => Some(PortRef::Name(item.text(report)?.to_owned())),
        Value::Integer(_) => Some(PortRef::Number(item.integer(report, 1..=u16::MAX)?)),
        _ => {
            item.wrong(report, "wrong type", "an integer from 1 to 65535, or a port's name");
            None
        }
    }
}
