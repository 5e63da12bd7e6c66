//! The Services in use, and how requests are sent to them.

use serde_saphyr::Spanned;

use super::annotations;
use super::health::Health;
use super::manifests::backend_config::AffinityType;
use super::manifests::fields::PortRef;
use super::manifests::gateway::PolicySpec;
use super::manifests::service::{AppProtocol, ServicePort};
use super::manifests::{BackendConfig, Manifest, Manifests, Service};
use super::pods::{Pods, Target, is_first};
use super::policies::{self, Policy};
use super::remarks::Remarks;
use crate::source::Place;

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

/// A service of the filter: some routes, and the backends of their requests with weights.
#[derive(Debug)]
pub struct FilterService {
    /// The name of the service and of its routes.
    pub name: String,
    /// The indices of the backends, and their weights.
    pub backends: Vec<(usize, u32)>,
    /// The name of the cookie, if the service makes one.
    pub cookie: Option<String>,
}

/// All Services in use, each port once.
#[derive(Debug)]
pub struct Backends<'a> {
    pub all: Vec<Backend<'a>>,
    /// In the order of the first reference.
    pub services: Vec<FilterService>,
    manifests: &'a Manifests,
    pods: Pods<'a>,
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
        let name = self.all.get(backend)?.name.clone();
        Some(self.service(name, vec![(backend, 1)], reference.place.clone(), remarks))
    }

    /// Adds a service of the filter for requests to these backends. Returns its index.
    pub fn service(
        &mut self,
        name: String,
        backends: Vec<(usize, u32)>,
        place: Place,
        remarks: &mut Remarks,
    ) -> usize {
        if let Some(known) = self.services.iter().position(|one| one.name == name && one.backends == backends)
        {
            return known;
        }
        let makes_cookie = |(index, _): &(usize, u32)| {
            self.all.get(*index).is_some_and(|one| one.policy.affinity_type == AffinityType::GeneratedCookie)
        };
        let place = match backends.as_slice() {
            [(index, _)] => self.all.get(*index).map_or(place, |one| one.service.at(one.port)),
            _ => place,
        };
        if self.services.iter().any(|one| one.name == name) {
            let message = format!("two services have the name {name}");
            remarks.error(place.clone(), message, "give one of the two another name");
        }
        let cookie = backends.iter().any(makes_cookie).then(|| self.cookie(&name, place, remarks));
        self.services.push(FilterService { name, backends, cookie });
        self.services.len() - 1
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
        check(service, remarks);
        let name = name(service, &port.value);
        let protocol = annotations::protocol(service, &port.value, remarks);
        let (policy, health) = self.policy(service, &port.value, protocol, remarks);
        let target = self.pods.target(&name, service, port, remarks);
        self.all.push(Backend { name, service, port, target, policy, protocol, health });
        Some(self.all.len() - 1)
    }

    /// Reports manifests that nothing refers to, because the reference may be missing by accident.
    pub fn finish(&self, remarks: &mut Remarks) {
        self.pods.refuse_unknown(remarks);
        let used = || self.all.iter().map(|backend| backend.service);
        for service in &self.manifests.services {
            let names_pods =
                |target: &Target| matches!(target, Target::Dns(name, _) if name == service.name());
            let is_used = used().any(|used| std::ptr::eq(used, service));
            if !is_used && !self.all.iter().any(|one| names_pods(&one.target)) {
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
        let here = self.manifests.services.iter().filter(|service| service.namespace() == namespace);
        let Some(service) = here.clone().find(|service| service.name() == name) else {
            let names = here.map(Service::name).collect::<Vec<_>>().join(", ");
            let help = one_of(&names, "add the Service to the manifests");
            remarks.error(place.clone(), format!("no Service {name:?} in namespace {namespace}"), help);
            return None;
        };
        let found = service.spec.port(port);
        if found.is_none() {
            let numbers = service.spec.ports().map(|port| port.value.port.number().to_string());
            let names = service.spec.ports().filter_map(|port| port.value.name.clone());
            let help = one_of(&numbers.chain(names).collect::<Vec<_>>().join(", "), "add it to the Service");
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
            let policy = targeting(&self.manifests.backend_policies, service);
            let checks = targeting(&self.manifests.health_policies, service);
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
        let all = self.manifests.backend_configs.iter();
        let here = all.filter(|config| config.namespace() == service.namespace());
        let found = here.clone().find(|config| config.name() == name);
        if let (None, Some(text)) = (found, service.annotation(annotation)) {
            let names = here.map(BackendConfig::name).collect::<Vec<_>>().join(", ");
            let message = format!("no BackendConfig {name:?} in namespace {}", service.namespace());
            remarks.error(
                service.at(text),
                message,
                one_of(&names, "add the BackendConfig to the manifests"),
            );
        }
        found
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

/// The policy for a Service.
fn targeting<'a, T>(
    policies: &'a [Manifest<PolicySpec<T>>],
    service: &Service,
) -> Option<&'a Manifest<PolicySpec<T>>> {
    policies.iter().find(|policy| {
        let target = &policy.spec.target_ref;
        let namespace = target.namespace.as_ref().map_or(policy.namespace(), |namespace| namespace.get());
        (&*target.kind, target.name.get(), namespace) == ("Service", service.name(), service.namespace())
    })
}

/// The Service's name, with the number of the port unless it is the Service's first port. The name does not depend on
/// other manifests, because sessions are bound to it.
fn name(service: &Service, port: &ServicePort) -> String {
    if is_first(service, port) {
        return service.name().to_owned();
    }
    // The filter takes names of at most 64 bytes, Kubernetes Services of at most 63, in ASCII.
    let suffix = format!("_{}", port.port.number());
    service.name().chars().take(64 - suffix.len()).chain(suffix.chars()).collect()
}

/// Reports settings of a Service that a GKE load balancer refuses or that are not supported.
fn check(service: &Service, remarks: &mut Remarks) {
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

fn one_of(names: &str, otherwise: &str) -> String {
    if names.is_empty() { otherwise.to_owned() } else { format!("write one of {names}") }
}
