//! The Services in use, and how requests are sent to them.

use serde_saphyr::Spanned;

use super::annotations;
use super::filter_service::FilterService;
use super::health::Health;
use super::manifests::fields::PortRef;
use super::manifests::service::{AppProtocol, ServicePort};
use super::manifests::{BackendConfig, Manifest, Manifests, Service};
use super::pods::{Pods, Target, is_first};
use super::policies::{self, Policy};
use super::remarks::{Remarks, one_of};
use crate::source::Place;
use crate::suggest::nearest;

/// The cookie of the first service that makes a cookie.
pub const COOKIE: &str = "GCLB";
const SERVICE_TYPES: [&str; 3] = ["ClusterIP", "NodePort", "LoadBalancer"];

/// Annotations of a Service that are not supported.
const NOT_SUPPORTED: [(&str, &str); 3] = [
    (
        "networking.gke.io/transparent-health-checker",
        "the health checker runs on GKE's nodes; pods are probed directly",
    ),
    ("networking.gke.io/max-rate-per-endpoint", "backends are picked by weight, not by rate"),
    ("networking.gke.io/capacity-scaler", "backends are picked by weight, not by rate"),
];

/// A port of a Service, and how requests are sent to it.
#[derive(Debug)]
pub struct Backend<'a> {
    /// The name of the cluster, of the filter's service and of the service's routes.
    pub name: String,
    pub service: &'a Service,
    pub port: &'a Spanned<ServicePort>,
    pub target: Target,
    pub policy: Policy,
    pub protocol: AppProtocol,
    /// `None` if the pods have no health checks.
    pub health: Option<Health>,
}

/// A reference from a manifest to a port of a Service.
#[derive(Clone, Debug)]
pub struct Reference {
    pub namespace: String,
    pub service: String,
    pub port: PortRef,
    pub place: Place,
    pub port_place: Place,
}

/// All Services in use, each port once.
#[derive(Debug)]
pub struct Backends<'a> {
    pub all: Vec<Backend<'a>>,
    /// In the order of the first reference.
    pub services: Vec<FilterService>,
    manifests: &'a Manifests,
    pub pods: Pods<'a>,
    /// Whether the policies of a Gateway apply, and not BackendConfigs.
    is_gateway: bool,
    /// The places of the BackendConfigs and policies in use.
    used: Vec<Place>,
}

impl<'a> Backends<'a> {
    /// Without backends.
    pub fn new(manifests: &'a Manifests, pods: Pods<'a>, is_gateway: bool) -> Self {
        Self { all: Vec::new(), services: Vec::new(), manifests, pods, is_gateway, used: Vec::new() }
    }

    /// Adds a service of the filter for requests to one Service. Returns its index.
    pub fn add(&mut self, reference: &Reference, remarks: &mut Remarks) -> Option<usize> {
        let backend = self.backend(reference, remarks)?;
        self.add_one(backend, remarks)
    }

    /// Adds a service of the filter for requests to one backend. Returns its index.
    pub fn add_one(&mut self, backend: usize, remarks: &mut Remarks) -> Option<usize> {
        let is_same = |known: &FilterService| known.backends == [(backend, 1)];
        if let Some(known) = self.services.iter().position(is_same) {
            return Some(known);
        }
        let one = self.all.get(backend)?;
        let (name, place) = (one.name.clone(), one.service.at(one.port));
        Some(self.push(name, vec![(backend, 1)], &place, remarks))
    }

    /// Adds a service of the filter for requests that several backends share. Returns its index.
    pub fn add_split(
        &mut self,
        name: String,
        backends: Vec<(usize, u32)>,
        place: &Place,
        remarks: &mut Remarks,
    ) -> usize {
        let added = self.push(name, backends, place, remarks);
        if let Some(service) = self.services.get(added) {
            self.report_policies(service, place, remarks);
            service.report_weights(self, place, remarks);
        }
        added
    }

    fn push(
        &mut self,
        name: String,
        backends: Vec<(usize, u32)>,
        place: &Place,
        remarks: &mut Remarks,
    ) -> usize {
        if self.services.iter().any(|one| one.name == name) {
            let message = format!("two services have the name {name}");
            remarks.error(place.clone(), message, "give one of the two another name");
        }
        let mut service = FilterService { name, backends, cookie: None };
        if service.makes_cookie(self) {
            service.cookie = Some(self.cookie(&service.name, place.clone(), remarks));
        }
        self.services.push(service);
        self.services.len() - 1
    }

    /// Reports the policies that do not apply, because the backends of a rule share one policy.
    fn report_policies(&self, service: &FilterService, place: &Place, remarks: &mut Remarks) {
        let Some(lead) = service.lead(self) else { return };
        for (other, _) in service.own(self).filter(|(other, _)| other.policy != lead.policy) {
            let (name, lead) = (&other.name, &lead.name);
            if other.policy == Policy::default() {
                let text = format!("{name} has no policy: the policy of {lead} applies to all backends");
                remarks.note(place.clone(), text);
            } else {
                let message = format!(
                    "not carried over: the policy of {name}: all backends of a rule have one policy, here that of {lead}"
                );
                remarks.warning(place.clone(), message, "give these Services the same policy");
            }
        }
    }

    /// The backends of all services, with their indices.
    pub fn in_use(&self) -> impl Iterator<Item = (usize, &Backend<'a>)> {
        let is_used = |index| {
            let mut all = self.services.iter().flat_map(|service| &service.backends);
            all.any(|(own, _)| *own == index)
        };
        self.all.iter().enumerate().filter(move |(index, _)| is_used(*index))
    }

    /// Whether the backend shares the requests of a route with another backend.
    pub fn is_in_split(&self, backend: usize) -> bool {
        let mut splits = self.services.iter().filter(|service| service.backends.len() > 1);
        splits.any(|service| service.backends.iter().any(|(index, _)| *index == backend))
    }

    /// The index of the backend that a manifest refers to.
    pub fn backend(&mut self, reference: &Reference, remarks: &mut Remarks) -> Option<usize> {
        let (service, port) = self.find(reference, remarks)?;
        let known = self.all.iter().position(|backend| std::ptr::eq(backend.port, port));
        if known.is_some() {
            return known;
        }
        check(service, self.is_gateway, remarks);
        let name = self.name(service, &port.value);
        let protocol = annotations::protocol(service, &port.value, self.is_gateway, remarks);
        let (policy, health) = self.policy(service, &port.value, protocol, remarks);
        let target = self.pods.target(&name, service, port, remarks);
        self.all.push(Backend { name, service, port, target, policy, protocol, health });
        Some(self.all.len() - 1)
    }

    /// Reports options and policies for nothing that exists, and manifests that nothing refers to, because the reference
    /// may be missing by accident.
    pub fn finish(&self, remarks: &mut Remarks) {
        self.pods.refuse_unknown(remarks);
        if self.is_gateway {
            policies::check_targets(&self.manifests.backend_policies, self.manifests, remarks);
            policies::check_targets(&self.manifests.health_policies, self.manifests, remarks);
        }
        // After an error, references are incomplete.
        if remarks.errors() > 0 {
            return;
        }
        let used = || self.in_use().map(|(_, backend)| backend.service);
        for service in &self.manifests.services {
            let names_pods =
                |target: &Target| matches!(target, Target::Dns(name, _) if name == service.name());
            let is_used = used().any(|used| std::ptr::eq(used, service));
            if !is_used && !self.in_use().any(|(_, one)| names_pods(&one.target)) {
                remarks.note(service.place(), "not used: no request is sent to this Service");
            }
        }
        for workload in &self.manifests.workloads {
            let selects =
                |service| self.pods.selected(service).iter().any(|one| std::ptr::eq(*one, workload));
            if !used().any(selects) {
                let why = "no Service in use has the pods of this";
                remarks.note(workload.place(), format!("not used: {why} {}", workload.kind));
            }
        }
        let Manifests { backend_configs, backend_policies, health_policies, .. } = self.manifests;
        let places = backend_configs.iter().map(|one| (one.place(), one.kind));
        let places = places.chain(backend_policies.iter().map(|one| (one.place(), one.kind)));
        for (place, kind) in places.chain(health_policies.iter().map(|one| (one.place(), one.kind))) {
            if !self.used.contains(&place) {
                let why = "no Service in use has this";
                remarks.note(place, format!("not used: {why} {kind}"));
            }
        }
    }

    fn find(
        &self,
        reference: &Reference,
        remarks: &mut Remarks,
    ) -> Option<(&'a Service, &'a Spanned<ServicePort>)> {
        let Reference { namespace, service: name, port, place, port_place } = reference;
        let all = &self.manifests.services;
        let is_it = |service: &&Service| service.namespace() == namespace && service.name() == name;
        let Some(service) = all.iter().find(is_it) else {
            let elsewhere = |other: &str| {
                let what = if self.is_gateway {
                    format!("write `namespace: {other}`")
                } else {
                    "an Ingress only reaches Services of its own namespace".to_owned()
                };
                format!("the Service is in namespace {other}: {what}")
            };
            let help = where_to_find(all, namespace, name, elsewhere);
            let help = help.unwrap_or_else(|| names_in(all, namespace, "add the Service to the manifests"));
            remarks.error(place.clone(), format!("no Service {name:?} in namespace {namespace}"), help);
            return None;
        };
        let found = service.spec.port(port);
        if found.is_none() {
            let numbers = service.spec.ports().map(|port| port.value.port.number().to_string());
            let names = service.spec.ports().filter_map(|port| port.value.name.clone());
            let all: Vec<String> = numbers.chain(names).collect();
            let help = if all.is_empty() { "add it to the Service".to_owned() } else { one_of(&all) };
            remarks.error(port_place.clone(), format!("Service {name} has no port {port}"), help);
        }
        Some((service, found?))
    }

    /// How requests are sent to a port, and the health check of its pods.
    fn policy(
        &mut self,
        service: &Service,
        port: &ServicePort,
        protocol: AppProtocol,
        remarks: &mut Remarks,
    ) -> (Policy, Option<Health>) {
        let target = port.target();
        let workloads = self.pods.selected(service);
        let number = workloads.iter().find_map(|workload| workload.spec.port(&target));
        if self.is_gateway {
            let policy = policies::targeting(&self.manifests.backend_policies, service);
            let checks = policies::targeting(&self.manifests.health_policies, service);
            self.used.extend(policy.map(Manifest::place));
            self.used.extend(checks.map(Manifest::place));
            let health = checks.map(|checks| policies::health_of(checks, number, protocol, remarks));
            let policy = policy.map(|policy| Policy::of_gateway(policy, remarks));
            return (policy.unwrap_or_default(), health.unwrap_or_else(|| Some(Health::default())));
        }
        let health = Health::of_pods(&workloads, &target, protocol, remarks);
        let Some(config) = self.config(service, port, remarks) else {
            return (Policy::default(), Some(health));
        };
        self.used.push(config.place());
        let policy = Policy::of_backend_config(config, remarks);
        let health = match &config.spec.health_check {
            Some(check) => health.with(config, check, number, protocol, remarks),
            None => health,
        };
        (policy, Some(health))
    }

    fn config(
        &self,
        service: &Service,
        port: &ServicePort,
        remarks: &mut Remarks,
    ) -> Option<&'a BackendConfig> {
        let (name, annotation) = annotations::backend_config(service, port, remarks)?;
        let (all, namespace) = (&self.manifests.backend_configs, service.namespace());
        let found = all.iter().find(|config| config.namespace() == namespace && config.name() == name);
        if let (None, Some(text)) = (found, service.annotation(annotation)) {
            let message = format!("no BackendConfig {name:?} in namespace {namespace}");
            let elsewhere = |other: &str| {
                format!(
                    "the BackendConfig is in namespace {other}: write `namespace: {namespace}` in its metadata"
                )
            };
            let help = where_to_find(all, namespace, &name, elsewhere);
            let add = "add the BackendConfig to the manifests";
            remarks.error(service.at(text), message, help.unwrap_or_else(|| names_in(all, namespace, add)));
        }
        found
    }

    /// The Service's name, with the number of the port unless it is the Service's first port. The name depends on no
    /// other Service, because sessions are bound to it.
    fn name(&self, service: &Service, port: &ServicePort) -> String {
        let suffix = if is_first(service, port) { String::new() } else { format!("_{}", port.port.number()) };
        self.pods.service_name(service.namespace(), service.name(), &suffix)
    }

    /// The cookie of a service. Services have different cookies, because cookies with the same name overwrite each
    /// other in a browser.
    fn cookie(&self, name: &str, place: Place, remarks: &mut Remarks) -> String {
        let Some(owner) = self.services.iter().find(|service| service.cookie.is_some()) else {
            return COOKIE.to_owned();
        };
        let (cookie, owner) = (format!("{COOKIE}-{name}"), &owner.name);
        let why = format!("the service {owner} uses {COOKIE}, and each service needs a unique cookie name");
        remarks.note(place, format!("the cookie is {cookie}: {why}"));
        cookie
    }
}

impl Backend<'_> {
    /// Whether Envoy picks the pod. Otherwise the filter picks it.
    pub fn is_one_cluster(&self) -> bool {
        !matches!(self.target, Target::Pods(_))
    }

    /// The number of clusters.
    pub fn clusters(&self) -> usize {
        if let Target::Pods(pods) = &self.target { pods.len() } else { 1 }
    }
}

/// Reports settings of a Service that a GKE load balancer refuses or that are not supported.
fn check(service: &Service, is_gateway: bool, remarks: &mut Remarks) {
    annotations::check(service, is_gateway, remarks);
    if service.name().len() > 63 || service.name().contains('.') {
        let message = format!("not a valid name of a Service: {:?}", service.name());
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
        let text = "GKE load balancers ignore this field; write `sessionAffinity` into a BackendConfig or GCPBackendPolicy";
        remarks.note(service.at(written), text);
    }
    for (name, why) in NOT_SUPPORTED {
        if let Some(annotation) = service.annotation(name) {
            remarks.not_carried_over(service.at(annotation), why);
        }
    }
}

/// What to write in place of a name that no object of the namespace has. `elsewhere` makes it from the namespace of an
/// object of this name. `None` if there is no similar name.
pub fn where_to_find<S>(
    all: &[Manifest<S>],
    namespace: &str,
    name: &str,
    elsewhere: impl FnOnce(&str) -> String,
) -> Option<String> {
    if let Some(other) = all.iter().find(|other| other.name() == name) {
        return Some(elsewhere(other.namespace()));
    }
    let here = all.iter().filter(|one| one.namespace() == namespace).map(Manifest::name);
    nearest(name, here).map(|near| format!("write {near}"))
}

/// The names of all objects in a namespace as help.
fn names_in<S>(all: &[Manifest<S>], namespace: &str, otherwise: &str) -> String {
    let here = all.iter().filter(|one| one.namespace() == namespace);
    let names: Vec<String> = here.map(|one| one.name().to_owned()).collect();
    if names.is_empty() { otherwise.to_owned() } else { one_of(&names) }
}
