//! An Ingress as GKE reads it.

use serde_saphyr::Spanned;

use super::backends::{Backends, Reference};
use super::balancer::Balancer;
use super::configuration::{Changes, Match, Route, VirtualHost};
use super::manifests::ingress::{HttpPath, IngressBackend, PathType};
use super::manifests::{Ingress, Manifests};
use super::options::Options;
use super::pods::Pods;
use super::remarks::Remarks;
use super::url_map::{self, Path, PathRule, Rule};

const CLASS: &str = "kubernetes.io/ingress.class";
const INTERNAL: &str = "gce-internal";
const CLASSES: [&str; 4] = ["", "gce", INTERNAL, "gce-regional-external"];

const TLS: &str = "the written listener uses plain HTTP: add a certificate (`transport_socket`), \
                   or terminate TLS before Envoy";
const ADDRESS: &str = "Envoy has the address of its own machine or Service";

/// Annotations of a GKE Ingress that are not supported.
const NOT_SUPPORTED: [(&str, &str); 7] = [
    ("kubernetes.io/ingress.global-static-ip-name", ADDRESS),
    ("kubernetes.io/ingress.regional-static-ip-name", ADDRESS),
    ("ingress.gcp.kubernetes.io/pre-shared-cert", TLS),
    ("networking.gke.io/managed-certificates", TLS),
    ("networking.gke.io/pre-shared-certs", TLS),
    (
        "networking.gke.io/v1beta1.FrontendConfig",
        "configure its redirects and TLS policies in Envoy's listener",
    ),
    ("networking.gke.io/internal-load-balancer-allow-global-access", ADDRESS),
];

/// The load balancer of an Ingress. Only meaningful if there are no errors.
pub fn balancer<'a>(
    ingress: &'a Ingress,
    manifests: &'a Manifests,
    options: &'a Options,
    remarks: &mut Remarks,
) -> Balancer<'a> {
    check_class(ingress, remarks);
    report_unsupported(ingress, remarks);
    let pods = Pods { manifests, options, namespace: ingress.namespace(), has_namespaces: false };
    let mut backends = Backends::new(manifests, pods, false);
    let (default, rules) = references(ingress, remarks);
    let default = default.and_then(|default| backends.add(&default, remarks));
    let mut hosts = Vec::new();
    let mut others = Vec::new();
    for host in url_map::hosts(rules, remarks) {
        let target = |path: Path<Reference>| {
            let Path { text, is_prefix, target } = path;
            Some(Path { text, is_prefix, target: backends.add(&target, remarks)? })
        };
        let mut paths: Vec<Path<usize>> = host.paths.into_iter().filter_map(target).collect();
        url_map::sort(&mut paths);
        if host.name == "*" {
            others = paths;
        } else {
            hosts.push((host.name.clone(), host.name, paths));
        }
    }
    if backends.all.is_empty() && remarks.errors() == 0 {
        remarks.error(ingress.place(), "no request is sent anywhere", "write a default backend or paths");
    }
    backends.finish(remarks);
    hosts.push(("any-other-host".to_owned(), "*".to_owned(), others));
    let host = |(name, domain, paths): (String, String, Vec<Path<usize>>)| VirtualHost {
        name,
        domains: vec![domain],
        routes: routes(&paths, default, &backends),
    };
    let hosts = hosts.into_iter().map(host).collect();
    let timeouts = backends.all.iter().filter_map(|backend| backend.policy.timeout_sec);
    Balancer {
        kind: "Ingress",
        name: ingress.name(),
        namespace: ingress.written_namespace(),
        is_internal: ingress.annotation(CLASS).is_some_and(|class| class.value == INTERNAL),
        shortest_timeout_ms: timeouts.min().map_or(u64::MAX, |seconds| u64::from(seconds) * 1000),
        backends,
        hosts,
        options,
    }
}

/// Reports an Ingress of another class, because GKE would ignore it.
fn check_class(ingress: &Ingress, remarks: &mut Remarks) {
    let annotation = ingress.annotation(CLASS);
    if let Some(class) = annotation.filter(|class| !CLASSES.contains(&&*class.value)) {
        let message = format!("not a GKE Ingress: the class is {:?}", class.value);
        let help = "write gce, gce-internal or gce-regional-external, or leave the annotation out";
        remarks.error(ingress.at(class), message, help);
    }
    if let Some(class) = ingress.spec.ingress_class_name.as_ref().filter(|_| annotation.is_none()) {
        let is_known = !class.value.is_empty() && CLASSES.contains(&&*class.value);
        let written = if is_known { &*class.value } else { "gce" };
        let help = format!("write the annotation {CLASS}: {written} in place of this field");
        remarks.error(ingress.at(class), "not a GKE Ingress: GKE does not read this field", help);
    }
}

fn report_unsupported(ingress: &Ingress, remarks: &mut Remarks) {
    for (name, why) in NOT_SUPPORTED {
        if let Some(annotation) = ingress.annotation(name).filter(|annotation| !annotation.value.is_empty()) {
            remarks.not_carried_over(ingress.at(annotation), why);
        }
    }
    let allow_http = ingress.annotation("kubernetes.io/ingress.allow-http");
    if let Some(annotation) = allow_http.filter(|annotation| annotation.value == "false") {
        remarks.not_carried_over(ingress.at(annotation), TLS);
    }
    for tls in ingress.spec.tls.iter().flatten() {
        remarks.not_carried_over(ingress.at(tls), TLS);
    }
}

/// The default backend and the rules of an Ingress.
fn references(ingress: &Ingress, remarks: &mut Remarks) -> (Option<Reference>, Vec<Rule<Reference>>) {
    let spec = &ingress.spec;
    let is_v1 = ingress.version == "networking.k8s.io/v1";
    let (default, other, name) = if is_v1 {
        (&spec.default_backend, &spec.backend, "defaultBackend")
    } else {
        (&spec.backend, &spec.default_backend, "backend")
    };
    if let Some(other) = other {
        let unknown = if is_v1 { "backend" } else { "defaultBackend" };
        let message = format!("unknown field `{unknown}` in {}", ingress.version);
        remarks.error(ingress.at(other), message, format!("write `{name}`"));
    } else if default.is_none() && spec.rules.iter().all(Vec::is_empty) {
        let message = "there is neither a default backend nor a rule";
        remarks.error(ingress.place(), message, format!("write `{name}`, `rules`, or both"));
    }
    let default = default.as_ref().and_then(|backend| reference(ingress, backend, remarks));
    let mut rules = Vec::new();
    for rule in spec.rules.iter().flatten() {
        let Some(http) = &rule.value.http else {
            let text = "a rule without paths is ignored, as in GKE: its host is handled like any other host";
            remarks.note(ingress.at(rule), text);
            continue;
        };
        let host = rule.value.host.as_ref().map(|host| host.0.clone()).filter(|host| !host.is_empty());
        let paths = http.paths.iter().filter_map(|path| path_rule(ingress, path, remarks)).collect();
        rules.push(Rule { host: host.unwrap_or_else(|| "*".to_owned()), paths, place: ingress.at(rule) });
    }
    (default, rules)
}

fn path_rule(
    ingress: &Ingress,
    written: &Spanned<HttpPath>,
    remarks: &mut Remarks,
) -> Option<PathRule<Reference>> {
    let HttpPath { path, path_type, backend } = &written.value;
    if path_type.is_none() && ingress.version == "networking.k8s.io/v1" {
        let help = "add Exact, Prefix or ImplementationSpecific";
        remarks.error(ingress.at(written), "missing field `pathType`", help);
        return None;
    }
    let target = reference(ingress, backend, remarks)?;
    let path_type = path_type.unwrap_or(PathType::ImplementationSpecific);
    let place = path.as_ref().map_or_else(|| ingress.at(written), |path| ingress.at(path));
    let path = path.as_ref().map_or_else(String::new, |path| path.value.clone());
    let (is_right, help) = is_path(&path, path_type);
    if !is_right {
        remarks.error(place, format!("not a path of this type: {path:?}"), help);
        return None;
    }
    Some(PathRule { path, path_type, place, target })
}

/// Whether Kubernetes and GKE accept a path of this type, and what to write otherwise.
fn is_path(path: &str, path_type: PathType) -> (bool, &'static str) {
    let is_exact = |path: &str| {
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?#".contains(&byte))
    };
    if path_type == PathType::ImplementationSpecific {
        let base = path.strip_suffix('*').filter(|base| base.ends_with('/')).unwrap_or(path);
        let allowed = "leave `path` out, or write `/` and what follows it, visible ASCII without `?` and `#`; `*` only \
                       after a `/` at its end";
        return (path.is_empty() || is_exact(base), allowed);
    }
    let has_odd_parts = path.split('/').any(|part| part == "." || part == "..")
        || path.contains("//")
        || path.to_ascii_lowercase().contains("%2f");
    let allowed =
        "write `/` and what follows it, visible ASCII without `*`, `?`, `#`, `//`, `/./`, `/../`, `%2f`";
    (is_exact(path) && !has_odd_parts, allowed)
}

fn reference(
    ingress: &Ingress,
    backend: &Spanned<IngressBackend>,
    remarks: &mut Remarks,
) -> Option<Reference> {
    let is_v1 = ingress.version == "networking.k8s.io/v1";
    let IngressBackend { service, resource, service_name, service_port } = &backend.value;
    if let Some(resource) = resource {
        let message = "a GKE Ingress sends requests only to Services";
        remarks.error(ingress.at(resource), message, "write a Service");
        return None;
    }
    let namespace = ingress.namespace().to_owned();
    match (service, service_name, service_port) {
        (Some(service), None, None) if is_v1 => {
            let port = service.port.value.reference();
            if port.is_none() {
                let message = "a port has either a name or a number";
                remarks.error(ingress.at(&service.port), message, "write {name: …} or {number: …}");
            }
            let (place, port_place) = (ingress.at(&service.name), ingress.at(&service.port));
            Some(Reference { namespace, service: service.name.value.clone(), port: port?, place, port_place })
        }
        (None, Some(name), Some(port)) if !is_v1 => {
            let (place, port_place) = (ingress.at(name), ingress.at(port));
            Some(Reference {
                namespace,
                service: name.value.clone(),
                port: port.value.clone(),
                place,
                port_place,
            })
        }
        _ => {
            let message = format!("not a backend of {}", ingress.version);
            let v1 = "write {service: {name: …, port: {number: …}}}";
            let help = if is_v1 { v1 } else { "write {serviceName: …, servicePort: …}" };
            remarks.error(ingress.at(backend), message, help);
            None
        }
    }
}

/// The routes of a host. If a path and its subpaths lead to the same service, they become one route. The route has the
/// position of the path, so longer paths with this prefix come before it.
fn routes(paths: &[Path<usize>], default: Option<usize>, backends: &Backends<'_>) -> Vec<Route> {
    let is_below = |path: &Path<usize>, below: &Path<usize>| {
        below.is_prefix && below.text.strip_suffix('/') == Some(&*path.text) && path.target == below.target
    };
    let mut all = Vec::new();
    for path in paths {
        if paths.iter().any(|alone| !alone.is_prefix && is_below(alone, path)) {
            continue;
        }
        let has_below = !path.is_prefix && paths.iter().any(|below| is_below(path, below));
        let field = match (path.is_prefix, has_below) {
            (true, _) => "prefix",
            (false, true) => "path_separated_prefix",
            (false, false) => "path",
        };
        all.push((Match::path(field, &*path.text), Some(path.target)));
    }
    let everything = Match::path("prefix", "/");
    if !all.iter().any(|(shape, _)| *shape == everything) {
        all.push((everything, default));
    }
    let route = |(shape, target): (Match, Option<usize>)| match target
        .and_then(|index| backends.services.get(index))
    {
        Some(service) => Route::to(&shape, service, backends, Changes::default()),
        None => Route::not_found(&shape),
    };
    all.into_iter().map(route).collect()
}
