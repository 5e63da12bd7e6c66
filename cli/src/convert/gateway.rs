//! A Gateway and its `HTTPRoute`s as GKE reads them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use minijinja::{Value, context};
use serde_saphyr::Spanned;

use super::backends::{Backends, Reference};
use super::balancer::Balancer;
use super::configuration::{Changes, Match, Route, VirtualHost};
use super::headers::{HeaderOption, escaped};
use super::manifests::fields::{Port, PortRef};
use super::manifests::gateway::{
    BackendRef, Filter, HeaderModifier, Listener, ParentRef, PathMatchType, PathModifier, RouteMatch,
    RouteRule, ValueMatch, ValueMatchType,
};
use super::manifests::{Gateway, HttpRoute, Manifests};
use super::options::Options;
use super::pods::Pods;
use super::remarks::Remarks;

/// The filter's limit for weights.
const MAX_WEIGHT: u32 = 1000;
const TLS: &str = "the written listener uses plain HTTP on one port: add a certificate (`transport_socket`), or \
                   terminate TLS before Envoy";

/// A route and its precedence.
struct Candidate {
    /// Exact paths come first, then the longest path, then a method, then the most headers, then the most query
    /// parameters.
    precedence: (bool, usize, bool, usize, usize),
    route: Route,
}

/// The load balancer of a Gateway. Only meaningful if there are no errors.
pub fn balancer<'a>(
    gateway: &'a Gateway,
    manifests: &'a Manifests,
    options: &'a Options,
    remarks: &mut Remarks,
) -> Balancer<'a> {
    check(gateway, remarks);
    let pods = Pods { manifests, options, namespace: gateway.namespace() };
    let mut converter =
        Converter { backends: Backends::new(manifests, pods, true), shortest_timeout_ms: u64::MAX };
    let mut hosts: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for route in &manifests.http_routes {
        let domains = domains(gateway, route);
        if domains.is_empty() {
            remarks.note(route.place(), "not used: no listener of the Gateway accepts this HTTPRoute");
            continue;
        }
        for (index, rule) in route.spec.rules.iter().flatten().enumerate() {
            for candidate in converter.routes(route, index, rule, remarks) {
                for domain in &domains {
                    let Candidate { precedence, route } = &candidate;
                    let new = Candidate { precedence: *precedence, route: route.clone() };
                    hosts.entry(domain.clone()).or_default().push(new);
                }
            }
        }
    }
    let Converter { backends, shortest_timeout_ms } = converter;
    if hosts.is_empty() && remarks.errors() == 0 {
        let help = "add an HTTPRoute with this Gateway among its parentRefs";
        remarks.error(gateway.place(), "no request is sent anywhere", help);
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
    Balancer {
        kind: "Gateway",
        name: gateway.name(),
        namespace: gateway.written_namespace(),
        is_internal: gateway.spec.gateway_class_name.value.contains("rilb"),
        shortest_timeout_ms: shortest_timeout_ms.min(shortest),
        hosts: hosts.into_iter().map(host).collect(),
        backends,
        options,
    }
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
    }
}

/// The hosts for which a Gateway accepts an `HTTPRoute`. `*` is every host.
fn domains(gateway: &Gateway, route: &HttpRoute) -> Vec<String> {
    let is_parent = |parent: &&ParentRef| {
        let namespace = parent.namespace.as_deref().unwrap_or(route.namespace());
        let kind = parent.kind.as_deref().unwrap_or("Gateway");
        (kind, &*parent.name, namespace) == ("Gateway", gateway.name(), gateway.namespace())
    };
    let mut domains: Vec<String> = Vec::new();
    for parent in route.spec.parent_refs.iter().flatten().filter(is_parent) {
        let is_meant = |listener: &&Spanned<Listener>| {
            let Listener { name, port, .. } = &listener.value;
            parent.section_name.as_ref().is_none_or(|wanted| wanted == name)
                && parent.port.is_none_or(|wanted| wanted == *port)
        };
        for listener in gateway.spec.listeners.iter().filter(is_meant) {
            let own = listener.value.hostname.as_ref().map_or("", |host| &host.0);
            let all = route.spec.hostnames.iter().flatten().map(|host| &*host.0);
            let all: Vec<&str> =
                if route.spec.hostnames.iter().all(Vec::is_empty) { vec![""] } else { all.collect() };
            domains.extend(all.into_iter().filter_map(|host| common(own, host)).map(str::to_owned));
        }
    }
    domains.sort_unstable();
    domains.dedup();
    domains
}

/// The intersection of two host names: the more specific one, if the other covers it.
fn common<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let covers = |wide: &str, narrow: &str| {
        wide.is_empty() || wide == narrow || wide.strip_prefix('*').is_some_and(|end| narrow.ends_with(end))
    };
    let found = if covers(one, other) { other } else { Some(one).filter(|one| covers(other, one))? };
    Some(if found.is_empty() { "*" } else { found })
}

struct Converter<'a> {
    backends: Backends<'a>,
    shortest_timeout_ms: u64,
}

impl Converter<'_> {
    /// The routes of a rule: one for each of its matches.
    fn routes(
        &mut self,
        route: &HttpRoute,
        index: usize,
        rule: &Spanned<RouteRule>,
        remarks: &mut Remarks,
    ) -> Vec<Candidate> {
        let RouteRule { matches, filters, timeouts, session_persistence, retry, .. } = &rule.value;
        let unread = [
            (session_persistence, "GKE ignores this field: use a GCPBackendPolicy"),
            (retry, "GKE ignores this field: requests that reached no pod are retried"),
        ];
        for (field, why) in unread {
            if let Some(field) = field {
                remarks.not_carried_over(route.at(field), why);
            }
        }
        let timeout = timeouts.as_ref().and_then(|timeouts| timeouts.request.or(timeouts.backend_request));
        let timeout = timeout.map(|timeout| timeout.0);
        self.shortest_timeout_ms =
            self.shortest_timeout_ms.min(timeout.filter(|ms| *ms > 0).unwrap_or(u64::MAX));
        let service = self.service(route, index, rule, remarks);
        let everything = [RouteMatch::default()];
        let matches = matches.as_deref().filter(|matches| !matches.is_empty()).unwrap_or(&everything);
        let mut candidates = Vec::new();
        for one in matches {
            let (shape, precedence) = compared(one);
            let mut changes = Changes { timeout_ms: timeout, ..Changes::default() };
            let mut redirect = None;
            for filter in filters.iter().flatten() {
                redirect = apply(route, filter, &shape, &mut changes, remarks).or(redirect);
            }
            let service = service.and_then(|index| self.backends.services.get(index));
            let new = match (redirect, service) {
                (Some(redirect), _) => Route::without_service("redirect", &shape, "redirect", redirect),
                (None, Some(service)) => Route::to(&shape, service, &self.backends, changes),
                (None, None) => Route::not_found(&shape),
            };
            candidates.push(Candidate { precedence, route: new });
        }
        candidates
    }

    /// The service of the filter for a rule, with one or several Services as backends. `None` if the rule has no
    /// backends.
    fn service(
        &mut self,
        route: &HttpRoute,
        index: usize,
        rule: &Spanned<RouteRule>,
        remarks: &mut Remarks,
    ) -> Option<usize> {
        let mut weighted: Vec<(usize, u32)> = Vec::new();
        for backend in rule.value.backend_refs.iter().flatten() {
            for filter in backend.value.filters.iter().flatten() {
                remarks.not_carried_over(
                    route.at(filter),
                    "a filter of a single backend is not supported: write the filter for the whole rule",
                );
            }
            let reference = reference(route, backend, remarks)?;
            let weight = backend.value.weight.map_or(1, |weight| weight.0);
            if rule.value.backend_refs.iter().flatten().count() == 1 && weight > 0 {
                return self.backends.add(&reference, remarks);
            }
            weighted.push((self.backends.backend(&reference, remarks)?, weight));
        }
        let largest = weighted.iter().map(|(_, weight)| *weight).max()?;
        if largest == 0 {
            let message = "all backends of this rule have weight 0: no request is sent anywhere";
            remarks.error(route.at(rule), message, "give one of them a weight");
            return None;
        }
        for (_, weight) in &mut weighted {
            let scaled = u64::from(*weight) * u64::from(MAX_WEIGHT) / u64::from(largest.max(MAX_WEIGHT));
            *weight = u32::try_from(scaled).unwrap_or(MAX_WEIGHT).max(u32::from(*weight > 0));
        }
        let name: String =
            route.name().chars().map(|one| if one == '.' { '-' } else { one }).take(58).collect();
        let name = if index == 0 { name } else { format!("{name}_{index}") };
        let name = if self.backends.services.iter().any(|one| one.name == name) {
            format!("{name}_r")
        } else {
            name
        };
        Some(self.backends.service(name, weighted, route.at(rule), remarks))
    }
}

fn reference(route: &HttpRoute, backend: &Spanned<BackendRef>, remarks: &mut Remarks) -> Option<Reference> {
    let BackendRef { kind, name, namespace, port, .. } = &backend.value;
    if let Some(kind) = kind.as_ref().filter(|kind| kind.value != "Service") {
        let message = format!("a {} is not supported as a backend", kind.value);
        remarks.error(route.at(kind), message, "write a Service");
        return None;
    }
    let Some(port) = port else {
        remarks.error(route.at(backend), "missing field `port`", "add the number of the Service's port");
        return None;
    };
    Some(Reference {
        namespace: namespace.as_deref().unwrap_or(route.namespace()).to_owned(),
        service: name.value.clone(),
        port: PortRef::Number(port.value.number()),
        place: route.at(name),
        port_place: route.at(port),
    })
}

/// The match for Envoy, and its precedence.
fn compared(one: &RouteMatch) -> (Match, (bool, usize, bool, usize, usize)) {
    let path = one.path.as_ref();
    let value = path.and_then(|path| path.value.as_deref()).unwrap_or("/");
    let kind = path.and_then(|path| path.kind).unwrap_or(PathMatchType::PathPrefix);
    let base = value.trim_end_matches('/');
    let mut shape = match kind {
        PathMatchType::Exact => Match::path("path", value),
        PathMatchType::RegularExpression => Match::path("safe_regex", value),
        PathMatchType::PathPrefix if base.is_empty() => Match::path("prefix", "/"),
        PathMatchType::PathPrefix => Match::path("path_separated_prefix", base),
    };
    let compared = |one: &ValueMatch| match one.kind.unwrap_or(ValueMatchType::Exact) {
        ValueMatchType::Exact => {
            context! { name => one.name, string_match => context! { exact => one.value } }
        }
        ValueMatchType::RegularExpression => {
            context! { name => one.name, string_match => context! { safe_regex => context! { regex => one.value } } }
        }
    };
    let method = one.method.as_ref();
    let method =
        method.map(|method| context! { name => ":method", string_match => context! { exact => method } });
    let precedence = (
        matches!(kind, PathMatchType::Exact),
        value.len(),
        method.is_some(),
        one.headers.as_ref().map_or(0, Vec::len),
        one.query_params.as_ref().map_or(0, Vec::len),
    );
    shape.headers = method.into_iter().chain(one.headers.iter().flatten().map(compared)).collect();
    shape.query_parameters = one.query_params.iter().flatten().map(compared).collect();
    (shape, precedence)
}

/// Applies a filter of a rule. Returns the redirect, if the filter is a redirect.
fn apply(
    route: &HttpRoute,
    filter: &Spanned<Filter>,
    shape: &Match,
    changes: &mut Changes,
    remarks: &mut Remarks,
) -> Option<Value> {
    let Filter {
        kind, request_header_modifier, response_header_modifier, request_redirect, url_rewrite, ..
    } = &filter.value;
    let headers = &mut changes.headers;
    match (&**kind, request_header_modifier, response_header_modifier, request_redirect, url_rewrite) {
        ("RequestHeaderModifier", Some(modifier), ..) => {
            headers.request_headers_to_add.extend(added(modifier));
            headers.request_headers_to_remove.extend(modifier.remove.iter().flatten().cloned());
        }
        ("ResponseHeaderModifier", _, Some(modifier), ..) => {
            headers.response_headers_to_add.extend(added(modifier));
            headers.response_headers_to_remove.extend(modifier.remove.iter().flatten().cloned());
        }
        ("RequestRedirect", _, _, Some(redirect), _) => {
            let code = redirect.status_code.as_ref();
            let response_code = match code.map_or(302, |code| code.value) {
                301 => "MOVED_PERMANENTLY",
                302 => "FOUND",
                303 => "SEE_OTHER",
                307 => "TEMPORARY_REDIRECT",
                308 => "PERMANENT_REDIRECT",
                other => {
                    let place = code.map_or_else(|| route.at(filter), |code| route.at(code));
                    remarks.error(
                        place,
                        format!("not a redirect status: {other}"),
                        "write 301, 302, 303, 307 or 308",
                    );
                    "FOUND"
                }
            };
            let full = redirect.path.as_ref().and_then(|path| path.replace_full_path.as_ref());
            let rewrite = redirect.path.as_ref().map_or_else(Value::default, |path| rewritten(path, shape));
            return Some(context! {
                scheme_redirect => redirect.scheme,
                host_redirect => redirect.hostname,
                port_redirect => redirect.port.map(Port::number),
                path_redirect => full,
                response_code => response_code,
                ..if full.is_none() { rewrite } else { Value::default() }
            });
        }
        ("URLRewrite", .., Some(rewrite)) => {
            let path = rewrite.path.as_ref().map_or_else(Value::default, |path| rewritten(path, shape));
            changes.rewrite = context! { host_rewrite_literal => rewrite.hostname, ..path };
        }
        _ => {
            let why = format!("filters of type {kind} are not supported");
            remarks.not_carried_over(route.at(filter), why);
        }
    }
    None
}

/// Envoy's fields for a rewritten path.
fn rewritten(path: &PathModifier, shape: &Match) -> Value {
    let regex = |pattern: String, substitution: &str| {
        context! { regex_rewrite => context! { pattern => context! { regex => pattern }, substitution => substitution } }
    };
    match (&path.replace_full_path, &path.replace_prefix_match) {
        (Some(full), _) => regex("^/.*$".to_owned(), full),
        (None, Some(prefix)) => match (prefix.trim_end_matches('/'), shape.field) {
            // If the prefix is removed, the rest of the path keeps one slash.
            ("", "path_separated_prefix") => regex(format!("^{}/*", quoted(&shape.path)), "/"),
            ("", _) => Value::default(),
            (prefix, "prefix") => context! { prefix_rewrite => format!("{prefix}/") },
            (prefix, _) => context! { prefix_rewrite => prefix },
        },
        (None, None) => Value::default(),
    }
}

/// The path, escaped for a regular expression.
fn quoted(path: &str) -> String {
    let quoted =
        |one: char| if ".+*?()[]{}|^$\\".contains(one) { format!("\\{one}") } else { one.to_string() };
    path.chars().map(quoted).collect()
}

fn added(modifier: &HeaderModifier) -> impl Iterator<Item = HeaderOption> + '_ {
    let set = modifier.set.iter().flatten().map(|one| (one, "OVERWRITE_IF_EXISTS_OR_ADD"));
    let add = modifier.add.iter().flatten().map(|one| (one, "APPEND_IF_EXISTS_OR_ADD"));
    set.chain(add).map(|(one, action)| HeaderOption::new(&one.name, escaped(&one.value), action))
}
