//! Services whose pods are in no manifest.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::manifests::fields::PortRef;
use super::manifests::service::ServicePort;
use super::manifests::{Manifests, Service, Workload};
use super::pods::{selects, three_ways};
use super::remarks::Remarks;
use crate::source::Place;
use crate::suggest::is_misspelt;

/// The probable reason why a Service has no pods.
enum Cause<'a> {
    /// A workload has nearly the same labels.
    Misspelt(&'a Workload, String),
    OtherNamespace(&'a Workload),
    NotGiven,
}

/// Reports a Service without pods, if Envoy finds the pods by the labels of the Service. The pods may be in the cluster
/// already, but without them the number of a named port is unknown.
pub fn report(service: &Service, port: &Spanned<ServicePort>, manifests: &Manifests, remarks: &mut Remarks) {
    let cause = cause(service, manifests);
    let help = cause.help(service);
    match (cause, port.value.target()) {
        (Cause::Misspelt(..), _) => remarks.error(place(service), message(service), help),
        (_, PortRef::Number(_)) => remarks.warning(place(service), message(service), help),
        (_, PortRef::Name(name)) => {
            let message = format!("{}, so the number of the port {name} is unknown", message(service));
            remarks.error(place(service), message, format!("{help}, or write a number as targetPort"));
        }
    }
}

/// Reports a Service without pods, if Envoy needs the addresses of the pods.
pub fn refuse(service: &Service, manifests: &Manifests, remarks: &mut Remarks) {
    let help = cause(service, manifests).help(service);
    let help = format!("{help}, or {}", three_ways(service.name(), service.name()));
    remarks.error(place(service), message(service), help);
}

fn place(service: &Service) -> Place {
    service.spec.selector.as_ref().map_or_else(|| service.place(), |selector| service.at(selector))
}

fn message(service: &Service) -> String {
    let labels = service.spec.selector.as_ref().map(|selector| shown(&selector.value)).unwrap_or_default();
    format!("no manifest has the pods of this Service: {labels}")
}

fn shown(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{{}}}", labels.join(", "))
}

fn cause<'a>(service: &Service, manifests: &'a Manifests) -> Cause<'a> {
    let workloads = manifests.workloads.iter();
    let Some(selector) = service.spec.selector.as_ref().map(|selector| &selector.value) else {
        return Cause::NotGiven;
    };
    if let Some(other) = workloads.clone().find(|workload| workload.spec.is_selected_by(selector)) {
        return Cause::OtherNamespace(other);
    }
    // A workload with a Service of its own is not meant.
    let is_free = |workload: &&Workload| {
        workload.namespace() == service.namespace()
            && !manifests.services.iter().any(|other| selects(other, workload))
    };
    let meant = |workload: &'a Workload| {
        let labels = workload.spec.labels()?;
        let nearly: Option<BTreeMap<_, _>> =
            selector.iter().map(|label| nearly_equal(label, labels)).collect();
        Some(Cause::Misspelt(workload, shown(&nearly?)))
    };
    workloads.filter(is_free).find_map(meant).unwrap_or(Cause::NotGiven)
}

/// The label that is equal to a label of a selector, or that differs by a misspelling.
fn nearly_equal(
    (key, value): (&String, &String),
    labels: &BTreeMap<String, String>,
) -> Option<(String, String)> {
    let is_equal = |(other_key, other): &(&String, &String)| (*other_key, *other) == (key, value);
    let is_near = |(other_key, other): &(&String, &String)| {
        (*other_key == key && is_misspelt(value, other)) || (*other == value && is_misspelt(key, other_key))
    };
    let found = labels.iter().find(is_equal).or_else(|| labels.iter().find(is_near));
    found.map(|(key, value)| (key.clone(), value.clone()))
}

impl Cause<'_> {
    /// What to write.
    fn help(&self, service: &Service) -> String {
        match self {
            Self::Misspelt(workload, labels) => {
                format!("write {labels}, the labels of the {} {}", workload.kind, workload.name())
            }
            Self::OtherNamespace(workload) => format!(
                "the {} {} is in namespace {}, and the Service in namespace {}: write the same namespace",
                workload.kind,
                workload.name(),
                workload.namespace(),
                service.namespace()
            ),
            Self::NotGiven => "add the Deployment".to_owned(),
        }
    }
}
