//! `Service`: its ports and its pods.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::fields::{Port, PortRef};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that say nothing about where requests go are known, and not read")]
pub struct ServiceSpec {
    #[serde(rename = "type")]
    pub service_type: Option<Spanned<String>>,
    pub ports: Option<Vec<Spanned<ServicePort>>>,
    /// The labels of the Service's pods.
    pub selector: Option<Spanned<BTreeMap<String, String>>>,
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    pub session_affinity: Option<Spanned<String>>,
    allocate_load_balancer_node_ports: Option<IgnoredAny>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<IgnoredAny>,
    #[serde(rename = "externalIPs")]
    external_ips: Option<IgnoredAny>,
    external_name: Option<IgnoredAny>,
    external_traffic_policy: Option<IgnoredAny>,
    health_check_node_port: Option<IgnoredAny>,
    internal_traffic_policy: Option<IgnoredAny>,
    ip_families: Option<IgnoredAny>,
    ip_family_policy: Option<IgnoredAny>,
    load_balancer_class: Option<IgnoredAny>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<IgnoredAny>,
    load_balancer_source_ranges: Option<IgnoredAny>,
    publish_not_ready_addresses: Option<IgnoredAny>,
    session_affinity_config: Option<IgnoredAny>,
    traffic_distribution: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that say nothing about where requests go are known, and not read")]
pub struct ServicePort {
    pub name: Option<String>,
    pub port: Port,
    pub target_port: Option<PortRef>,
    pub protocol: Option<String>,
    pub app_protocol: Option<Spanned<String>>,
    node_port: Option<IgnoredAny>,
}

/// The protocol between the load balancer and pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AppProtocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/2 without TLS. Only `appProtocol` has this protocol.
    #[serde(skip_deserializing)]
    H2c,
}

impl AppProtocol {
    /// The protocol that an `appProtocol` names, if a GKE Gateway knows it.
    pub fn of_port(name: &str) -> Option<Self> {
        match name {
            "HTTP" | "http" | "kubernetes.io/ws" => Some(Self::Http),
            "HTTPS" => Some(Self::Https),
            "HTTP2" => Some(Self::Http2),
            "kubernetes.io/h2c" => Some(Self::H2c),
            _ => None,
        }
    }

    /// Whether connections are encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Http2)
    }
}

impl ServiceSpec {
    /// The ports that an Ingress can use: only TCP ports.
    pub fn ports(&self) -> impl Iterator<Item = &Spanned<ServicePort>> {
        let is_tcp =
            |port: &&Spanned<ServicePort>| port.value.protocol.as_deref().is_none_or(|name| name == "TCP");
        self.ports.iter().flatten().filter(is_tcp)
    }

    /// The port with this name or number.
    pub fn port(&self, wanted: &PortRef) -> Option<&Spanned<ServicePort>> {
        self.ports().find(|port| match wanted {
            PortRef::Number(number) => port.value.port.number() == *number,
            PortRef::Name(name) => port.value.name.as_ref() == Some(name),
        })
    }

    /// Whether the Service is headless, so that its DNS name resolves to its pods.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }
}

impl ServicePort {
    /// The pods' port.
    pub fn target(&self) -> PortRef {
        self.target_port.clone().unwrap_or(PortRef::Number(self.port.number()))
    }
}
