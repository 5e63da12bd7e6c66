//! `Service`: ports, the pods behind them, and the annotations about them.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value as Json;

use super::metadata::texts;
use super::{Metadata, PortRef, port_ref};
use crate::reader::{Item, Located, Object};
use crate::report::{Place, Report};

const BACKEND_CONFIG: [&str; 2] = ["cloud.google.com/backend-config", "beta.cloud.google.com/backend-config"];
const APP_PROTOCOLS: [&str; 2] =
    ["service.alpha.kubernetes.io/app-protocols", "cloud.google.com/app-protocols"];
const NEG: &str = "cloud.google.com/neg";

/// Settings of a Service's traffic that Envoy has no equal for.
const NO_EQUAL: [(&str, &str); 3] = [
    (
        "networking.gke.io/transparent-health-checker",
        "the health checker runs on GKE's nodes; pods are probed directly",
    ),
    ("networking.gke.io/max-rate-per-endpoint", "backends are picked by weight, not by rate"),
    ("networking.gke.io/capacity-scaler", "backends are picked by weight, not by rate"),
];

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name and namespace.
    pub metadata: Metadata,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// The labels of the pods behind it; empty where it has no selector.
    pub selector: BTreeMap<String, String>,
    /// Where they stand, or should.
    pub selector_place: Place,
    /// The annotation about BackendConfigs.
    pub backend_configs: Option<BackendConfigNames>,
    /// The annotation about protocols, by the names of ports.
    pub protocols: BTreeMap<String, AppProtocol>,
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// Its name.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
    /// The pods' port.
    pub target: PortRef,
    /// Where it stands.
    pub place: Place,
}

/// `{"default": "…", "ports": {"…": "…"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendConfigNames {
    default: Option<String>,
    ports: BTreeMap<String, String>,
    /// Where it stands.
    pub place: Place,
}

/// How a balancer speaks to pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 over TLS.
    Http2,
}

impl AppProtocol {
    /// How they are written.
    pub const ALLOWED: &str = "HTTP, HTTPS, HTTP2";

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Http2 => "HTTP2",
        }
    }
}

impl FromStr for AppProtocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Http, Self::Https, Self::Http2].into_iter().find(|protocol| protocol.name() == text).ok_or(())
    }
}

impl Service {
    pub(super) fn read(metadata: Metadata, spec: &Object<'_>, report: &mut Report) -> Option<Self> {
        spec.ignore(&["clusterIP", "clusterIPs", "externalIPs", "externalName", "loadBalancerIP"]);
        spec.ignore(&["loadBalancerSourceRanges", "loadBalancerClass", "externalTrafficPolicy"]);
        spec.ignore(&["internalTrafficPolicy", "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy"]);
        spec.ignore(&["publishNotReadyAddresses", "allocateLoadBalancerNodePorts", "trafficDistribution"]);
        spec.ignore(&["sessionAffinity", "sessionAffinityConfig"]);
        if metadata.name.len() > 63 || metadata.name.contains('.') {
            let allowed = "lower-case letters, digits and `-`, at most 63";
            report.mistake(
                &metadata.place,
                "not a Service's name",
                allowed,
                format_args!("{:?}", metadata.name),
            );
        }
        let kind = spec.get("type").map_or(Some("ClusterIP"), |item| service_type(&item, report));
        if kind == Some("ClusterIP")
            && let Some(neg) = metadata.annotation(NEG)
            && json(neg, "an object", report)?.get("ingress") == Some(&Json::Bool(false))
        {
            let wrong =
                "a GKE Ingress cannot reach a Service of type ClusterIP without network endpoint groups";
            report.mistake(&neg.place, wrong, "{\"ingress\": true}, or another type", &neg.value);
        }
        if let Some(item) = spec.get("sessionAffinity").filter(|item| item.text(report) == Some("ClientIP")) {
            let why = "a GKE Ingress does not heed it; write `sessionAffinity` into a BackendConfig";
            report.note(&item.place(), why);
        }
        for (name, why) in NO_EQUAL {
            if let Some(annotation) = metadata.annotation(name) {
                report.not_carried_over(&annotation.place, why);
            }
        }
        let ports = spec.require(report, "ports", "a list of ports")?.list(report);
        let selector = spec.get("selector");
        let selector_place = selector.as_ref().map_or_else(|| spec.place(), Item::place);
        let selector = selector.map_or_else(BTreeMap::new, |item| texts(&item, report));
        let [backend_configs, protocols] = [BACKEND_CONFIG, APP_PROTOCOLS]
            .map(|names| names.iter().find_map(|name| metadata.annotation(name)));
        Some(Self {
            ports: ports.iter().filter_map(|item| service_port(item, report)).collect(),
            selector: selector.into_iter().map(|(key, text)| (key, text.value)).collect(),
            selector_place,
            backend_configs: backend_configs.and_then(|text| config_names(text, report)),
            protocols: protocols.map_or_else(BTreeMap::new, |text| app_protocols(text, report)),
            metadata,
        })
    }

    /// The port of this name or number.
    #[must_use]
    pub fn port(&self, port: &PortRef) -> Option<&ServicePort> {
        self.ports.iter().find(|candidate| match port {
            PortRef::Number(number) => candidate.number == *number,
            PortRef::Name(name) => candidate.name.as_ref() == Some(name),
        })
    }
}

impl BackendConfigNames {
    /// The BackendConfig of a port: by the port's name, else by its number, else the default.
    #[must_use]
    pub fn of(&self, port: &ServicePort) -> Option<&str> {
        let by_name = port.name.as_ref().and_then(|name| self.ports.get(name));
        let by_number = || self.ports.get(&port.number.to_string());
        by_name.or_else(by_number).or(self.default.as_ref()).map(String::as_str)
    }
}

fn service_type<'a>(item: &Item<'a>, report: &mut Report) -> Option<&'a str> {
    const ALLOWED: [&str; 3] = ["ClusterIP", "NodePort", "LoadBalancer"];
    let kind = item.text(report)?;
    if !ALLOWED.contains(&kind) {
        item.wrong(report, "a GKE Ingress cannot send requests there", &ALLOWED.join(", "));
        return None;
    }
    Some(kind)
}

fn service_port(item: &Item<'_>, report: &mut Report) -> Option<ServicePort> {
    let port = item.object(report)?;
    port.ignore(&["nodePort", "appProtocol"]);
    let name = port.get("name").and_then(|item| item.located(report)).map(|name| name.value);
    let target = port.get("targetPort").and_then(|item| port_ref(&item, report));
    // A port of another protocol may stand beside one that an Ingress uses.
    let is_tcp = port.get("protocol").is_none_or(|item| item.text(report) == Some("TCP"));
    let number = port.require(report, "port", "an integer from 1 to 65535");
    port.refuse_others(report);
    let number = number?.integer(report, 1..=u16::MAX)?;
    let target = target.unwrap_or(PortRef::Number(number));
    is_tcp.then(|| ServicePort { name, number, target, place: item.place() })
}

fn json(text: &Located<String>, allowed: &str, report: &mut Report) -> Option<serde_json::Map<String, Json>> {
    match serde_json::from_str(&text.value) {
        Ok(Json::Object(object)) => return Some(object),
        Ok(_) => report.mistake(&text.place, "wrong type", allowed, &text.value),
        Err(error) => report.mistake(&text.place, &format!("not JSON ({error})"), allowed, &text.value),
    }
    None
}

fn config_names(text: &Located<String>, report: &mut Report) -> Option<BackendConfigNames> {
    let allowed = r#"{"default": "NAME", "ports": {"PORT": "NAME"}}, at least one name"#;
    let mut wrong = |what: &str| {
        report.mistake(&text.place, what, allowed, &text.value);
        None
    };
    let mut names = BackendConfigNames { default: None, ports: BTreeMap::new(), place: text.place.clone() };
    let object: serde_json::Map<String, Json> = match serde_json::from_str(&text.value) {
        Ok(object) => object,
        Err(error) => return wrong(&format!("not a JSON object ({error})")),
    };
    for (key, value) in object {
        match (&*key, value) {
            ("default", Json::String(name)) => names.default = Some(name),
            ("ports", Json::Object(ports)) => {
                for (port, name) in ports {
                    let Json::String(name) = name else {
                        return wrong("the name of a BackendConfig is no string");
                    };
                    names.ports.insert(port, name);
                }
            }
            _ => return wrong(&format!("unknown field, or wrong type: {key}")),
        }
    }
    if names.default.is_none() && names.ports.is_empty() {
        return wrong("no BackendConfig");
    }
    Some(names)
}

fn app_protocols(text: &Located<String>, report: &mut Report) -> BTreeMap<String, AppProtocol> {
    let allowed = format!(r#"{{"PORT NAME": PROTOCOL}} with {}"#, AppProtocol::ALLOWED);
    let mut protocols = BTreeMap::new();
    for (port, protocol) in json(text, &allowed, report).unwrap_or_default() {
        match protocol.as_str().and_then(|name| name.parse().ok()) {
            Some(protocol) => _ = protocols.insert(port, protocol),
            None => report.mistake(&text.place, "unknown protocol", &allowed, &text.value),
        }
    }
    protocols
}
