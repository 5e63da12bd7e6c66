//! The addresses of the pods of a Service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_saphyr::Spanned;

use super::manifests::fields::PortRef;
use super::manifests::service::ServicePort;
use super::manifests::{Manifest, Manifests, Service, Workload};
use super::missing_pods;
use super::options::{Address, Endpoints, Host, Options, To};
use super::remarks::{Remarks, argument, one_of};

/// The target of requests to a Service.
#[derive(Debug)]
pub enum Target {
    /// Known pods, one cluster each. The filter picks the pod.
    Pods(Vec<Pod>),
    /// The endpoints in a file that Envoy watches. Envoy picks the pod.
    File(PathBuf, Vec<Pod>),
    /// All addresses of a DNS name. Envoy picks the pod.
    Dns(String, u16),
}

/// A pod: a backend of the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The name of the pod's cluster.
    pub cluster: String,
    pub host: Host,
    pub port: u16,
}

/// All information about pods.
#[derive(Debug)]
pub struct Pods<'a> {
    pub manifests: &'a Manifests,
    pub options: &'a Options,
    /// The namespace of Envoy.
    pub namespace: &'a str,
    /// Whether names contain the namespace, because Services of several namespaces are in use.
    pub has_namespaces: bool,
}

impl<'a> Pods<'a> {
    /// The workloads whose pods a Service sends requests to.
    pub fn selected(&self, service: &Service) -> Vec<&'a Workload> {
        self.manifests.workloads.iter().filter(|workload| selects(service, workload)).collect()
    }

    /// The name for clusters and services, with the namespace if necessary.
    pub fn qualified(&self, namespace: &str, name: &str) -> String {
        let is_used = self.has_namespaces && !namespace.is_empty();
        if is_used { format!("{namespace}_{name}") } else { name.to_owned() }
    }

    /// The name of a service of the filter. The filter takes names of at most 64 bytes, so a long namespace is shortened.
    pub fn service_name(&self, namespace: &str, name: &str, suffix: &str) -> String {
        let room = 64 - suffix.len();
        let name: String = name.chars().take(room).collect();
        let room = room.saturating_sub(name.len() + 1);
        let namespace: String = namespace.chars().take(room).collect();
        self.qualified(&namespace, &name) + suffix
    }

    /// The target of requests to a Service's port. `name` is the name of the cluster, if the Service has one cluster.
    pub fn target(
        &self,
        name: &str,
        service: &Service,
        port: &Spanned<ServicePort>,
        remarks: &mut Remarks,
    ) -> Target {
        let named = self.options.envoy.dns.iter().find(|dns| names(&dns.name, service));
        let is_headless = service.spec.is_headless();
        match (&self.options.envoy.eds, named) {
            _ if self.options.to == To::Kubernetes => self.headless(service, port, remarks),
            (Some(directory), _) => {
                Target::File(directory.join(format!("{name}.yaml")), self.given_pods(service, port, remarks))
            }
            (None, Some(Endpoints { addresses, .. })) => {
                if let [Address { host: Host::Name(host), port: given }] = &**addresses {
                    let number = given.or_else(|| self.number(service, port, remarks));
                    return Target::Dns(host.clone(), number.unwrap_or_default());
                }
                let message = format!("--dns {}= takes one host name, and no IP address", service.name());
                let help = "write one host name, or use --endpoints";
                remarks.error(argument("--dns", service.name()), message, help);
                Target::Pods(Vec::new())
            }
            (None, None) if is_headless && !self.is_given(service) => self.headless(service, port, remarks),
            (None, None) => Target::Pods(self.pods(service, port, remarks)),
        }
    }

    /// The number of the port at which all pods of a Service take requests.
    pub fn number(
        &self,
        service: &Service,
        port: &Spanned<ServicePort>,
        remarks: &mut Remarks,
    ) -> Option<u16> {
        let target = port.value.target();
        let number = match &target {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(_) => {
                self.selected(service).iter().find_map(|workload| workload.spec.port(&target))
            }
        };
        if number.is_none() {
            self.no_such_port(service, port, remarks);
        }
        number
    }

    /// Reports addresses for unknown names.
    pub fn refuse_unknown(&self, remarks: &mut Remarks) {
        let services = &self.manifests.services;
        let full = |namespace: &str, name: &str| format!("{namespace}/{name}");
        let workloads = self.manifests.workloads.iter();
        let workloads = workloads.map(|one| (one.name(), full(one.namespace(), one.name())));
        let of = |service: &'a Service| (service.name(), full(service.namespace(), service.name()));
        let one_or_none = services.iter().filter(|service| self.selected(service).len() < 2).map(of);
        let with_pods: BTreeSet<(&str, String)> = workloads.chain(one_or_none).collect();
        let all: BTreeSet<(&str, String)> = services.iter().map(of).collect();
        let envoy = &self.options.envoy;
        for (option, given, known) in
            [("--endpoints", &envoy.endpoints, with_pods), ("--dns", &envoy.dns, all)]
        {
            let mut seen = BTreeSet::new();
            for Endpoints { name, .. } in given {
                if !known.iter().any(|(short, full)| short == name || full == name) {
                    let mut known: Vec<String> = known.iter().map(|(short, _)| (*short).to_owned()).collect();
                    known.dedup();
                    let message = match option {
                        "--dns" => format!("no Service has the name {name}"),
                        _ => format!("nothing with the name {name} has pods"),
                    };
                    remarks.error(argument(option, name), message, one_of(&known));
                }
                let is_in_both = |service: &Service| names(name, service) && self.is_given(service);
                if option == "--dns" && services.iter().any(is_in_both) {
                    let message = format!("both --dns and --endpoints give the pods of {name}");
                    remarks.error(argument(option, name), message, "give only one of the two");
                }
                if !seen.insert(name) {
                    let message = format!("{name} is given twice");
                    remarks.error(argument(option, name), message, "give all addresses of a name at once");
                }
            }
        }
    }

    /// The target by the DNS name of a headless Service, which resolves to the addresses of all pods.
    fn headless(&self, service: &Service, port: &Spanned<ServicePort>, remarks: &mut Remarks) -> Target {
        let number = if service.spec.selector.is_some() && self.selected(service).is_empty() {
            missing_pods::report(service, port, self.manifests, remarks);
            port.value.target().number()
        } else {
            self.number(service, port, remarks)
        };
        let number = number.unwrap_or_default();
        let name = headless_name(service, self.manifests);
        if service.spec.selector.is_none() && !service.spec.is_headless() {
            let help = "write a selector, or use --to envoy with --endpoints";
            remarks.error(service.place(), "a Service without a selector has no pods in DNS", help);
        }
        let is_elsewhere = service.namespace() != self.namespace;
        let namespace = if is_elsewhere { Some(service.namespace()) } else { service.written_namespace() };
        let namespace = namespace.filter(|_| is_elsewhere || self.options.to == To::Envoy);
        let domain = namespace.map_or(name.clone(), |namespace| format!("{name}.{namespace}"));
        Target::Dns(domain, number)
    }

    fn given<S>(&self, object: &Manifest<S>) -> Option<&'a [Address]> {
        let endpoints = &self.options.envoy.endpoints;
        endpoints.iter().find(|given| names(&given.name, object)).map(|given| &*given.addresses)
    }

    fn is_given(&self, service: &Service) -> bool {
        let workloads = self.selected(service);
        self.given(service).is_some() || workloads.into_iter().any(|workload| self.given(workload).is_some())
    }

    /// The pods with given addresses.
    fn given_pods(&self, service: &Service, port: &Spanned<ServicePort>, remarks: &mut Remarks) -> Vec<Pod> {
        if self.is_given(service) { self.pods(service, port, remarks) } else { Vec::new() }
    }

    /// The pods of a Service's port.
    fn pods(&self, service: &Service, port: &Spanned<ServicePort>, remarks: &mut Remarks) -> Vec<Pod> {
        let workloads = self.selected(service);
        let of_service = self.given(service).filter(|_| workloads.len() < 2);
        if workloads.is_empty() {
            return self.without_workload(service, port, of_service, remarks);
        }
        let mut pods = Vec::new();
        for workload in workloads {
            let given = self.given(workload).or(of_service);
            let replicas = workload.spec.replicas();
            let place =
                workload.spec.replicas.as_ref().map_or_else(|| workload.place(), |it| workload.at(it));
            if let Some(addresses) = given {
                if u32::try_from(addresses.len()) != Ok(replicas) {
                    remarks.note(place, self.count_note(addresses.len()));
                }
                pods.extend(self.named(service, workload, addresses, port, remarks));
            } else if replicas == 0 {
                let help = format!("write at least 1, or give --endpoints {}=ADDRESS,…", workload.name());
                remarks.error(place, "there is no pod to send requests to", help);
            } else if workload.kind == "Deployment" {
                let message =
                    "the addresses of the pods of this Deployment are unknown: they have no names in DNS";
                remarks.error(workload.place(), message, three_ways(workload.name(), service.name()));
            } else {
                // Services share the clusters of their pods, so each pod has one name.
                let first = self.manifests.services.iter().find(|service| selects(service, workload));
                let addresses = dns_names(first.unwrap_or(service), workload);
                pods.extend(self.named(service, workload, &addresses, port, remarks));
            }
        }
        pods
    }

    fn count_note(&self, count: usize) -> String {
        let noun = if self.options.envoy.eds.is_some() { "endpoint" } else { "backend" };
        match count {
            1 => format!("1 address is given, so 1 {noun} is written"),
            _ => format!("{count} addresses are given, so {count} {noun}s are written"),
        }
    }

    /// The pods of a Service without a workload among the manifests, or without a selector.
    fn without_workload(
        &self,
        service: &Service,
        port: &Spanned<ServicePort>,
        given: Option<&[Address]>,
        remarks: &mut Remarks,
    ) -> Vec<Pod> {
        let Some(addresses) = given else {
            missing_pods::refuse(service, self.manifests, remarks);
            return Vec::new();
        };
        let number = port.value.target().number();
        let suffix = if is_first(service, &port.value) {
            String::new()
        } else {
            format!("-{}", port.value.port.number())
        };
        let name = self.qualified(service.namespace(), service.name());
        let pods = addresses.iter().enumerate().filter_map(|(index, address)| {
            let cluster = format!("{name}-{index}{suffix}");
            pod(cluster, address, number, || self.no_such_port(service, port, remarks))
        });
        pods.collect()
    }

    /// One pod for each address. Clusters have the names of the pods of a StatefulSet, in the order of the addresses.
    /// The name contains the port, unless it is the first port of the pods.
    fn named(
        &self,
        service: &Service,
        workload: &Workload,
        addresses: &[Address],
        port: &Spanned<ServicePort>,
        remarks: &mut Remarks,
    ) -> Vec<Pod> {
        let number = workload.spec.port(&port.value.target());
        let first = workload.spec.ports().next().map(|first| first.number.number());
        let suffix = match number {
            Some(number) if first != Some(number) => format!("-{number}"),
            _ => String::new(),
        };
        let name = self.qualified(workload.namespace(), workload.name());
        let named = (workload.spec.first_ordinal()..).zip(addresses).filter_map(|(ordinal, address)| {
            let cluster = format!("{name}-{ordinal}{suffix}");
            pod(cluster, address, number, || self.no_such_port(service, port, remarks))
        });
        named.collect()
    }

    fn no_such_port(&self, service: &Service, port: &Spanned<ServicePort>, remarks: &mut Remarks) {
        let name = port.value.target();
        if self.selected(service).is_empty() {
            let message = format!(
                "no manifest has the pods of this Service, so the number of the port {name} is unknown"
            );
            let help = "write a number as targetPort, or addresses with ports in --endpoints or --dns";
            remarks.error(service.at(port), message, help);
            return;
        }
        let message = format!("the pods have no port {name}, which targetPort names");
        let help = if self.options.to == To::Kubernetes {
            "write the name of a port of the pods, or a number"
        } else {
            "write the name of a port of the pods, a number, or addresses with ports in --endpoints"
        };
        remarks.error(service.at(port), message, help);
    }
}

/// Whether an option names this object: `NAME`, or `NAMESPACE/NAME`.
fn names<S>(given: &str, object: &Manifest<S>) -> bool {
    match given.split_once('/') {
        Some(full) => full == (object.namespace(), object.name()),
        None => given == object.name(),
    }
}

/// Whether this is the Service's first port. Names contain the number of any other port.
pub fn is_first(service: &Service, port: &ServicePort) -> bool {
    service.spec.ports().next().is_some_and(|first| first.value.port == port.port)
}

/// The name of the headless Service for the pods of this Service: the Service itself, another headless Service with the
/// same pods, or a Service that `--to kubernetes` adds.
pub fn headless_name(service: &Service, manifests: &Manifests) -> String {
    let is_same = |other: &&Service| {
        let selectors =
            [service, other].map(|one| one.spec.selector.as_ref().map(|selector| &selector.value));
        other.spec.is_headless()
            && other.namespace() == service.namespace()
            && selectors[0].is_some()
            && selectors[0] == selectors[1]
    };
    if service.spec.is_headless() {
        return service.name().to_owned();
    }
    match manifests.services.iter().find(is_same) {
        Some(other) => other.name().to_owned(),
        None => shortened(service.name(), "-headless"),
    }
}

/// The name with a suffix, shortened to the 63 bytes that Kubernetes allows.
pub fn shortened(name: &str, suffix: &str) -> String {
    name.chars().take(63 - suffix.len()).chain(suffix.chars()).collect()
}

/// Whether a Service sends requests to the pods of a workload.
pub fn selects(service: &Service, workload: &Workload) -> bool {
    let none = BTreeMap::new();
    let selector = service.spec.selector.as_ref().map_or(&none, |selector| &selector.value);
    workload.namespace() == service.namespace() && workload.spec.is_selected_by(selector)
}

/// The options for the addresses of pods.
pub fn three_ways(workload: &str, service: &str) -> String {
    format!(
        "give --endpoints {workload}=ADDRESS,…, --dns {service}=HOST of a headless Service, or --eds DIR; \
         --to kubernetes needs none of them"
    )
}

/// The DNS names of a StatefulSet's pods.
fn dns_names(service: &Service, workload: &Workload) -> Vec<Address> {
    let governing = workload.spec.service_name.as_deref().unwrap_or(service.name());
    let namespace = service.written_namespace();
    let domain =
        namespace.map_or_else(|| governing.to_owned(), |namespace| format!("{governing}.{namespace}"));
    let first = workload.spec.first_ordinal();
    let ordinals = first..first.saturating_add(workload.spec.replicas());
    let host = |ordinal| Host::Name(format!("{}-{ordinal}.{domain}", workload.name()));
    ordinals.map(|ordinal| Address { host: host(ordinal), port: None }).collect()
}

fn pod(cluster: String, address: &Address, target: Option<u16>, missing: impl FnOnce()) -> Option<Pod> {
    let port = address.port.or(target);
    if port.is_none() {
        missing();
    }
    Some(Pod { cluster, host: address.host.clone(), port: port? })
}
