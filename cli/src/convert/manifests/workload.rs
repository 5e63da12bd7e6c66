//! `Deployment` and `StatefulSet`: their pods.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::fields::{Int, Port, PortRef};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that say nothing about where requests go are known, and not read")]
pub struct WorkloadSpec {
    pub replicas: Option<Spanned<Int<0, 10_000>>>,
    pub template: Template,
    /// For a StatefulSet: the number of the first pod, and the Service for the DNS names of the pods.
    pub ordinals: Option<Ordinals>,
    pub service_name: Option<String>,
    min_ready_seconds: Option<IgnoredAny>,
    paused: Option<IgnoredAny>,
    persistent_volume_claim_retention_policy: Option<IgnoredAny>,
    pod_management_policy: Option<IgnoredAny>,
    progress_deadline_seconds: Option<IgnoredAny>,
    revision_history_limit: Option<IgnoredAny>,
    selector: Option<IgnoredAny>,
    strategy: Option<IgnoredAny>,
    update_strategy: Option<IgnoredAny>,
    volume_claim_templates: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordinals {
    pub start: Option<Int<0, 1_000_000>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    pub metadata: Option<TemplateMetadata>,
    pub spec: Pod,
}

/// Most fields of a pod do not matter here, so unknown fields are ignored.
#[derive(Debug, Deserialize)]
pub struct TemplateMetadata {
    pub labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
pub struct Pod {
    pub containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    pub ports: Option<Vec<ContainerPort>>,
    pub readiness_probe: Option<Spanned<Probe>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that say nothing about where requests go are known, and not read")]
pub struct ContainerPort {
    pub name: Option<String>,
    #[serde(rename = "containerPort")]
    pub number: Port,
    #[serde(rename = "hostIP")]
    host_ip: Option<IgnoredAny>,
    host_port: Option<IgnoredAny>,
    protocol: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub http_get: Option<HttpGet>,
    pub period_seconds: Option<Int<1, 4_294_967_295>>,
    pub timeout_seconds: Option<Int<1, 4_294_967_295>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpGet {
    pub path: Option<Spanned<String>>,
    pub port: PortRef,
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub http_headers: Option<Vec<ProbeHeader>>,
}

#[derive(Debug, Deserialize)]
pub struct ProbeHeader {
    pub name: String,
    pub value: String,
}

impl WorkloadSpec {
    /// Whether a Service with this selector sends requests to its pods.
    pub fn is_selected_by(&self, selector: &BTreeMap<String, String>) -> bool {
        let labels = self.labels();
        let has = |key: &String, value: &String| labels.is_some_and(|labels| labels.get(key) == Some(value));
        !selector.is_empty() && selector.iter().all(|(key, value)| has(key, value))
    }

    /// The labels of its pods.
    pub fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.template.metadata.as_ref()?.labels.as_ref()
    }

    /// The ports that its containers declare.
    pub fn ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.template.spec.containers.iter().flat_map(|container| container.ports.iter().flatten())
    }

    /// The number of a port of the pods. `None` if no container declares a port with this name.
    pub fn port(&self, port: &PortRef) -> Option<u16> {
        match port {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(_) => self.ports().find(|own| own.is(port)).map(|own| own.number.number()),
        }
    }

    /// The number of pods. The default is 1, as in Kubernetes.
    pub fn replicas(&self) -> u32 {
        self.replicas.as_ref().map_or(1, |replicas| replicas.value.0)
    }

    /// The number of the first pod.
    pub fn first_ordinal(&self) -> u32 {
        self.ordinals.as_ref().and_then(|ordinals| ordinals.start).map_or(0, |start| start.0)
    }
}

impl ContainerPort {
    /// Whether the port has this number or name.
    pub fn is(&self, port: &PortRef) -> bool {
        match port {
            PortRef::Number(number) => self.number.number() == *number,
            PortRef::Name(name) => self.name.as_ref() == Some(name),
        }
    }
}
