//! The Services that requests are sent to, and how they are sent there.

use serde_saphyr::Spanned;

use super::annotations;
use super::headers::{self, HeaderOption};
use super::health::Health;
use super::manifests::backend_config::{AffinityType, BackendConfigSpec};
use super::manifests::fields::PortRef;
use super::manifests::service::{AppProtocol, ServicePort};
use super::manifests::{BackendConfig, Manifests, Service};
use super::pods::{Pods, Target, is_first};
use super::remarks::Remarks;
use crate::source::Place;

/// The cookie of the first service that makes one.
pub const COOKIE: &str = "GCLB";
/// GKE's own limit for `affinityCookieTtlSec`.
const DAY: u32 = 86_400;
const SERVICE_TYPES: [&str; 3] = ["ClusterIP", "NodePort", "LoadBalancer"];

/// Annotations of a Service that Envoy has no equal for.
const NOT_SUPPORTED: [(&str, &str); 3] = [
    (
        "networking.gke.io/transparent-health-checker",
        "the health checker runs on GKE's nodes; pods are probed directly",
    ),
    ("networking.gke.io/max-rate-per-endpoint", "backends are picked by weight, not by rate"),
    ("networking.gke.io/capacity-scaler", "backends are picked by weight, not by rate"),
];

/// A Service's port, and how requests are sent there.
#[derive(Debug)]
pub struct Backend<'a> {
    /// The filter's name for it, and that of its routes.
    pub name: String,
    pub service: &'a Service,
    pub port: &'a Spanned<ServicePort>,
    pub target: Target,
    pub policy: Policy,
    /// The cookie's name, where it makes one.
    pub cookie: Option<String>,
    pub protocol: AppProtocol,
    pub health: Health,
    config: Option<&'a BackendConfig>,
}

/// What is written about how requests are sent to a Service.
#[derive(Debug, Default)]
pub struct Policy {
    pub affinity_type: AffinityType,
    pub cookie_ttl_sec: Option<u32>,
    /// How long a response may take, where it is written. (GKE's own 30 s would end streams that nobody wants ended.)
    pub timeout_sec: Option<u32>,
    pub request_headers: Vec<HeaderOption>,
    pub response_headers: Vec<HeaderOption>,
    /// The share of requests that is logged, where logging is on.
    pub sample_rate: Option<f64>,
}

/// Where a manifest sends requests.
#[derive(Clone, Debug)]
pub struct Reference {
    pub service: String,
    pub port: PortRef,
    pub place: Place,
    pub port_place: Place,
}

/// All Services that requests are sent to, each port once.
#[derive(Debug)]
pub struct Backends<'a> {
    pub all: Vec<Backend<'a>>,
    manifests: &'a Manifests,
    pods: Pods<'a>,
    namespace: &'a str,
}

impl<'a> Backends<'a> {
    /// None yet.
    pub fn new(manifests: &'a Manifests, pods: Pods<'a>, namespace: &'a str) -> Self {
        Self { all: Vec::new(), manifests, pods, namespace }
    }

    /// Adds what a manifest refers to, and returns its name.
    pub fn add(&mut self, reference: &Reference, remarks: &mut Remarks) -> Option<String> {
        let (service, port) = self.find(reference, remarks)?;
        if let Some(known) = self.all.iter().find(|backend| std::ptr::eq(backend.port, port)) {
            return Some(known.name.clone());
        }
        let new = self.backend(service, port, remarks);
        let name = new.name.clone();
        if self.all.iter().any(|other| other.name == name) {
            let message = format!("a second service would be called {name}");
            remarks.error(service.at(port), message, "give the Service another name");
        }
        self.all.push(new);
        Some(name)
    }

    /// Says of manifests that nothing leads to them: they may have been forgotten in another one.
    pub fn finish(&self, remarks: &mut Remarks) {
        self.pods.refuse_unknown(remarks);
        let used = || self.all.iter().map(|backend| backend.service);
        for service in &self.manifests.services {
            let is_pods_name = || {
                self.all
                    .iter()
                    .any(|one| matches!(&one.target, Target::Dns(name, _) if name == service.name()))
            };
            if !used().any(|used| std::ptr::eq(used, service)) && !is_pods_name() {
                remarks.note(service.place(), "not used: no request is sent to this Service");
            }
        }
        for workload in &self.manifests.workloads {
            let is_used =
                |service| self.pods.selected(service).iter().any(|used| std::ptr::eq(*used, workload));
            if !used().any(is_used) {
                let text = format!(
                    "not used: no Service that requests are sent to has the pods of this {}",
                    workload.kind
                );
                remarks.note(workload.place(), text);
            }
        }
        for config in &self.manifests.backend_configs {
            if !self.all.iter().any(|backend| backend.config.is_some_and(|used| std::ptr::eq(used, config))) {
                remarks.note(
                    config.place(),
                    "not used: no Service that requests are sent to names this BackendConfig",
                );
            }
        }
    }

    fn find(
        &self,
        reference: &Reference,
        remarks: &mut Remarks,
    ) -> Option<(&'a Service, &'a Spanned<ServicePort>)> {
        let mut here = self.manifests.services.iter().filter(|service| service.namespace() == self.namespace);
        let Some(service) = here.clone().find(|service| service.name() == reference.service) else {
            let names = here.by_ref().map(Service::name).collect::<Vec<_>>().join(", ");
            let message = format!("no Service {:?} in namespace {}", reference.service, self.namespace);
            remarks.error(
                reference.place.clone(),
                message,
                one_of(&names, "add the Service to the manifests"),
            );
            return None;
        };
        let port = service.spec.port(&reference.port);
        if port.is_none() {
            let numbers = service.spec.ports().map(|port| port.value.port.number().to_string());
            let names = service.spec.ports().filter_map(|port| port.value.name.clone());
            let known = numbers.chain(names).collect::<Vec<_>>().join(", ");
            let message = format!("Service {} has no port {}", reference.service, reference.port);
            remarks.error(
                reference.port_place.clone(),
                message,
                one_of(&known, "add the port to the Service"),
            );
        }
        Some((service, port?))
    }

    fn backend(
        &self,
        service: &'a Service,
        port: &'a Spanned<ServicePort>,
        remarks: &mut Remarks,
    ) -> Backend<'a> {
        check(service, remarks);
        let name = name(service, &port.value);
        let config = self.config(service, &port.value, remarks);
        let policy = config.map_or_else(Policy::default, |config| policy(config, remarks));
        let protocol = annotations::protocol(service, &port.value, remarks);
        let target = port.value.target();
        let workloads = self.pods.selected(service);
        let mut health = Health::of_pods(&workloads, &target, protocol, remarks);
        if let Some((config, check)) =
            config.and_then(|config| Some((config, config.spec.health_check.as_ref()?)))
        {
            let number = workloads.iter().find_map(|workload| workload.spec.port(&target));
            health = health.with(config, check, number, protocol, remarks);
        }
        let cookie = (policy.affinity_type == AffinityType::GeneratedCookie)
            .then(|| self.cookie(&name, service.at(port), remarks));
        let target = self.pods.target(&name, service, port, remarks);
        Backend { name, service, port, target, policy, cookie, protocol, health, config }
    }

    fn config(
        &self,
        service: &Service,
        port: &ServicePort,
        remarks: &mut Remarks,
    ) -> Option<&'a BackendConfig> {
        let (name, annotation) = annotations::backend_config(service, port, remarks)?;
        let all = self.manifests.backend_configs.iter();
        let mut here = all.filter(|config| config.namespace() == service.namespace());
        let found = here.clone().find(|config| config.name() == name);
        if let (None, Some(text)) = (found, service.annotation(annotation)) {
            let names = here.by_ref().map(BackendConfig::name).collect::<Vec<_>>().join(", ");
            let message = format!("no BackendConfig {name:?} in namespace {}", service.namespace());
            remarks.error(
                service.at(text),
                message,
                one_of(&names, "add the BackendConfig to the manifests"),
            );
        }
        found
    }

    /// In one browser, two cookies of one name would overwrite each other.
    fn cookie(&self, name: &str, place: Place, remarks: &mut Remarks) -> String {
        let Some(owner) = self.all.iter().find(|backend| backend.cookie.is_some()) else {
            return COOKIE.to_owned();
        };
        let cookie = format!("{COOKIE}-{name}");
        let owner = &owner.name;
        remarks.note(
            place,
            format!(
                "its cookie is {cookie}: {COOKIE} is that of {owner}, and services have cookies of their own"
            ),
        );
        cookie
    }
}

impl Backend<'_> {
    /// Whether Envoy picks the pod, and the filter keeps sessions on it.
    pub fn pins_endpoints(&self) -> bool {
        !matches!(self.target, Target::Pods(_)) && self.cookie.is_some()
    }
}

/// The Service's name; with the number of the port where it is not the Service's first. It does not depend on what
/// else requests are sent to: sessions are bound to it.
fn name(service: &Service, port: &ServicePort) -> String {
    if is_first(service, port) {
        return service.name().to_owned();
    }
    // The filter takes names of at most 64 bytes, Kubernetes Services of at most 63, in ASCII.
    let suffix = format!("_{}", port.port.number());
    service.name().chars().take(64 - suffix.len()).chain(suffix.chars()).collect()
}

/// What a GKE balancer says about a Service.
fn check(service: &Service, remarks: &mut Remarks) {
    if service.name().len() > 63 || service.name().contains('.') {
        let message = format!("not the name of a Service: {:?}", service.name());
        remarks.error(service.place(), message, "write lower-case letters, digits and `-`, at most 63");
    }
    let written = service.spec.service_type.as_ref();
    let kind = written.map_or("ClusterIP", |kind| &kind.value);
    if let Some(written) = written.filter(|_| !SERVICE_TYPES.contains(&kind)) {
        let message = format!("a GKE balancer cannot send requests to a Service of type {kind}");
        remarks.error(service.at(written), message, format!("write {}", SERVICE_TYPES.join(", ")));
    }
    let neg = service.annotation("cloud.google.com/neg");
    if let Some(neg) =
        neg.filter(|_| annotations::refuses_endpoint_groups(service, remarks) && kind == "ClusterIP")
    {
        let message =
            "a GKE Ingress cannot reach a Service of type ClusterIP without network endpoint groups";
        remarks.error(service.at(neg), message, "write {\"ingress\": true}, or another type");
    }
    if let Some(written) =
        service.spec.session_affinity.as_ref().filter(|written| written.value == "ClientIP")
    {
        let text = "a GKE balancer does not heed this; write `sessionAffinity` into a BackendConfig";
        remarks.note(service.at(written), text);
    }
    for (name, why) in NOT_SUPPORTED {
        if let Some(annotation) = service.annotation(name) {
            remarks.not_carried_over(service.at(annotation), why);
        }
    }
}

/// What a BackendConfig says, and what of it has no equal.
fn policy(config: &BackendConfig, remarks: &mut Remarks) -> Policy {
    let BackendConfigSpec { iap, cdn, security_policy, connection_draining, .. } = &config.spec;
    for (switch, why) in [
        (iap, "Envoy does not ask Google who a user is: without it, everybody gets through"),
        (cdn, "nothing is cached: Envoy has no equal of Cloud CDN"),
    ] {
        if let Some(switch) = switch.as_ref().filter(|switch| switch.enabled.value.0) {
            remarks.not_carried_over(config.at(&switch.enabled), why);
        }
    }
    if let Some(policy) = security_policy.as_ref().filter(|policy| !policy.name.value.is_empty()) {
        let why = "Envoy does not know Cloud Armor's rules: without them, everybody gets through";
        remarks.not_carried_over(config.at(&policy.name), why);
    }
    let draining = connection_draining.as_ref().and_then(|draining| draining.draining_timeout_sec.as_ref());
    if let Some(seconds) = draining.filter(|seconds| seconds.value.0 > 0) {
        let why = "Envoy sets no limit: requests under way to a pod that is taken out go on to their end";
        remarks.not_carried_over(config.at(seconds), why);
    }
    let affinity = config.spec.session_affinity.as_ref();
    let ttl = affinity.and_then(|affinity| affinity.affinity_cookie_ttl_sec.as_ref());
    if let Some(ttl) = ttl.filter(|ttl| ttl.value.0 > DAY) {
        remarks.note(
            config.at(ttl),
            format!("GKE itself takes at most {DAY}: here the session lives as long as written"),
        );
    }
    let logging = config.spec.logging.as_ref().filter(|logging| logging.enable.unwrap_or_default().0);
    Policy {
        affinity_type: affinity.and_then(|affinity| affinity.affinity_type).unwrap_or_default(),
        cookie_ttl_sec: ttl.map(|ttl| ttl.value.0),
        timeout_sec: config.spec.timeout_sec.map(|timeout| timeout.0),
        request_headers: headers::translated(config, config.spec.custom_request_headers.as_ref(), remarks),
        response_headers: headers::translated(config, config.spec.custom_response_headers.as_ref(), remarks),
        sample_rate: logging.map(|logging| logging.sample_rate.map_or(1.0, |rate| rate.0)),
    }
}

fn one_of(names: &str, otherwise: &str) -> String {
    if names.is_empty() { otherwise.to_owned() } else { format!("write one of {names}") }
}
