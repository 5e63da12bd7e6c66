//! `Deployment` and StatefulSet: which pods there are.

use std::collections::BTreeMap;

use super::health::Probe;
use super::metadata::texts;
use super::{Metadata, PortRef};
use crate::reader::{Item, Located, Object};
use crate::report::{Place, Report};

/// What makes pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name and namespace.
    pub metadata: Metadata,
    /// `Deployment` or StatefulSet.
    pub kind: String,
    /// How many pods there are.
    pub replicas: Located<u32>,
    /// The number of the first pod.
    pub first_ordinal: u32,
    /// The Service that a StatefulSet's pods have their DNS names from.
    pub service_name: Option<String>,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// What runs in its pods.
    pub containers: Vec<Container>,
}

/// A container of a pod: only what an Ingress asks of it.
#[derive(Clone, Debug)]
pub struct Container {
    /// The ports it says it has.
    pub ports: Vec<ContainerPort>,
    /// When it says that it is ready.
    pub readiness: Option<Probe>,
}

/// A port of a container.
#[derive(Clone, Debug)]
pub struct ContainerPort {
    /// Its name.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
}

impl Workload {
    pub(super) fn read(
        metadata: Metadata,
        kind: &str,
        spec: &Object<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        spec.ignore(&["selector", "minReadySeconds", "revisionHistoryLimit"]);
        let (mut first_ordinal, mut service_name) = (0, None);
        if kind == "StatefulSet" {
            spec.ignore(&["podManagementPolicy", "updateStrategy", "volumeClaimTemplates"]);
            spec.ignore(&["persistentVolumeClaimRetentionPolicy"]);
            service_name = spec.get("serviceName").and_then(|item| item.located(report));
            first_ordinal = spec.get("ordinals").map_or(Some(0), |item| first(&item, report))?;
        } else {
            spec.ignore(&["strategy", "paused", "progressDeadlineSeconds"]);
        }
        let replicas = match spec.get("replicas") {
            Some(item) => Located { value: item.integer(report, 0..=10_000)?, place: item.place() },
            // As in Kubernetes.
            None => Located { value: 1, place: metadata.place.clone() },
        };
        let template = spec.require(report, "template", "a pod's template")?.object(report)?;
        template.ignore(&["metadata", "spec"]);
        template.refuse_others(report);
        let labels = template
            .get("metadata")
            .and_then(|item| item.object(report)?.get("labels"))
            .map_or_else(BTreeMap::new, |item| texts(&item, report));
        let pod = template.require(report, "spec", "a pod's specification")?.object(report)?;
        let containers = pod.require(report, "containers", "a list of containers")?.list(report);
        Some(Self {
            metadata,
            kind: kind.to_owned(),
            replicas,
            first_ordinal,
            service_name: service_name.map(|name| name.value),
            labels: labels.into_iter().map(|(key, text)| (key, text.value)).collect(),
            containers: containers.iter().filter_map(|item| container(item, report)).collect(),
        })
    }

    /// Whether a Service with this selector sends requests to its pods.
    #[must_use]
    pub fn is_selected_by(&self, selector: &BTreeMap<String, String>) -> bool {
        !selector.is_empty() && selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }

    /// The number of a port of its pods; a name may be one that none of them has.
    #[must_use]
    pub fn port(&self, port: &PortRef) -> Option<u16> {
        match port {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(name) => self
                .ports()
                .find(|declared| declared.name.as_ref() == Some(name))
                .map(|declared| declared.number),
        }
    }

    /// The ports its pods say they have.
    pub fn ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.containers.iter().flat_map(|container| &container.ports)
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.metadata.place
    }
}

fn first(ordinals: &Item<'_>, report: &mut Report) -> Option<u32> {
    let ordinals = ordinals.object(report)?;
    let start = ordinals.get("start");
    ordinals.refuse_others(report);
    start.map_or(Some(0), |item| item.integer(report, 0..=1_000_000))
}

/// Most of a container's fields are its own affair: what is unknown here is not unknown to Kubernetes.
fn container(item: &Item<'_>, report: &mut Report) -> Option<Container> {
    let container = item.object(report)?;
    let ports = container.get("ports").map_or_else(Vec::new, |item| item.list(report));
    let ports = ports.iter().filter_map(|item| container_port(item, report)).collect();
    let readiness = container.get("readinessProbe").and_then(|item| Probe::read(&item, report));
    Some(Container { ports, readiness })
}

fn container_port(item: &Item<'_>, report: &mut Report) -> Option<ContainerPort> {
    let port = item.object(report)?;
    port.ignore(&["protocol", "hostPort", "hostIP"]);
    let name = port.get("name").and_then(|item| item.located(report)).map(|name| name.value);
    let number = port.require(report, "containerPort", "an integer from 1 to 65535");
    port.refuse_others(report);
    Some(ContainerPort { name, number: number?.integer(report, 1..=u16::MAX)? })
}
