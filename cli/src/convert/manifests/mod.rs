//! The manifests: the supported kinds and their fields.

pub mod backend_config;
pub mod fields;
pub mod gateway;
pub mod gateway_policy;
pub mod ingress;
pub mod service;
pub mod workload;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Spanned, with_deserializer_from_str_with_options};

use self::backend_config::BackendConfigSpec;
use self::fields::Metadata;
use self::gateway::{GatewaySpec, HttpRouteSpec};
use self::gateway_policy::{BackendPolicy, HealthPolicy, PolicySpec};
use self::ingress::IngressSpec;
use self::service::ServiceSpec;
use self::workload::WorkloadSpec;
use super::document::{Document, get, items, options, text};
use super::remarks::Remarks;
use crate::source::{Place, Source};
use crate::yaml::{Node, Value};

/// The supported kinds, their API groups, and the versions.
const KINDS: [(&str, &str, &[&str]); 9] = [
    ("Deployment", "apps/", &["apps/v1"]),
    ("StatefulSet", "apps/", &["apps/v1"]),
    ("Service", "v1", &["v1"]),
    ("BackendConfig", "cloud.google.com/", &["cloud.google.com/v1", "cloud.google.com/v1beta1"]),
    ("Ingress", "", &["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"]),
    ("Gateway", "gateway.networking.k8s.io/", GATEWAY_API),
    ("HTTPRoute", "gateway.networking.k8s.io/", GATEWAY_API),
    ("GCPBackendPolicy", "networking.gke.io/", &["networking.gke.io/v1"]),
    ("HealthCheckPolicy", "networking.gke.io/", &["networking.gke.io/v1"]),
];

const GATEWAY_API: &[&str] = &["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"];

/// Kinds that are not read, although they set an affinity.
const AFFINITY_KINDS: [&str; 2] = ["GCPSessionAffinityPolicy", "GCPSessionAffinityFilter"];

/// The label of the objects that `--to kubernetes` writes.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The namespace of a manifest that names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// An object of a supported kind.
#[derive(Debug)]
pub struct Manifest<S> {
    document: Arc<Document>,
    metadata: Metadata,
    pub kind: &'static str,
    pub version: String,
    pub spec: S,
}

pub type Workload = Manifest<WorkloadSpec>;
pub type Service = Manifest<ServiceSpec>;
pub type BackendConfig = Manifest<BackendConfigSpec>;
pub type Ingress = Manifest<IngressSpec>;
pub type Gateway = Manifest<GatewaySpec>;
pub type HttpRoute = Manifest<HttpRouteSpec>;
pub type GcpBackendPolicy = Manifest<PolicySpec<BackendPolicy>>;
pub type HealthCheckPolicy = Manifest<PolicySpec<HealthPolicy>>;

/// All manifests, in the order in which they were given.
#[derive(Debug, Default)]
pub struct Manifests {
    pub workloads: Vec<Workload>,
    pub services: Vec<Service>,
    pub backend_configs: Vec<BackendConfig>,
    pub ingresses: Vec<Ingress>,
    pub gateways: Vec<Gateway>,
    pub http_routes: Vec<HttpRoute>,
    pub backend_policies: Vec<GcpBackendPolicy>,
    pub health_policies: Vec<HealthCheckPolicy>,
    /// The kind, namespace and name of all objects, including skipped objects.
    pub names: BTreeSet<(String, String, String)>,
}

impl<S> Manifest<S> {
    /// The object's name.
    pub fn name(&self) -> &str {
        self.metadata.name.value.get()
    }

    /// The namespace that the object is in.
    pub fn namespace(&self) -> &str {
        self.written_namespace().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The namespace, if the manifest names one.
    pub fn written_namespace(&self) -> Option<&str> {
        self.metadata.namespace.as_ref().map(|namespace| namespace.value.get())
    }

    /// The place of the name.
    pub fn place(&self) -> Place {
        self.at(&self.metadata.name)
    }

    /// The place of a value in this manifest.
    pub fn at<T>(&self, value: &Spanned<T>) -> Place {
        self.document.at(value)
    }

    /// All annotations.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &Spanned<String>)> {
        let all = self.metadata.annotations.iter().flatten();
        all.map(|(name, value)| (&**name, value))
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&Spanned<String>> {
        self.metadata.annotations.as_ref()?.get(name)
    }
}

impl Manifests {
    /// Reads all documents of all files, the items of a `List` included.
    pub fn read(sources: &[Arc<Source>], remarks: &mut Remarks) -> Self {
        let mut manifests = Self::default();
        for source in sources {
            for document in Document::read(source, remarks) {
                manifests.add(&document, remarks);
            }
        }
        refuse_duplicates(&manifests.workloads, remarks);
        refuse_duplicates(&manifests.services, remarks);
        refuse_duplicates(&manifests.backend_configs, remarks);
        refuse_duplicates(&manifests.ingresses, remarks);
        refuse_duplicates(&manifests.gateways, remarks);
        refuse_duplicates(&manifests.http_routes, remarks);
        refuse_duplicates(&manifests.backend_policies, remarks);
        refuse_duplicates(&manifests.health_policies, remarks);
        manifests
    }

    fn add(&mut self, document: &Arc<Document>, remarks: &mut Remarks) {
        let items = items(&document.root);
        let nodes = items.unwrap_or(std::slice::from_ref(&document.root));
        let kinds: Vec<Option<&str>> = nodes.iter().map(|node| self.kind(document, node, remarks)).collect();
        let read = with_deserializer_from_str_with_options(document.text(), options(), |deserializer| {
            let reader = Reader { manifests: self, document, kinds: &kinds };
            if items.is_some() { deserializer.deserialize_any(reader) } else { reader.object(deserializer) }
        });
        if let Err(error) = read {
            document.report(&error, remarks);
        }
    }

    /// The kind of an object. `None` if the object is skipped.
    fn kind(&mut self, document: &Document, object: &Node, remarks: &mut Remarks) -> Option<&'static str> {
        let names = KINDS.map(|(name, _, _)| name).join(", ");
        if !matches!(object.value, Value::Map(_)) {
            let help = format!("write an object with a kind: {names}");
            remarks.error(document.of(object, ""), "not a manifest", help);
            return None;
        }
        let Some(kind) = text(object, "kind") else {
            let help = format!("write {names}, or List; or leave the file out");
            remarks.error(document.of(object, ""), "missing field `kind`", help);
            return None;
        };
        let labels = get(object, "metadata").and_then(|metadata| get(metadata, "labels"));
        if labels.and_then(|labels| text(labels, MANAGED_BY)) == Some("session-affinity") {
            // Objects that an earlier run wrote are skipped, because this run writes them again with the same names.
            return None;
        }
        let version = text(object, "apiVersion").unwrap_or_default();
        if let Some(metadata) = get(object, "metadata") {
            let namespace = text(metadata, "namespace").unwrap_or(DEFAULT_NAMESPACE);
            let full = |name: &str| (kind.to_owned(), namespace.to_owned(), name.to_owned());
            self.names.extend(text(metadata, "name").map(full));
        }
        let Some((name, group, versions)) = KINDS.iter().find(|(name, _, _)| *name == kind) else {
            report_skipped(document, object, kind, remarks);
            return None;
        };
        if !version.starts_with(group) {
            let used = versions.join(" or ");
            let message = format!("skipped: the apiVersion of this {kind} is {version:?}; {used} is used");
            let help = format!("if this object belongs to the load balancer, write {used}");
            remarks.warning(document.of(object, "apiVersion"), message, help);
            return None;
        }
        if !versions.contains(&version) {
            let message = format!("unknown apiVersion of {kind}: {version:?}");
            let help = format!("write {}", versions.join(" or "));
            remarks.error(document.of(object, "apiVersion"), message, help);
            return None;
        }
        Some(name)
    }
}

/// Reports an object of a kind that is not used.
fn report_skipped(document: &Document, object: &Node, kind: &str, remarks: &mut Remarks) {
    let place = document.of(object, "kind");
    if AFFINITY_KINDS.contains(&kind) {
        let help = "write `sessionAffinity` into a GCPBackendPolicy of the Service";
        remarks.warning(place, format!("not carried over: the affinity of a {kind} is not read"), help);
        return;
    }
    let note = format!("skipped: objects of kind {kind} are not used");
    if !remarks.has(&note, document.file()) {
        remarks.note(place, note);
    }
}

fn refuse_duplicates<S>(all: &[Manifest<S>], remarks: &mut Remarks) {
    let full = |one: &Manifest<S>| (one.kind, one.name().to_owned(), one.namespace().to_owned());
    for (index, one) in all.iter().enumerate() {
        if let Some(first) = all.iter().take(index).find(|first| full(first) == full(one)) {
            let first = first.place().file_and_line();
            let message = format!("a second {} with this name; the first one is at {first}", one.kind);
            remarks.error(one.place(), message, "give one of the two another name, or leave it out");
        }
    }
}

/// The fields of all objects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Typed<S> {
    api_version: String,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: Metadata,
    spec: S,
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

/// Reads an object of the first kind, or a List with one object for each kind.
struct Reader<'a> {
    manifests: &'a mut Manifests,
    document: &'a Arc<Document>,
    kinds: &'a [Option<&'static str>],
}

impl Reader<'_> {
    fn object<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let (all, document) = (self.manifests, self.document);
        let Some(kind) = self.kinds.first().copied().flatten() else {
            return IgnoredAny::deserialize(deserializer).map(drop);
        };
        match kind {
            "Service" => add(&mut all.services, kind, document, deserializer),
            "BackendConfig" => add(&mut all.backend_configs, kind, document, deserializer),
            "Ingress" => add(&mut all.ingresses, kind, document, deserializer),
            "Gateway" => add(&mut all.gateways, kind, document, deserializer),
            "HTTPRoute" => add(&mut all.http_routes, kind, document, deserializer),
            "GCPBackendPolicy" => add(&mut all.backend_policies, kind, document, deserializer),
            "HealthCheckPolicy" => add(&mut all.health_policies, kind, document, deserializer),
            _ => add(&mut all.workloads, kind, document, deserializer),
        }
    }
}

fn add<'de, S: Deserialize<'de>, D: Deserializer<'de>>(
    all: &mut Vec<Manifest<S>>,
    kind: &'static str,
    document: &Arc<Document>,
    deserializer: D,
) -> Result<(), D::Error> {
    let Typed { api_version: version, metadata, spec, .. } = Typed::deserialize(deserializer)?;
    all.push(Manifest { document: Arc::clone(document), metadata, kind, version, spec });
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.object(deserializer)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self { manifests, document, kinds } = self;
        while let Some(field) = fields.next_key::<String>()? {
            if field == "items" {
                fields.next_value_seed(Items(Reader { manifests: &mut *manifests, document, kinds }))?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Reads the items of a List.
struct Items<'a>(Reader<'a>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(Reader { manifests, document, kinds }) = self;
        for kind in kinds {
            let reader = Reader { manifests: &mut *manifests, document, kinds: std::slice::from_ref(kind) };
            items.next_element_seed(reader)?;
        }
        Ok(())
    }
}
