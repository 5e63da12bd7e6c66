//! A Gateway as GKE reads it: which hosts lead to which `HTTPRoute`s.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;

use super::backends::Backends;
use super::balancer::Balancer;
use super::configuration::{Match, Route, VirtualHost};
use super::http_route::{Candidate, Converter};
use super::manifests::gateway::{FromNamespaces, Listener, ParentRef};
use super::manifests::ingress::Hostname;
use super::manifests::{Gateway, HttpRoute, Manifests};
use super::options::Options;
use super::pods::Pods;
use super::remarks::Remarks;

const TLS: &str = "the written listener uses plain HTTP on one port: add a certificate (`transport_socket`), or \
                   terminate TLS before Envoy";

/// An `HTTPRoute`, and the hosts for which the Gateway accepts it.
struct Attached<'a> {
    route: &'a HttpRoute,
    /// `*` is every host.
    domains: BTreeSet<String>,
}

/// The load balancer of a Gateway. Only meaningful if there are no errors.
pub fn balancer<'a>(
    gateway: &'a Gateway,
    manifests: &'a Manifests,
    options: &'a Options,
    remarks: &mut Remarks,
) -> Balancer<'a> {
    check(gateway, remarks);
    let attached: Vec<Attached<'_>> = manifests
        .http_routes
        .iter()
        .filter_map(|route| attached(gateway, route, manifests, remarks))
        .collect();
    let has_namespaces = namespaces_in_use(&attached).len() > 1;
    let pods = Pods { manifests, options, namespace: gateway.namespace(), has_namespaces };
    let mut converter =
        Converter { backends: Backends::new(manifests, pods, true), shortest_timeout_ms: u64::MAX };
    let mut hosts: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for Attached { route, domains } in attached {
        for candidate in converter.candidates(route, remarks) {
            for domain in &domains {
                if repeats_on_https(gateway, domain, &candidate) {
                    let message = "not carried over: the output has one listener for all requests, so this redirect \
                                   would also apply to requests that came over HTTPS";
                    let help = "configure the redirect where TLS ends";
                    remarks.warning(candidate.place.clone(), message, help);
                    continue;
                }
                add(hosts.entry(domain.clone()).or_default(), domain, candidate.clone(), remarks);
            }
        }
    }
    let Converter { mut backends, shortest_timeout_ms } = converter;
    // A service of a rule that was left out has no route.
    let has_route = |name: &str| hosts.values().flatten().any(|candidate| candidate.route.name == name);
    backends.services.retain(|service| has_route(&service.name));
    if backends.services.is_empty() && remarks.errors() == 0 {
        let message = "no request is sent to a Service, so there is nothing for the filter to do";
        let help = "add an HTTPRoute with this Gateway among its parentRefs and with backendRefs in a rule";
        remarks.error(gateway.place(), message, help);
    }
    backends.finish(remarks);
    let others = hosts.remove("*").unwrap_or_default();
    let mut hosts: Vec<(String, String, Vec<Candidate>)> =
        hosts.into_iter().map(|(domain, routes)| (domain.clone(), domain, routes)).collect();
    hosts.push(("any-other-host".to_owned(), "*".to_owned(), others));
    let host = |(name, domain, mut routes): (String, String, Vec<Candidate>)| {
        routes.sort_by_key(|candidate| Reverse(candidate.precedence));
        let mut routes: Vec<Route> = routes.into_iter().map(|candidate| candidate.route).collect();
        routes.push(Route::not_found(&Match::path("prefix", "/")));
        VirtualHost { name, domains: vec![domain], routes }
    };
    let policies = backends.all.iter().filter_map(|backend| backend.policy.timeout_sec);
    let shortest = policies.map(|seconds| u64::from(seconds) * 1000).min().unwrap_or(u64::MAX);
    let class = &gateway.spec.gateway_class_name.value;
    Balancer {
        kind: "Gateway",
        name: gateway.name(),
        namespace: gateway.written_namespace(),
        is_internal: class.contains("rilb") || class.contains("internal"),
        shortest_timeout_ms: shortest_timeout_ms.min(shortest),
        hosts: hosts.into_iter().map(host).collect(),
        backends,
        options,
    }
}

/// Adds a route to a host. Reports the route if an earlier route has the same match, because no request would reach it.
fn add(routes: &mut Vec<Candidate>, domain: &str, new: Candidate, remarks: &mut Remarks) {
    match routes.iter().find(|known| known.shape == new.shape) {
        None => routes.push(new),
        Some(known) if known.route == new.route => {}
        Some(known) => {
            let known = known.place.file_and_line();
            let host = if domain == "*" { "all hosts" } else { domain };
            let message = format!(
                "not carried over: the rule at {known} has the same match for {host}, so no request reaches this rule"
            );
            remarks.warning(new.place, message, "leave one of the two rules out, or give it another match");
        }
    }
}

/// Whether a candidate redirects requests to HTTPS that an HTTPS listener would accept. The written listener has the
/// requests of all listeners, so the redirect would lead to itself.
fn repeats_on_https(gateway: &Gateway, domain: &str, candidate: &Candidate) -> bool {
    let accepts = |listener: &Spanned<Listener>| {
        let domain = if domain == "*" { "" } else { domain };
        listener.value.protocol.value == "HTTPS" && common(own_host(&listener.value), domain).is_some()
    };
    let is_to_itself = candidate.redirect.as_ref().is_some_and(|redirect| {
        redirect.is_to_https && redirect.host.as_ref().is_none_or(|host| host == domain)
    });
    is_to_itself && gateway.spec.listeners.iter().any(accepts)
}

/// The namespaces of the Services that requests are sent to.
fn namespaces_in_use(attached: &[Attached<'_>]) -> BTreeSet<String> {
    let of_route = |route: &HttpRoute| -> Vec<String> {
        let rules = route.spec.rules.iter().flatten();
        let backends = rules.flat_map(|rule| rule.value.backend_refs.iter().flatten());
        let namespace = route.namespace();
        backends.map(|one| one.value.namespace.as_deref().unwrap_or(namespace).to_owned()).collect()
    };
    attached.iter().flat_map(|attached| of_route(attached.route)).collect()
}

/// Reports settings of a Gateway that are not supported.
fn check(gateway: &Gateway, remarks: &mut Remarks) {
    let class = &gateway.spec.gateway_class_name;
    if !class.value.starts_with("gke-l7-") {
        let message = format!("not a GKE Gateway: the class is {:?}", class.value);
        remarks.error(
            gateway.at(class),
            message,
            "write one of GKE's classes, such as gke-l7-global-external-managed",
        );
    }
    for address in gateway.spec.addresses.iter().flatten() {
        remarks.not_carried_over(gateway.at(address), "Envoy has the address of its own machine or Service");
    }
    for listener in &gateway.spec.listeners {
        match &*listener.value.protocol.value {
            "HTTP" => {}
            "HTTPS" => remarks.not_carried_over(gateway.at(&listener.value.protocol), TLS),
            other => {
                let message = format!("a listener with the protocol {other} accepts no HTTPRoutes");
                remarks.error(gateway.at(&listener.value.protocol), message, "write HTTP or HTTPS");
            }
        }
        let from = namespaces(&listener.value).filter(|from| from.value == FromNamespaces::Selector);
        if let Some(from) = from {
            let message = "not carried over: the labels of namespaces are not known, so the HTTPRoutes of all \
                           namespaces are accepted";
            let help = "leave out the HTTPRoutes of namespaces that the selector does not select";
            remarks.warning(gateway.at(from), message, help);
        }
    }
}

/// The hosts for which a Gateway accepts an `HTTPRoute`. Reports what the Gateway does not accept.
fn attached<'a>(
    gateway: &Gateway,
    route: &'a HttpRoute,
    manifests: &Manifests,
    remarks: &mut Remarks,
) -> Option<Attached<'a>> {
    let is_parent = |parent: &&ParentRef| is_gateway(parent, route, gateway);
    let parents: Vec<&ParentRef> = route.spec.parent_refs.iter().flatten().filter(is_parent).collect();
    if parents.is_empty() {
        report_parents(gateway, route, manifests, remarks);
        return None;
    }
    let is_meant = |listener: &&Listener| {
        parents.iter().any(|parent| {
            parent.section_name.as_ref().is_none_or(|wanted| *wanted == listener.name)
                && parent.port.is_none_or(|wanted| wanted == listener.port)
        })
    };
    let meant = || gateway.spec.listeners.iter().map(|listener| &listener.value).filter(is_meant);
    if meant().next().is_none() {
        let shown =
            |listener: &Spanned<Listener>| format!("{} ({})", listener.value.name, listener.value.port.0);
        let known: Vec<String> = gateway.spec.listeners.iter().map(shown).collect();
        let message = format!(
            "not used: the Gateway {} has no listener with the `sectionName` and `port` of this HTTPRoute",
            gateway.name()
        );
        let help = format!("write the sectionName and the port of a listener: {}", known.join(", "));
        remarks.warning(route.place(), message, help);
        return None;
    }
    let is_here = route.namespace() == gateway.namespace();
    let accepts_namespace = |listener: &&Listener| match namespaces(listener).map(|from| from.value) {
        None | Some(FromNamespaces::Same) => is_here,
        Some(FromNamespaces::All | FromNamespaces::Selector) => true,
        Some(FromNamespaces::None) => false,
    };
    if !meant().any(|listener| accepts_namespace(&listener)) {
        let message = format!(
            "not used: the Gateway {} accepts no HTTPRoutes of the namespace {}",
            gateway.name(),
            route.namespace()
        );
        let help = "write `allowedRoutes: {namespaces: {from: All}}` into the listener";
        remarks.warning(route.place(), message, help);
        return None;
    }
    let accepting: Vec<&Listener> =
        meant().filter(accepts_namespace).filter(|listener| accepts_kind(listener)).collect();
    let domains_of = |host: &str| -> Vec<String> {
        let domains = accepting.iter().filter_map(|listener| common(own_host(listener), host));
        domains.map(str::to_owned).collect()
    };
    let hostnames: Vec<&Spanned<Hostname>> = route.spec.hostnames.iter().flatten().collect();
    let mut domains: BTreeSet<String> = BTreeSet::new();
    if hostnames.is_empty() {
        domains.extend(domains_of(""));
    }
    let mut unmatched = Vec::new();
    for host in hostnames {
        let found = domains_of(&host.value.0);
        if found.is_empty() {
            unmatched.push(host);
        }
        domains.extend(found);
    }
    if domains.is_empty() {
        remarks.note(route.place(), "not used: no listener of the Gateway accepts this HTTPRoute");
        return None;
    }
    for host in unmatched {
        remarks.note(route.at(host), "not used: no listener of the Gateway accepts this host");
    }
    Some(Attached { route, domains })
}

/// Whether a parent of an `HTTPRoute` is this Gateway.
fn is_gateway(parent: &ParentRef, route: &HttpRoute, gateway: &Gateway) -> bool {
    let namespace = parent.namespace.as_deref().unwrap_or(route.namespace());
    parent.is_gateway() && (&*parent.name.value, namespace) == (gateway.name(), gateway.namespace())
}

/// Reports an `HTTPRoute` that does not have this Gateway as a parent. A parent that no manifest has may be misspelt.
fn report_parents(gateway: &Gateway, route: &HttpRoute, manifests: &Manifests, remarks: &mut Remarks) {
    let parents = || route.spec.parent_refs.iter().flatten().filter(|parent| parent.is_gateway());
    let is_known = |parent: &ParentRef| manifests.gateways.iter().any(|one| is_gateway(parent, route, one));
    let Some(parent) = parents().next() else {
        return remarks.note(route.place(), "not used: its parent is no Gateway");
    };
    if parents().any(is_known) {
        return remarks.note(route.place(), "not used: its parent is another Gateway");
    }
    let (name, namespace) = (&parent.name.value, parent.namespace.as_deref().unwrap_or(route.namespace()));
    let name_field = (name != gateway.name()).then(|| format!("`name: {}`", gateway.name()));
    let namespace_field =
        (namespace != gateway.namespace()).then(|| format!("`namespace: {}`", gateway.namespace()));
    let fields: Vec<String> = name_field.into_iter().chain(namespace_field).collect();
    let message = format!("not used: no manifest has the Gateway `{namespace}/{name}`");
    let help = format!("write {}, or leave the HTTPRoute out", fields.join(" and "));
    remarks.warning(route.at(&parent.name), message, help);
}

/// The namespaces whose routes a listener accepts, if the listener names them.
fn namespaces(listener: &Listener) -> Option<&Spanned<FromNamespaces>> {
    listener.allowed_routes.as_ref()?.namespaces.as_ref()?.from.as_ref()
}

/// Whether a listener accepts `HTTPRoute`s.
fn accepts_kind(listener: &Listener) -> bool {
    let kinds = listener.allowed_routes.as_ref().and_then(|allowed| allowed.kinds.as_deref());
    kinds.is_none_or(|kinds| kinds.is_empty() || kinds.iter().any(|one| one.kind == "HTTPRoute"))
}

/// The host of a listener. Empty: every host.
fn own_host(listener: &Listener) -> &str {
    listener.hostname.as_ref().map_or("", |host| &host.0)
}

/// The intersection of two host names: the more specific one, if the other covers it.
fn common<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let covers = |wide: &str, narrow: &str| {
        wide.is_empty() || wide == narrow || wide.strip_prefix('*').is_some_and(|end| narrow.ends_with(end))
    };
    let found = if covers(one, other) { other } else { Some(one).filter(|one| covers(other, one))? };
    Some(if found.is_empty() { "*" } else { found })
}
