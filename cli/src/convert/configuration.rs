//! Parts of an Envoy configuration, with Envoy's names. [`context!`] makes a mapping. The templates leave out fields
//! without a value.

use std::fmt;

use minijinja::{Value, context};
use serde::Serialize;

use super::backends::{Backend, Backends, COOKIE, FilterService};
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

#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Default, Serialize)]
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
        let Some(backend) = service.backends.first().and_then(|(index, _)| backends.all.get(*index)) else {
            return Self::not_found(matches);
        };
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

    /// A route to nothing, with the response of GKE's default backend.
    pub fn not_found(matches: &Match) -> Self {
        let action =
            context! { status => 404, body => context! { inline_string => "default backend - 404" } };
        Self::without_service("default_backend_404", matches, "direct_response", action)
    }
}

/// A duration as Envoy reads it.
fn seconds(milliseconds: u64) -> String {
    match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        rest => format!("{}.{rest:03}s", milliseconds / 1000),
    }
}

impl FilterService {
    /// The `pin` of the service, if it is not the default.
    pub fn pin(&self, backends: &Backends<'_>) -> Option<&'static str> {
        let mut own = self.backends.iter().filter_map(|(index, _)| backends.all.get(*index));
        let is_pinned = self.cookie.is_some() && own.all(Backend::is_one_cluster);
        is_pinned.then_some(if self.backends.len() > 1 { "CLUSTER_AND_ENDPOINT" } else { "ENDPOINT" })
    }

    /// The service in the filter's configuration.
    pub fn to_value(&self, backends: &Backends<'_>) -> Value {
        let own =
            || self.backends.iter().filter_map(|(index, weight)| Some((backends.all.get(*index)?, *weight)));
        let mut policies = own().map(|(backend, _)| &backend.policy);
        let affine = policies.clone().find(|policy| policy.affinity_type != AffinityType::None);
        let policy = affine.or_else(|| policies.next());
        let pin = self.pin(backends);
        let shares = shares(&own().map(|(backend, weight)| (backend.clusters(), weight)).collect::<Vec<_>>());
        let clusters = own().zip(shares).flat_map(|((backend, _), share)| match &backend.target {
            Target::Pods(pods) => pods.iter().map(|pod| (pod.cluster.clone(), share)).collect(),
            _ => vec![(backend.name.clone(), share)],
        });
        let is_split = self.backends.len() > 1;
        let named = |(cluster, weight): (String, u32)| {
            if is_split {
                context! { cluster, weight }
            } else {
                Value::from(cluster)
            }
        };
        let first = own().next().map(|(backend, _)| backend);
        let is_one_cluster = first.is_some_and(Backend::is_one_cluster);
        let health = first.and_then(|backend| backend.health.as_ref()).filter(|health| !health.is_special());
        let cookie = self.cookie.as_ref().filter(|name| *name != COOKIE);
        context! {
            name => self.name,
            routes => [&self.name],
            sessionAffinity => context! {
                affinityType => policy.map(|policy| policy.affinity_type),
                affinityCookieTtlSec => policy.and_then(|policy| policy.cookie_ttl_sec),
                cookie => cookie.map(|name| context! { name }),
            },
            pin => pin,
            backends => (pin != Some("ENDPOINT")).then(|| clusters.map(named).collect::<Vec<_>>()),
            // With one cluster, Envoy itself picks an endpoint and knows which endpoints are healthy.
            outlierDetection => (is_one_cluster && pin.is_none() && !is_split)
                .then(|| context! { consecutiveLocalOriginFailure => 0 }),
            healthCheck => health.filter(|_| !is_one_cluster && !is_split),
        }
    }
}

/// The weight of each cluster. `services` has the number of clusters and the weight of each Service. The clusters of a
/// Service share its weight. The filter accepts whole numbers up to 1,000.
fn shares(services: &[(usize, u32)]) -> Vec<u32> {
    const MOST: f64 = 1000.0;
    let counts = || services.iter().map(|(clusters, _)| u32::try_from(*clusters).unwrap_or(u32::MAX).max(1));
    let weights = || services.iter().map(|(_, weight)| *weight);
    if counts().all(|count| Some(count) == counts().next()) {
        return weights().collect();
    }
    if weights().zip(counts()).all(|(weight, count)| weight % count == 0) {
        return weights().zip(counts()).map(|(weight, count)| weight / count).collect();
    }
    let exact = || weights().zip(counts()).map(|(weight, count)| f64::from(weight) / f64::from(count));
    let largest = exact().fold(f64::MIN_POSITIVE, f64::max);
    let scaled =
        exact().map(|share| if share > 0.0 { (share / largest * MOST).round().max(1.0) } else { 0.0 });
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
    scaled.map(|share| share as u32).collect()
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
