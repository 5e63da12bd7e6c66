//! The pods behind a Service, one for each replica.

use std::collections::BTreeSet;

use crate::manifest::{PortRef, Service, ServicePort, Workload};
use crate::options::{Address, Endpoints, Host};
use crate::report::{Place, Report};

/// A pod: a backend of the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The name of its cluster.
    pub cluster: String,
    /// Where it is.
    pub host: Host,
    /// Its port.
    pub port: u16,
}

/// What there is to know about pods.
#[derive(Debug)]
pub struct Pods<'a> {
    /// All workloads.
    pub workloads: &'a [Workload],
    /// All Services.
    pub services: &'a [Service],
    /// All addresses given.
    pub endpoints: &'a [Endpoints],
    /// Whether names will do where no address is given.
    pub needs_addresses: bool,
}

impl<'a> Pods<'a> {
    /// The workloads whose pods a Service sends requests to.
    pub fn selected(&self, service: &Service) -> Vec<&'a Workload> {
        self.workloads.iter().filter(|workload| selects(service, workload)).collect()
    }

    /// The pods behind a Service's port.
    pub fn of(&self, service: &Service, port: &ServicePort, report: &mut Report) -> Vec<Pod> {
        let workloads = self.selected(service);
        match &*workloads {
            [] => self.of_nobody(service, port, report),
            [workload] => {
                let given =
                    self.given(&workload.metadata.name).or_else(|| self.given(&service.metadata.name));
                self.of_workload(service, port, workload, given, report)
            }
            several => several
                .iter()
                .flat_map(|workload| {
                    self.of_workload(service, port, workload, self.given(&workload.metadata.name), report)
                })
                .collect(),
        }
    }

    /// Says of addresses that they are for nobody.
    pub fn refuse_unknown(&self, report: &mut Report) {
        let workloads = self.workloads.iter().map(|workload| &*workload.metadata.name);
        let one_or_none = self.services.iter().filter(|service| self.selected(service).len() < 2);
        let mut names: Vec<&str> =
            workloads.chain(one_or_none.map(|service| &*service.metadata.name)).collect();
        names.sort_unstable();
        names.dedup();
        let place = Place::argument("--endpoints");
        let mut seen = BTreeSet::new();
        for given in self.endpoints {
            if !names.contains(&&*given.name) {
                report.mistake(&place, "nothing of this name has pods", &names.join(", "), &given.name);
            }
            if !seen.insert(&given.name) {
                report.mistake(&place, "given twice", "once for each name", &given.name);
            }
        }
    }

    fn given(&self, name: &str) -> Option<&'a [Address]> {
        self.endpoints.iter().find(|given| given.name == name).map(|given| &*given.addresses)
    }

    /// Of a Service whose workload was not given, or that has no selector.
    fn of_nobody(&self, service: &Service, port: &ServicePort, report: &mut Report) -> Vec<Pod> {
        let name = &service.metadata.name;
        let Some(addresses) = self.given(name) else {
            if !self.needs_addresses {
                let allowed =
                    format!("a Deployment or StatefulSet with these labels, or --endpoints {name}=ADDRESS,…");
                let labels = service.selector.iter().map(|(key, value)| format!("{key}: {value}"));
                let labels = labels.collect::<Vec<_>>().join(", ");
                report.mistake(
                    &service.selector_place,
                    "no manifest has its pods",
                    &allowed,
                    format_args!("{{{labels}}}"),
                );
            }
            return Vec::new();
        };
        let number = match &port.target {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(_) => None,
        };
        let is_first = service.ports.first().is_some_and(|first| first.number == port.number);
        let suffix = if is_first { String::new() } else { format!("-{}", port.number) };
        let addresses = addresses.iter().enumerate();
        let pods = addresses.filter_map(|(index, address)| {
            pod(format!("{name}-{index}{suffix}"), address, number, port, report)
        });
        pods.collect()
    }

    fn of_workload(
        &self,
        service: &Service,
        port: &ServicePort,
        workload: &Workload,
        given: Option<&[Address]>,
        report: &mut Report,
    ) -> Vec<Pod> {
        let number = workload.port(&port.target);
        let Some(addresses) = given else {
            if self.needs_addresses {
                return Vec::new();
            }
            // Services share the clusters of their pods, so there is one name for a pod.
            let first = self.services.iter().find(|service| selects(service, workload)).unwrap_or(service);
            let addresses = dns_names(first, workload, report);
            return named(workload, &addresses, number, port, report);
        };
        if u32::try_from(addresses.len()) != Ok(workload.replicas.value) {
            let text =
                format!("{} addresses were given for it, and so many backends are written", addresses.len());
            report.note(&workload.replicas.place, text);
        }
        named(workload, addresses, number, port, report)
    }
}

fn selects(service: &Service, workload: &Workload) -> bool {
    workload.metadata.namespace() == service.metadata.namespace()
        && workload.is_selected_by(&service.selector)
}

/// Names that a StatefulSet's pods have in DNS.
fn dns_names(service: &Service, workload: &Workload, report: &mut Report) -> Vec<Address> {
    let name = &workload.metadata.name;
    let governing = workload.service_name.as_ref().unwrap_or(&service.metadata.name);
    let namespace = service.metadata.written_namespace.as_ref();
    let domain = namespace.map_or_else(|| governing.clone(), |namespace| format!("{governing}.{namespace}"));
    let replicas = workload.replicas.value;
    let first = workload.first_ordinal;
    if replicas == 0 {
        let allowed = format!("an integer from 1, or --endpoints {name}=ADDRESS,…");
        report.mistake(&workload.replicas.place, "there is no pod to send requests to", &allowed, 0);
    }
    if workload.kind == "Deployment" {
        let text = format!(
            "the pods of a Deployment have no names in DNS: clusters lead to {name}-{first}.{domain} and so on, as if \
             it were a StatefulSet; say where they are with --endpoints {name}=ADDRESS,…, or use --eds",
        );
        report.note(&workload.replicas.place, text);
    }
    let ordinals = first..first.saturating_add(replicas);
    ordinals
        .map(|ordinal| Address { host: Host::Name(format!("{name}-{ordinal}.{domain}")), port: None })
        .collect()
}

/// One pod for each address. Clusters are called as the pods of a StatefulSet are: an order of addresses is an order
/// of replicas. Where it is not the port that the pods name first, it is part of the name.
fn named(
    workload: &Workload,
    addresses: &[Address],
    number: Option<u16>,
    port: &ServicePort,
    report: &mut Report,
) -> Vec<Pod> {
    let first = workload.ports().next().map(|first| first.number);
    let suffix = match number {
        Some(number) if first != Some(number) => format!("-{number}"),
        _ => String::new(),
    };
    let ordinals = workload.first_ordinal..;
    let named = ordinals.zip(addresses).filter_map(|(ordinal, address)| {
        let cluster = format!("{}-{ordinal}{suffix}", workload.metadata.name);
        pod(cluster, address, number, port, report)
    });
    named.collect()
}

fn pod(
    cluster: String,
    address: &Address,
    target: Option<u16>,
    port: &ServicePort,
    report: &mut Report,
) -> Option<Pod> {
    let number = address.port.or(target);
    if number.is_none() {
        let allowed = "the name of one of its pods' ports, a number, or addresses with ports in --endpoints";
        report.mistake(
            &port.place,
            "its pods have no such port",
            allowed,
            format_args!("targetPort {}", port.target),
        );
    }
    Some(Pod { cluster, host: address.host.clone(), port: number? })
}
