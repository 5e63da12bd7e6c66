//! The output: a load balancer with a table of hosts and paths, and one service of the filter for each port of a
//! Service.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use minijinja::{Value, context};
use serde::Serialize;

use super::backends::Backends;
use super::configuration::{Cluster, Route, VirtualHost};
use super::filter_service::FilterService;
use super::manifests::backend_config::AffinityType;
use super::manifests::{DEFAULT_NAMESPACE, Manifests, Service};
use super::options::{Host, Options, To};
use super::pods::{Pod, Target, headless_name, shortened};
use super::remarks::{Remarks, argument};
use crate::source::Place;

/// The variable of the key, if a key is needed and no variable is named.
const KEY_ENV: &str = "SESSION_AFFINITY_KEY";
/// The path of the module in the pods that `--to kubernetes` writes.
const MODULE_IN_POD: &str = "/etc/session-affinity/plugin.wasm";
const MODULE: &str = "/etc/envoy/session_affinity.wasm";

/// The kinds of objects that `--to kubernetes` writes.
const OBJECTS: [&str; 4] = ["Service", "PodDisruptionBudget", "Deployment", "ConfigMap"];

/// A load balancer.
#[derive(Debug)]
pub struct Balancer<'a> {
    /// The kind of the converted object: Ingress or Gateway.
    pub kind: &'static str,
    pub name: &'a str,
    pub namespace: Option<&'a str>,
    /// Whether only clients inside the network reach the load balancer.
    pub is_internal: bool,
    pub backends: Backends<'a>,
    /// The last virtual host is for every other host.
    pub hosts: Vec<VirtualHost>,
    /// The shortest timeout of all routes.
    pub shortest_timeout_ms: u64,
    pub options: &'a Options,
}

/// A headless Service, whose DNS name resolves to the pods of another Service.
#[derive(Debug, Serialize)]
struct Headless<'a> {
    name: String,
    of: &'a str,
    namespace: Option<&'a str>,
    selector: &'a BTreeMap<String, String>,
    port: u16,
}

impl Balancer<'_> {
    /// The values for `envoy.yaml.jinja`. Only meaningful if there are no errors.
    pub fn configuration(&self, remarks: &mut Remarks) -> Value {
        let is_kubernetes = self.options.to == To::Kubernetes;
        let envoy = &self.options.envoy;
        let services = &self.backends.services;
        let module = if is_kubernetes { MODULE_IN_POD } else { envoy.module.as_deref().unwrap_or(MODULE) };
        context! {
            title => self.title("an Envoy configuration"),
            // The table of hosts and paths, then the table of services.
            tables => self.tables(),
            is_kubernetes => is_kubernetes,
            key_env => self.key_env(),
            has_cookies => services.iter().any(|service| service.cookie.is_some()),
            pins_endpoints => self.pins_endpoints(),
            eds => envoy.eds.as_ref().map(|directory| directory.display().to_string()),
            module => module,
            listen => address(envoy.listen.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 10000)))),
            admin => address(envoy.admin.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9901)))),
            logs => services.iter().filter_map(|service| self.log(service)).collect::<Vec<_>>(),
            has_regexes => self.hosts.iter().flat_map(|host| &host.routes).any(Route::has_regex),
            hosts => self.hosts,
            services => services.iter().map(|one| one.to_value(&self.backends)).collect::<Vec<_>>(),
            clusters => self.clusters(remarks),
            // A pod that drops packets is detected before the route's timeout.
            connect_timeout => if self.shortest_timeout_ms <= 1000 { "0.25s" } else { "1s" },
        }
    }

    /// The values for `kubernetes.yaml.jinja`. `envoy` is the Envoy configuration.
    pub fn objects(&self, manifests: &Manifests, envoy: &str, remarks: &mut Remarks) -> Value {
        let name = self.free_name(manifests);
        let headless = self.headless(manifests, remarks);
        let kubernetes = &self.options.kubernetes;
        let image = concat!("registry.example.com/session-affinity:", env!("CARGO_PKG_VERSION"));
        if kubernetes.image.is_none() && kubernetes.installer.is_none() {
            let text = format!(
                "the filter's module comes from the image {image}: push this image, or name another one with --image"
            );
            remarks.note(Place::nowhere(), text);
        }
        context! {
            title => self.title("Kubernetes manifests"),
            name => name,
            namespace => self.namespace,
            is_internal => self.is_internal,
            key_env => self.key_env(),
            image => kubernetes.image.as_deref().unwrap_or(image),
            installer => kubernetes.installer,
            headless => headless,
            envoy => envoy,
        }
    }

    /// The name of the written objects. Names of the application's objects are taken.
    fn free_name(&self, manifests: &Manifests) -> String {
        let namespace = self.namespace.unwrap_or(DEFAULT_NAMESPACE);
        let is_taken = |name: &String| {
            manifests.names.iter().any(|(kind, other_namespace, other)| {
                OBJECTS.contains(&&**kind) && other_namespace == namespace && other == name
            })
        };
        let plain = shortened(&self.name.replace('.', "-"), "");
        let numbered = (2..).map(|number| shortened(&plain, &format!("-envoy-{number}")));
        let mut names = [plain.clone(), shortened(&plain, "-envoy")].into_iter().chain(numbered);
        names.find(|name| !is_taken(name)).unwrap_or(plain)
    }

    /// A headless Service for each Service that has none.
    fn headless(&self, manifests: &Manifests, remarks: &mut Remarks) -> Vec<Headless<'_>> {
        let mut all: Vec<Headless<'_>> = Vec::new();
        for (_, backend) in self.backends.in_use() {
            let service = backend.service;
            let name = headless_name(service, manifests);
            let here = |one: &&Service| one.name() == name && one.namespace() == service.namespace();
            let (Target::Dns(_, port), Some(selector)) = (&backend.target, &service.spec.selector) else {
                continue;
            };
            match manifests.services.iter().find(here) {
                Some(one) if one.spec.is_headless() => {}
                Some(other) => {
                    let message =
                        format!("a Service of this name would be written for the pods of {}", service.name());
                    remarks.error(other.place(), message, "give this Service another name");
                }
                None => {
                    let (of, namespace) = (service.name(), service.written_namespace());
                    if all.iter().any(|one| one.name == name && one.namespace == namespace) {
                        continue;
                    }
                    all.push(Headless { name, of, namespace, selector: &selector.value, port: *port });
                }
            }
        }
        all
    }

    /// The files of endpoints that the configuration refers to: the path, whether the endpoints are known, and the
    /// values for `endpoints.yaml.jinja`.
    pub fn files(&self, remarks: &mut Remarks) -> Vec<(&Path, bool, Value)> {
        let mut files = Vec::new();
        for (_, backend) in self.backends.in_use() {
            let Target::File(path, pods) = &backend.target else { continue };
            for pod in pods {
                if let Host::Name(name) = &pod.host {
                    let message = format!("{name} is not an IP address: EDS allows only IP addresses");
                    remarks.error(argument("--endpoints", name), message, "write an IP address");
                }
            }
            let health_port = backend.health.as_ref().and_then(|health| health.port);
            let endpoint = |pod: &Pod| context! { address => pod.host.to_string(), port => pod.port };
            let endpoints: Vec<Value> = pods.iter().map(endpoint).collect();
            let values = context! { service => backend.name, endpoints, health_port };
            files.push((&**path, !pods.is_empty(), values));
        }
        files
    }

    /// The variable that holds the key, if there is one.
    fn key_env(&self) -> Option<&str> {
        let needed = self.pins_endpoints().then_some(KEY_ENV);
        self.options.key_env.as_deref().or(needed)
    }

    fn pins_endpoints(&self) -> bool {
        self.backends.services.iter().any(|service| service.pin(&self.backends).is_some())
    }

    /// The access log of a service, if logging is on.
    fn log(&self, service: &FilterService) -> Option<Value> {
        let millionths = service.lead(&self.backends)?.policy.logged_millionths?;
        Some(context! { route => service.name, millionths })
    }

    fn title(&self, what: &str) -> String {
        let files: Vec<String> = self.options.files.iter().map(|file| file.display().to_string()).collect();
        let (kind, name) = (self.kind, self.name);
        format!("The GKE {kind} {name} as {what}, made by session-affinity from {}.", files.join(", "))
    }

    /// All clusters. A cluster that several Services share appears once.
    fn clusters(&self, remarks: &mut Remarks) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for (index, backend) in self.backends.in_use() {
            for new in Cluster::of(backend, self.backends.is_in_split(index)) {
                let place = backend.service.at(backend.port);
                let is_there =
                    |other: &&Cluster| other.name == new.name || other.common_address(&new).is_some();
                match clusters.iter().find(is_there) {
                    Some(other) if *other == new => {}
                    Some(other) if other.name == new.name => {
                        let why = "its Services differ in protocol, health check or address";
                        let message = format!("two different definitions of the cluster {}: {why}", new.name);
                        remarks.error(
                            place,
                            message,
                            "give these Services the same protocol, health check and address",
                        );
                    }
                    Some(other) => {
                        let address = other.common_address(&new).unwrap_or_default();
                        let message = format!(
                            "the clusters {} and {} have the same address, {address}",
                            other.name, new.name
                        );
                        let help = "give addresses without ports if a Service has several target ports";
                        remarks.error(place, message, help);
                    }
                    None => clusters.push(new),
                }
            }
        }
        clusters
    }

    /// The two tables of the heading: hosts and paths with their services, and services with their affinity.
    fn tables(&self) -> [Vec<String>; 2] {
        let mut rows: Vec<(String, String)> = Vec::new();
        for host in &self.hosts {
            for route in &host.routes {
                let domain = host.domains.join(", ");
                let domain = if domain == "*" { "any other host ".to_owned() } else { domain };
                rows.push((format!("{domain}{}", route.shown), route.name.clone()));
            }
        }
        let services = &self.backends.services;
        let services = services.iter().map(|service| (service.name.clone(), self.summary(service)));
        [aligned(&rows), aligned(&services.collect::<Vec<_>>())]
    }

    /// A service's affinity, and its pods.
    fn summary(&self, service: &FilterService) -> String {
        let policy = service.lead(&self.backends).map(|lead| &lead.policy);
        let lifetime = match policy.and_then(|policy| policy.cookie_ttl_sec) {
            Some(seconds) if seconds > 0 => format!("{seconds} seconds"),
            _ => "until the browser closes".to_owned(),
        };
        let is_by_address = policy.is_some_and(|policy| policy.affinity_type == AffinityType::ClientIp);
        let affinity = match &service.cookie {
            Some(cookie) => format!("cookie {cookie}, {lifetime}"),
            None if is_by_address => "CLIENT_IP".to_owned(),
            None => "NONE".to_owned(),
        };
        let targets: Vec<String> = service
            .own(&self.backends)
            .map(|(backend, weight)| {
                let target = match &backend.target {
                    Target::Pods(pods) => pods.iter().map(|pod| &*pod.cluster).collect::<Vec<_>>().join(", "),
                    Target::File(path, _) => path.display().to_string(),
                    Target::Dns(host, port) => format!("{host}:{port}"),
                };
                if service.backends.len() > 1 { format!("{weight} × {target}") } else { target }
            })
            .collect();
        format!("{affinity}   {}", targets.join(", "))
    }
}

fn aligned(rows: &[(String, String)]) -> Vec<String> {
    let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    rows.iter().map(|(what, service)| format!("{what:width$}   {service}")).collect()
}

/// Envoy's `SocketAddress`.
fn address(address: SocketAddr) -> Value {
    context! {
        address => address.ip().to_string(),
        port_value => address.port(),
        ipv4_compat => (address.ip() == Ipv6Addr::UNSPECIFIED).then_some(true),
    }
}
