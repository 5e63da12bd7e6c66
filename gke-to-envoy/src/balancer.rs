//! What GKE makes of an Ingress: a balancer with a table of hosts and paths, and behind it one backend service for each
//! port of a Service.

use crate::headers;
use crate::health::{self, Health};
use crate::manifest::{
    AffinityType, AppProtocol, Backend, BackendConfig, Ingress, Logging, Manifests, Service, ServicePort,
};
use crate::options::Options;
use crate::pods::{Pod, Pods};
use crate::report::{Place, Report};
use crate::url_map::{self, Host};

/// The cookie of the first service that makes one.
const COOKIE: &str = "GCLB";

/// A balancer.
#[derive(Debug)]
pub struct Balancer {
    /// The Ingress's name.
    pub name: String,
    /// Hosts and paths; a path leads to a service by its name.
    pub hosts: Vec<Host<String>>,
    /// Where everything else goes; 404 where there is nothing.
    pub default: Option<String>,
    /// In the order in which the Ingress names them, its default backend first.
    pub services: Vec<BackendService>,
}

/// A Service's port, and how requests are sent there.
#[derive(Debug)]
pub struct BackendService {
    /// The filter's name for it, and that of its routes.
    pub name: String,
    /// Where the Service's port stands.
    pub place: Place,
    /// What ties a request to a pod.
    pub affinity_type: AffinityType,
    /// The life of a session, where it is written.
    pub cookie_ttl_sec: Option<u32>,
    /// The cookie's name, where it makes one.
    pub cookie: Option<String>,
    /// The pods.
    pub pods: Vec<Pod>,
    /// How they are spoken to.
    pub protocol: AppProtocol,
    /// How long a response may take, where it is written. (GKE's own 30 s would end streams that nobody wants ended.)
    pub timeout_sec: Option<u32>,
    /// Whether a pod is well.
    pub health: Health,
    /// Headers for the pods, in Envoy's language.
    pub request_headers: Vec<(String, String)>,
    /// Headers for the client, in Envoy's language.
    pub response_headers: Vec<(String, String)>,
    /// Which requests are logged.
    pub logging: Option<Logging>,
}

impl Balancer {
    /// The balancer of one Ingress. Where the report has errors after this, it means nothing.
    pub fn of(manifests: &Manifests, options: &Options, report: &mut Report) -> Option<Self> {
        let ingress = chosen(&manifests.ingresses, options.ingress.as_deref(), report)?;
        report.add(&ingress.remarks);
        let hosts = url_map::hosts(ingress, report);
        let paths = hosts.iter().flat_map(|host| host.paths.iter().map(|path| &path.target));
        let backends: Vec<&Backend> = ingress.default.iter().chain(paths).collect();
        let pods = Pods {
            workloads: &manifests.workloads,
            services: &manifests.services,
            endpoints: &options.endpoints,
            needs_addresses: options.eds.is_some(),
        };
        let mut maker = Maker { manifests, pods, services: Vec::new(), used: Vec::new(), cookie_owner: None };
        for backend in &backends {
            maker.add(backend, ingress.metadata.namespace(), report);
        }
        if backends.is_empty() && report.errors() == 0 {
            report.error(
                &ingress.metadata.place,
                "no request is sent anywhere; allowed: a default backend or paths",
            );
        }
        maker.pods.refuse_unknown(report);
        maker.note_unused(report);
        let name_of = |backend: &Backend| maker.name_of(backend, ingress.metadata.namespace());
        let default = ingress.default.as_ref().and_then(name_of);
        let hosts = hosts.into_iter().map(|host| host.map(|backend| name_of(&backend))).collect();
        Some(Self { name: ingress.metadata.name.clone(), hosts, default, services: maker.services })
    }
}

fn chosen<'a>(ingresses: &'a [Ingress], name: Option<&str>, report: &mut Report) -> Option<&'a Ingress> {
    let full = |ingress: &Ingress| format!("{}/{}", ingress.metadata.namespace(), ingress.metadata.name);
    let is_named =
        |ingress: &&Ingress| name.is_none_or(|name| ingress.metadata.name == name || full(ingress) == name);
    let candidates: Vec<&Ingress> = ingresses.iter().filter(is_named).collect();
    let names = || ingresses.iter().map(full).collect::<Vec<_>>().join(", ");
    match (&*candidates, name) {
        ([ingress], _) => return Some(ingress),
        ([], None) => report.error(&Place::argument("FILE"), "no Ingress among the manifests; allowed: one"),
        ([], Some(name)) => {
            report.mistake(&Place::argument("--ingress"), "no such Ingress", &names(), name);
        }
        (several, _) => {
            for ingress in several.iter().skip(1) {
                let text = "a second Ingress, which has a balancer of its own in GKE";
                report.mistake(&ingress.metadata.place, text, "one, chosen with --ingress", names());
            }
        }
    }
    None
}

struct Maker<'a> {
    manifests: &'a Manifests,
    pods: Pods<'a>,
    services: Vec<BackendService>,
    /// What each of `services` was made of.
    used: Vec<(&'a Service, &'a ServicePort, Option<&'a BackendConfig>)>,
    cookie_owner: Option<String>,
}

impl<'a> Maker<'a> {
    fn add(&mut self, backend: &Backend, namespace: &str, report: &mut Report) {
        let Some((service, port)) = self.find(backend, namespace) else {
            return self.say_what_is_missing(backend, namespace, report);
        };
        if self.used.iter().any(|(_, other, _)| std::ptr::eq(*other, port)) {
            return;
        }
        let config = self.config(service, port, report);
        let new = self.backend_service(service, port, config, report);
        if let Some(twin) = self.services.iter().find(|other| other.name == new.name) {
            report.error(&port.place, format!("a second service would be called {}", twin.name));
        }
        self.used.push((service, port, config));
        self.services.push(new);
    }

    fn find(&self, backend: &Backend, namespace: &str) -> Option<(&'a Service, &'a ServicePort)> {
        let service = self.service(backend, namespace)?;
        Some((service, service.port(&backend.port)?))
    }

    fn service(&self, backend: &Backend, namespace: &str) -> Option<&'a Service> {
        self.manifests.services.iter().find(|service| {
            service.metadata.name == backend.service && service.metadata.namespace() == namespace
        })
    }

    fn say_what_is_missing(&self, backend: &Backend, namespace: &str, report: &mut Report) {
        if let Some(service) = self.service(backend, namespace) {
            let numbers = service.ports.iter().map(|port| port.number.to_string());
            let names = service.ports.iter().filter_map(|port| port.name.clone());
            let allowed = numbers.chain(names).collect::<Vec<_>>().join(", ");
            let wrong = format!("Service {} has no such port", backend.service);
            return report.mistake(&backend.port_place, &wrong, &allowed, &backend.port);
        }
        let here = self.manifests.services.iter().filter(|service| service.metadata.namespace() == namespace);
        let names = here.map(|service| &*service.metadata.name).collect::<Vec<_>>();
        let allowed =
            if names.is_empty() { "a Service among the manifests".to_owned() } else { names.join(", ") };
        let wrong = format!("no such Service in namespace {namespace}");
        report.mistake(&backend.place, &wrong, &allowed, format_args!("{:?}", backend.service));
    }

    fn config(
        &self,
        service: &Service,
        port: &ServicePort,
        report: &mut Report,
    ) -> Option<&'a BackendConfig> {
        let names = service.backend_configs.as_ref()?;
        let name = names.of(port)?;
        let namespace = service.metadata.namespace();
        let all = self.manifests.backend_configs.iter();
        let mut here = all.filter(|config| config.metadata.namespace() == namespace);
        let found = here.clone().find(|config| config.metadata.name == name);
        if let Some(config) = found {
            report.add(&config.remarks);
        } else {
            let names_here =
                here.by_ref().map(|config| &*config.metadata.name).collect::<Vec<_>>().join(", ");
            let allowed =
                if names_here.is_empty() { "a BackendConfig among the manifests" } else { &names_here };
            let wrong = format!("no such BackendConfig in namespace {namespace}");
            report.mistake(&names.place, &wrong, allowed, format_args!("{name:?}"));
        }
        found
    }

    fn backend_service(
        &mut self,
        service: &'a Service,
        port: &'a ServicePort,
        config: Option<&BackendConfig>,
        report: &mut Report,
    ) -> BackendService {
        let name = name(service, port);
        let affinity = config.and_then(|config| config.affinity.as_ref());
        let affinity_type = affinity.map_or(AffinityType::None, |affinity| affinity.affinity_type);
        let protocol = port.name.as_ref().and_then(|name| service.protocols.get(name));
        let protocol = protocol.copied().unwrap_or(AppProtocol::Http);
        let cookie =
            (affinity_type == AffinityType::GeneratedCookie).then(|| self.cookie(&name, port, report));
        let workloads = self.pods.selected(service);
        BackendService {
            affinity_type,
            cookie_ttl_sec: affinity.and_then(|affinity| affinity.cookie_ttl_sec),
            cookie,
            pods: self.pods.of(service, port, report),
            protocol,
            timeout_sec: config.and_then(|config| config.timeout_sec),
            health: health::of(&workloads, port, protocol, config, report),
            request_headers: config
                .map_or_else(Vec::new, |config| headers::translated(&config.request_headers, report)),
            response_headers: config
                .map_or_else(Vec::new, |config| headers::translated(&config.response_headers, report)),
            logging: config.and_then(|config| config.logging),
            place: port.place.clone(),
            name,
        }
    }

    /// In one browser, two cookies of one name would overwrite each other.
    fn cookie(&mut self, name: &str, port: &ServicePort, report: &mut Report) -> String {
        let Some(owner) = &self.cookie_owner else {
            self.cookie_owner = Some(name.to_owned());
            return COOKIE.to_owned();
        };
        let cookie = format!("{COOKIE}-{name}");
        let text = format!(
            "its cookie is {cookie}: {COOKIE} is that of {owner}, and services have cookies of their own"
        );
        report.note(&port.place, text);
        cookie
    }

    fn name_of(&self, backend: &Backend, namespace: &str) -> Option<String> {
        let (service, port) = self.find(backend, namespace)?;
        Some(name(service, port))
    }

    /// A manifest that changes nothing may be one that was forgotten in another.
    fn note_unused(&self, report: &mut Report) {
        let services = self.used.iter().map(|(service, _, _)| *service);
        for service in &self.manifests.services {
            if !services.clone().any(|used| std::ptr::eq(used, service)) {
                report
                    .note(&service.metadata.place, "not used: the Ingress sends no request to this Service");
            }
        }
        for workload in &self.manifests.workloads {
            let is_used = |service: &Service| {
                self.pods.selected(service).iter().any(|used| std::ptr::eq(*used, workload))
            };
            if !services.clone().any(is_used) {
                let text =
                    format!("not used: no Service of the Ingress has the pods of this {}", workload.kind);
                report.note(workload.place(), text);
            }
        }
        for config in &self.manifests.backend_configs {
            let is_it = |used: &BackendConfig| std::ptr::eq(used, config);
            if !self.used.iter().any(|(_, _, used)| used.is_some_and(is_it)) {
                report.note(
                    &config.metadata.place,
                    "not used: no Service of the Ingress names this BackendConfig",
                );
            }
        }
    }
}

/// The Service's name; with the number of the port where it is not the Service's first. It does not depend on what
/// else the Ingress names: sessions are bound to it.
fn name(service: &Service, port: &ServicePort) -> String {
    let name = &service.metadata.name;
    let is_first = service.ports.first().is_some_and(|first| first.number == port.number);
    if is_first {
        return name.clone();
    }
    // The filter takes names of at most 64 bytes, Kubernetes Services of at most 63, in ASCII.
    let suffix = format!("_{}", port.number);
    name.chars().take(64 - suffix.len()).chain(suffix.chars()).collect()
}
