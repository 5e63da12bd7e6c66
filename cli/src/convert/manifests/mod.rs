//! Manifests, as they are written: which kinds there are, and their fields.

pub mod backend_config;
pub mod fields;
pub mod gateway;
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
use self::gateway::{BackendPolicy, GatewaySpec, HealthPolicy, HttpRouteSpec, PolicySpec};
use self::ingress::IngressSpec;
use self::service::ServiceSpec;
use self::workload::WorkloadSpec;
use super::files::{Document, Node, options};
use super::remarks::Remarks;
use crate::source::{Place, Source};

/// The kinds that are read, the groups of their APIs, and the versions.
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

/// Where a manifest that names no namespace is created.
const DEFAULT_NAMESPACE: &str = "default";

/// An object that is read.
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
    /// Kind and name of all objects, those that are skipped included.
    pub names: BTreeSet<(String, String)>,
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

    /// The namespace, where one is written.
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
        manifests
    }

    fn add(&mut self, document: &Arc<Document>, remarks: &mut Remarks) {
        let is_list = document.root.text("kind") == Some("List");
        let nodes = if is_list { document.root.items() } else { Vec::new() };
        let nodes =
            nodes.iter().map(|(item, _)| (&item.value, Place { field: String::new(), ..document.at(item) }));
        let nodes = if is_list { nodes.collect() } else { vec![(&document.root, document.start())] };
        let kinds: Vec<Option<&str>> =
            nodes.into_iter().map(|(node, place)| self.kind(document, node, place, remarks)).collect();
        let read = with_deserializer_from_str_with_options(document.text(), options(true), |deserializer| {
            match &*kinds {
                [kind] if !is_list => Ok(vec![Kind(*kind).deserialize(deserializer)?]),
                _ => List(&kinds).deserialize(deserializer),
            }
        });
        match read {
            Ok(objects) => objects.into_iter().for_each(|object| self.keep(object, document, remarks)),
            Err(error) => document.say(&error, "", remarks),
        }
    }

    /// The kind of an object that is read; none of one that is skipped.
    fn kind(
        &mut self,
        document: &Document,
        object: &Node,
        place: Place,
        remarks: &mut Remarks,
    ) -> Option<&'static str> {
        let names = KINDS.map(|(name, _, _)| name).join(", ");
        if !matches!(object, Node::Map(_)) {
            remarks.error(place, "not a manifest", format!("write an object with a kind: {names}"));
            return None;
        }
        let Some(kind) = object.text("kind") else {
            remarks.error(place, "missing field `kind`", format!("write {names}, or List"));
            return None;
        };
        let version = object.text("apiVersion").unwrap_or_default();
        if let Some((_, Spanned { value: metadata, .. })) = object.get("metadata") {
            self.names.extend(metadata.text("name").map(|name| (kind.to_owned(), name.to_owned())));
        }
        let known = KINDS.iter().find(|(name, group, _)| *name == kind && version.starts_with(group));
        let at =
            |field: &str| object.get(field).map_or_else(|| place.clone(), |(_, value)| document.at(value));
        let Some((name, _, versions)) = known else {
            let note = format!("skipped: nothing is read from objects of kind {kind}");
            if !remarks.has(&note, document.file()) {
                remarks.note(at("kind"), note);
            }
            return None;
        };
        if !versions.contains(&version) {
            let message = format!("unknown version of {kind}: {version:?}");
            remarks.error(at("apiVersion"), message, format!("write {}", versions.join(" or ")));
            return None;
        }
        Some(name)
    }

    fn keep(&mut self, object: Object, document: &Arc<Document>, remarks: &mut Remarks) {
        match object {
            Object::Workload(kind, object) => push(&mut self.workloads, kind, object, document, remarks),
            Object::Service(object) => push(&mut self.services, "Service", object, document, remarks),
            Object::Gateway(object) => push(&mut self.gateways, "Gateway", object, document, remarks),
            Object::HttpRoute(object) => push(&mut self.http_routes, "HTTPRoute", object, document, remarks),
            Object::GcpBackendPolicy(object) => {
                push(&mut self.backend_policies, "GCPBackendPolicy", object, document, remarks);
            }
            Object::HealthCheckPolicy(object) => {
                push(&mut self.health_policies, "HealthCheckPolicy", object, document, remarks);
            }
            Object::BackendConfig(object) => {
                push(&mut self.backend_configs, "BackendConfig", object, document, remarks);
            }
            Object::Ingress(object) => push(&mut self.ingresses, "Ingress", object, document, remarks),
            Object::Skipped => {}
        }
    }
}

fn push<S>(
    all: &mut Vec<Manifest<S>>,
    kind: &'static str,
    typed: Typed<S>,
    document: &Arc<Document>,
    remarks: &mut Remarks,
) {
    let document = Arc::clone(document);
    let new =
        Manifest { document, kind, version: typed.api_version, metadata: typed.metadata, spec: typed.spec };
    let is_same = |other: &&Manifest<S>| {
        (other.kind, other.name(), other.namespace()) == (kind, new.name(), new.namespace())
    };
    if let Some(first) = all.iter().find(is_same) {
        let place = first.place();
        let message = format!(
            "a second {kind} of this name; the first is at {}:{}",
            place.source.name,
            place.line_and_column().0
        );
        remarks.error(new.place(), message, "give one of the two another name, or leave it out");
    }
    all.push(new);
}

/// What all objects have.
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

#[allow(clippy::large_enum_variant, reason = "a handful of them lives for a moment")]
enum Object {
    Workload(&'static str, Typed<WorkloadSpec>),
    Service(Typed<ServiceSpec>),
    BackendConfig(Typed<BackendConfigSpec>),
    Ingress(Typed<IngressSpec>),
    Gateway(Typed<GatewaySpec>),
    HttpRoute(Typed<HttpRouteSpec>),
    GcpBackendPolicy(Typed<PolicySpec<BackendPolicy>>),
    HealthCheckPolicy(Typed<PolicySpec<HealthPolicy>>),
    Skipped,
}

/// Reads an object of this kind.
struct Kind(Option<&'static str>);

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        Ok(match self.0 {
            Some("Service") => Object::Service(Typed::deserialize(deserializer)?),
            Some("BackendConfig") => Object::BackendConfig(Typed::deserialize(deserializer)?),
            Some("Ingress") => Object::Ingress(Typed::deserialize(deserializer)?),
            Some("Gateway") => Object::Gateway(Typed::deserialize(deserializer)?),
            Some("HTTPRoute") => Object::HttpRoute(Typed::deserialize(deserializer)?),
            Some("GCPBackendPolicy") => Object::GcpBackendPolicy(Typed::deserialize(deserializer)?),
            Some("HealthCheckPolicy") => Object::HealthCheckPolicy(Typed::deserialize(deserializer)?),
            Some(kind) => Object::Workload(kind, Typed::deserialize(deserializer)?),
            None => {
                IgnoredAny::deserialize(deserializer)?;
                Object::Skipped
            }
        })
    }
}

/// Reads a List whose items are of these kinds, then its items.
#[derive(Clone, Copy)]
struct List<'a>(&'a [Option<&'static str>]);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<Object>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Object>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while let Some(field) = fields.next_key::<String>()? {
            if field == "items" {
                objects = fields.next_value_seed(self)?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(objects)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        for kind in self.0 {
            objects.extend(items.next_element_seed(Kind(*kind))?);
        }
        Ok(objects)
    }
}
