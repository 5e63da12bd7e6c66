//! `Ingress`: which requests go to which Service.

use super::metadata::is_subdomain;
use super::{Metadata, PortRef, port_ref};
use crate::reader::{Item, Located, Object};
use crate::report::{Place, Remark, Report};

const CLASS: &str = "kubernetes.io/ingress.class";
const CLASSES: [&str; 4] = ["", "gce", "gce-internal", "gce-regional-external"];

const TLS: &str = "the listener written speaks plain HTTP: give it a certificate (`transport_socket`), \
                   or end TLS before Envoy";
const ADDRESS: &str = "Envoy's address is that of its own machine or Service";

/// Annotations of a GKE Ingress that Envoy has no equal for.
const NO_EQUAL: [(&str, &str); 7] = [
    ("kubernetes.io/ingress.global-static-ip-name", ADDRESS),
    ("kubernetes.io/ingress.regional-static-ip-name", ADDRESS),
    ("ingress.gcp.kubernetes.io/pre-shared-cert", TLS),
    ("networking.gke.io/managed-certificates", TLS),
    ("networking.gke.io/pre-shared-certs", TLS),
    ("networking.gke.io/v1beta1.FrontendConfig", "its redirects and TLS policies belong to Envoy's listener"),
    ("networking.gke.io/internal-load-balancer-allow-global-access", ADDRESS),
];

/// An Ingress.
#[derive(Debug)]
pub struct Ingress {
    /// Its name and namespace.
    pub metadata: Metadata,
    /// Where requests go that no rule is for.
    pub default: Option<Backend>,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// What has no equal, to be said where this Ingress is used.
    pub remarks: Vec<Remark>,
}

/// A rule: a host's paths.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The host; None for every host that no other rule names.
    pub host: Option<String>,
    /// Its paths.
    pub paths: Vec<PathRule>,
    /// Where it stands.
    pub place: Place,
}

/// A path and where it leads.
#[derive(Clone, Debug)]
pub struct PathRule {
    /// The path, empty for all.
    pub path: Located<String>,
    /// How it is to be read.
    pub path_type: PathType,
    /// Where it leads.
    pub backend: Backend,
}

/// `pathType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathType {
    /// This path alone.
    Exact,
    /// This path and all below it.
    Prefix,
    /// As GKE reads it: this path alone, unless it ends in `/*`.
    ImplementationSpecific,
}

/// A Service's port.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The Service's name.
    pub service: String,
    /// Its port.
    pub port: PortRef,
    /// Where the name stands.
    pub place: Place,
    /// Where the port stands.
    pub port_place: Place,
}

impl Ingress {
    pub(super) fn read(metadata: Metadata, version: &str, spec: &Object<'_>, report: &mut Report) -> Self {
        let is_v1 = version == "networking.k8s.io/v1";
        let mut kept = Report::default();
        check_class(&metadata, spec, report);
        for (name, why) in NO_EQUAL {
            if let Some(annotation) =
                metadata.annotation(name).filter(|annotation| !annotation.value.is_empty())
            {
                kept.not_carried_over(&annotation.place, why);
            }
        }
        let allow_http = metadata.annotation("kubernetes.io/ingress.allow-http");
        if let Some(annotation) = allow_http.filter(|annotation| annotation.value == "false") {
            kept.not_carried_over(&annotation.place, TLS);
        }
        for item in spec.get("tls").map_or_else(Vec::new, |item| item.list(report)) {
            kept.not_carried_over(&item.place(), TLS);
        }
        let default = spec.get(if is_v1 { "defaultBackend" } else { "backend" });
        let rules = spec.get("rules").map_or_else(Vec::new, |item| item.list(report));
        if default.is_none() && rules.is_empty() {
            report.error(&spec.place(), "neither a default backend nor rules; allowed: one of them or both");
        }
        Self {
            default: default.and_then(|item| backend(&item, is_v1, report)),
            rules: rules.iter().filter_map(|item| rule(item, is_v1, report)).collect(),
            remarks: kept.remarks().to_vec(),
            metadata,
        }
    }
}

/// GKE leaves other Ingresses alone, and so would not send a request by this one's rules.
fn check_class(metadata: &Metadata, spec: &Object<'_>, report: &mut Report) {
    let annotation = metadata.annotation(CLASS);
    if let Some(class) = annotation.filter(|class| !CLASSES.contains(&&*class.value)) {
        let allowed = "gce, gce-internal, gce-regional-external, or no such annotation";
        report.mistake(&class.place, "not an Ingress of GKE", allowed, format_args!("{:?}", class.value));
    }
    if let Some(item) = spec.get("ingressClassName").filter(|_| annotation.is_none()) {
        item.wrong(
            report,
            "not an Ingress of GKE, which has no such class",
            "the annotation kubernetes.io/ingress.class",
        );
    }
}

fn rule(item: &Item<'_>, is_v1: bool, report: &mut Report) -> Option<Rule> {
    let rule = item.object(report)?;
    let host = rule.get("host").and_then(|item| host(&item, report));
    let http = rule.get("http");
    rule.refuse_others(report);
    let Some(http) = http else {
        let text = "a rule without paths: as in GKE it counts for nothing, and its host is like any other";
        report.note(&item.place(), text);
        return None;
    };
    let http = http.object(report)?;
    let paths = http.require(report, "paths", "a list of paths");
    http.refuse_others(report);
    let paths = paths?.list(report);
    let paths = paths.iter().filter_map(|item| path_rule(item, is_v1, report)).collect();
    Some(Rule { host, paths, place: item.place() })
}

fn host(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let host = item.text(report)?;
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if host.is_empty() {
        return None;
    }
    if is_address || !is_subdomain(host.strip_prefix("*.").unwrap_or(host)) {
        item.wrong(report, "not a host", "a lower-case DNS name, without a port, or one after `*.`");
    }
    Some(host.to_owned())
}

fn path_rule(item: &Item<'_>, is_v1: bool, report: &mut Report) -> Option<PathRule> {
    const ALLOWED: &str = "Exact, Prefix, ImplementationSpecific";
    let rule = item.object(report)?;
    let path = rule.get("path").map_or_else(
        || Some(Located { value: String::new(), place: item.place() }),
        |item| item.located(report),
    );
    let path_type = match if is_v1 { rule.require(report, "pathType", ALLOWED) } else { rule.get("pathType") }
    {
        Some(item) => match item.text(report) {
            Some("Exact") => Some(PathType::Exact),
            Some("Prefix") => Some(PathType::Prefix),
            Some("ImplementationSpecific") => Some(PathType::ImplementationSpecific),
            Some(_) => {
                item.wrong(report, "unknown value", ALLOWED);
                None
            }
            None => None,
        },
        None => (!is_v1).then_some(PathType::ImplementationSpecific),
    };
    let backend_item = rule.require(report, "backend", "a Service and its port");
    rule.refuse_others(report);
    let backend = backend(&backend_item?, is_v1, report);
    let rule = PathRule { path: path?, path_type: path_type?, backend: backend? };
    check_path(&rule, report).then_some(rule)
}

/// What Kubernetes and GKE say about a path of this type.
fn check_path(rule: &PathRule, report: &mut Report) -> bool {
    let path = &*rule.path.value;
    let exact =
        |path: &str| path.starts_with('/') && !path.contains(['*', '?', '#']) && path.bytes().all(is_visible);
    let (is_right, allowed) = match rule.path_type {
        PathType::Exact | PathType::Prefix => {
            let has_odd_parts = path.split('/').any(|part| part == "." || part == "..")
                || path.contains("//")
                || path.to_ascii_lowercase().contains("%2f");
            let allowed =
                "`/` and what follows it, visible ASCII without `*`, `?`, `#`, `//`, `/./`, `/../`, `%2f`";
            (exact(path) && !has_odd_parts, allowed)
        }
        PathType::ImplementationSpecific => {
            let is_right = path.is_empty()
                || exact(path.strip_suffix('*').filter(|path| path.ends_with('/')).unwrap_or(path));
            (
                is_right,
                "nothing, or `/` and what follows it, visible ASCII without `?` and `#`; `*` only after a `/` at its end",
            )
        }
    };
    if !is_right {
        report.mistake(&rule.path.place, "not a path of this type", allowed, format_args!("{path:?}"));
    }
    is_right
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

fn backend(item: &Item<'_>, is_v1: bool, report: &mut Report) -> Option<Backend> {
    let backend = item.object(report)?;
    if let Some(resource) = backend.get("resource") {
        report.error(&resource.place(), "a GKE Ingress sends requests to Services alone; allowed: a Service");
        return None;
    }
    let (name, port) = if is_v1 {
        let service = backend.require(report, "service", "a Service's name and port")?.object(report)?;
        let name = service.require(report, "name", "a Service's name");
        let port = service.require(report, "port", "{name} or {number}");
        service.refuse_others(report);
        (name, port.map(|item| (item.place(), v1_port(&item, report))))
    } else {
        let name = backend.require(report, "serviceName", "a Service's name");
        let port = backend.require(report, "servicePort", "a port's number or name");
        (name, port.map(|item| (item.place(), port_ref(&item, report))))
    };
    backend.refuse_others(report);
    let name = name?.located(report)?;
    let (port_place, port) = port?;
    Some(Backend { service: name.value, port: port?, place: name.place, port_place })
}

fn v1_port(item: &Item<'_>, report: &mut Report) -> Option<PortRef> {
    let port = item.object(report)?;
    let (name, number) = (port.get("name"), port.get("number"));
    port.refuse_others(report);
    match (name, number) {
        (Some(name), None) => Some(PortRef::Name(name.text(report)?.to_owned())),
        (None, Some(number)) => Some(PortRef::Number(number.integer(report, 1..=u16::MAX)?)),
        _ => {
            report.error(&item.place(), "a port has either a name or a number; allowed: {name} or {number}");
            None
        }
    }
}
