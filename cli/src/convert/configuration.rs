//! Parts of an Envoy configuration, with Envoy's names. [`context!`] makes a mapping. The templates leave out fields
//! without a value.

use std::fmt;

use minijinja::value::ValueKind;
use minijinja::{Value, context};
use serde::Serialize;

use super::backends::{Backend, Backends};
use super::filter_service::FilterService;
use super::headers::HeaderOption;
use super::manifests::backend_config::AffinityType;
use super::options::Host;
use super::pods::Target;

/// The header in which the filter names a cluster.
const CLUSTER_HEADER: &str = "x-affinity-cluster";
/// The idle timeout of streams, unless a route overrides it.
const SILENCE_MS: u64 = 300_000;

#[derive(Debug, Serialize)]
pub struct VirtualHost {
    pub name: String,
    pub domains: Vec<String>,
    pub routes: Vec<Route>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    pub name: String,
    /// The match as shown in the heading.
    pub shown: String,
    #[serde(rename = "match")]
    pub matches: Value,
    /// The action: the name of Envoy's field, and its value.
    pub action: (&'static str, Value),
    /// Whether Envoy retries on another endpoint of the cluster.
    pub retries: bool,
    pub headers: Headers,
}

/// Changes to headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Headers {
    pub request_headers_to_add: Vec<HeaderOption>,
    pub response_headers_to_add: Vec<HeaderOption>,
    pub request_headers_to_remove: Vec<String>,
    pub response_headers_to_remove: Vec<String>,
}

/// The match of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Envoy's field for the comparison of the path: `path`, `prefix`, `path_separated_prefix` or `safe_regex`.
    pub field: &'static str,
    pub path: String,
    pub headers: Vec<Value>,
    pub query_parameters: Vec<Value>,
}

/// Changes to a request on its way to a Service.
#[derive(Debug, Default)]
pub struct Changes {
    pub headers: Headers,
    /// The timeout in milliseconds, if the route sets one.
    pub timeout_ms: Option<u64>,
    /// Fields of Envoy's `RouteAction`, such as `host_rewrite_literal`.
    pub rewrite: Value,
}

impl Headers {
    /// Only the changes to responses.
    pub fn of_response(self) -> Self {
        let Self { response_headers_to_add, response_headers_to_remove, .. } = self;
        Self { response_headers_to_add, response_headers_to_remove, ..Self::default() }
    }
}

impl Match {
    /// A match that compares only the path.
    pub fn path(field: &'static str, path: impl Into<String>) -> Self {
        Self { field, path: path.into(), headers: Vec::new(), query_parameters: Vec::new() }
    }

    fn to_value(&self) -> Value {
        let path = Value::from(&*self.path);
        let path = if self.field == "safe_regex" {
            context! { regex => path }
        } else {
            path
        };
        let fields = [
            (self.field, path),
            ("headers", Value::from(self.headers.clone())),
            ("query_parameters", Value::from(self.query_parameters.clone())),
        ];
        fields.into_iter().collect()
    }
}

impl fmt::Display for Match {
    /// The text for the heading: `/path`, or `/path*` for a prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.field {
            "prefix" => "*",
            "path_separated_prefix" => " and below",
            _ => "",
        };
        let also = if self.headers.is_empty() && self.query_parameters.is_empty() { "" } else { " (some)" };
        write!(f, "{}{ending}{also}", self.path)
    }
}

impl Route {
    /// A route to a service of the filter.
    pub fn to(matches: &Match, service: &FilterService, backends: &Backends<'_>, changes: Changes) -> Self {
        let Some(backend) = service.lead(backends) else { return Self::not_found(matches) };
        let Changes { mut headers, timeout_ms, rewrite } = changes;
        let is_cluster = service.pin(backends) == Some("ENDPOINT");
        let timeout = timeout_ms.unwrap_or(u64::from(backend.policy.timeout_sec.unwrap_or(0)) * 1000);
        let is_by_address =
            backend.is_one_cluster() && backend.policy.affinity_type == AffinityType::ClientIp;
        let source = context! { connection_properties => context! { source_ip => true } };
        headers.request_headers_to_add.extend(backend.policy.request_headers.iter().cloned());
        headers.response_headers_to_add.extend(backend.policy.response_headers.iter().cloned());
        let action = context! {
            cluster => is_cluster.then_some(&backend.name),
            cluster_header => (!is_cluster).then_some(CLUSTER_HEADER),
            timeout => seconds(timeout),
            // An open WebSocket counts as idle only after GKE's timeout for it.
            idle_timeout => (timeout > SILENCE_MS).then(|| seconds(timeout)),
            hash_policy => is_by_address.then_some([source]),
            ..rewrite
        };
        Self {
            name: service.name.clone(),
            shown: matches.to_string(),
            matches: matches.to_value(),
            action: ("route", action),
            retries: backend.is_one_cluster(),
            headers,
        }
    }

    /// A route without a service.
    pub fn without_service(name: &str, matches: &Match, field: &'static str, action: Value) -> Self {
        let (name, shown) = (name.to_owned(), matches.to_string());
        let action = (field, action);
        Self { name, shown, matches: matches.to_value(), action, retries: false, headers: Headers::default() }
    }

    /// Whether the route has a regular expression.
    pub fn has_regex(&self) -> bool {
        has_regex(&self.matches) || has_regex(&self.action.1)
    }

    /// A route to nothing, with the response of GKE's default backend.
    pub fn not_found(matches: &Match) -> Self {
        let action =
            context! { status => 404, body => context! { inline_string => "default backend - 404" } };
        Self::without_service("default_backend_404", matches, "direct_response", action)
    }
}

/// Whether a part of the configuration has a regular expression.
fn has_regex(value: &Value) -> bool {
    let items = || value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Map => items().any(|key| {
            key.as_str() == Some("regex") || value.get_item(&key).is_ok_and(|field| has_regex(&field))
        }),
        ValueKind::Seq | ValueKind::Iterable => items().any(|item| has_regex(&item)),
        _ => false,
    }
}

/// A duration as Envoy reads it.
fn seconds(milliseconds: u64) -> String {
    match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        rest => format!("{}.{rest:03}s", milliseconds / 1000),
    }
}

/// A cluster: a pod, or all pods of a Service.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    pub name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The file with the endpoints.
    path: Option<String>,
    directory: Option<String>,
    address: Option<(String, u16)>,
    /// Only if Envoy picks the pod.
    lb_policy: Option<&'static str>,
    /// The settings of TLS, HTTP/2 and health checks.
    common: Value,
}

impl Cluster {
    /// The clusters of a Service. A Service that shares a route with another Service has its own health check.
    pub fn of(backend: &Backend<'_>, is_split: bool) -> Vec<Self> {
        let lb_policy = match backend.policy.affinity_type {
            AffinityType::None => "RANDOM",
            AffinityType::ClientIp => "MAGLEV",
            AffinityType::GeneratedCookie => "LEAST_REQUEST",
        };
        // The filter itself checks single pods, unless Envoy must do it or the filter's service needs several health
        // checks.
        let health = backend
            .health
            .as_ref()
            .filter(|health| backend.is_one_cluster() || is_split || health.is_special());
        let common = context! {
            protocol => backend.protocol,
            health => health,
            health_host => health.and_then(|health| health.host.as_ref()),
            health_port => health.and_then(|health| health.port),
        };
        let new = |name: &str, kind, address| {
            let (path, directory, lb_policy) = (None, None, None);
            Self { name: name.to_owned(), kind, path, directory, address, lb_policy, common: common.clone() }
        };
        let one = |kind, address| Self { lb_policy: Some(lb_policy), ..new(&backend.name, kind, address) };
        match &backend.target {
            Target::Pods(pods) => pods
                .iter()
                .map(|pod| {
                    let kind = if matches!(pod.host, Host::Ip(_)) { "STATIC" } else { "STRICT_DNS" };
                    new(&pod.cluster, kind, Some((pod.host.to_string(), pod.port)))
                })
                .collect(),
            Target::File(path, _) => {
                let directory = path.parent().map(|directory| directory.display().to_string());
                vec![Self { path: Some(path.display().to_string()), directory, ..one("EDS", None) }]
            }
            Target::Dns(host, port) => vec![one("STRICT_DNS", Some((host.clone(), *port)))],
        }
    }

    /// The address, if two clusters of single pods have the same address.
    pub fn common_address(&self, other: &Self) -> Option<String> {
        let are_pods = self.lb_policy.is_none() && other.lb_policy.is_none() && self.address == other.address;
        let (host, port) = self.address.as_ref().filter(|_| are_pods)?;
        Some(format!("{host}:{port}"))
    }
}
