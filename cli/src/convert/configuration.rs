//! Parts of an Envoy configuration, named as Envoy names them.

use std::fmt;

use serde::Serialize;

use super::backends::{Backend, COOKIE};
use super::headers::HeaderOption;
use super::health::Health;
use super::manifests::backend_config::AffinityType;
use super::manifests::service::AppProtocol;
use super::options::Host;
use super::pods::Target;

/// The header in which the filter names a cluster.
const CLUSTER_HEADER: &str = "x-affinity-cluster";
/// How long a stream may be silent, unless a route says otherwise.
const SILENCE_SEC: u32 = 300;

#[derive(Debug, Serialize)]
pub struct VirtualHost {
    pub name: String,
    pub domains: Vec<String>,
    pub routes: Vec<Route>,
}

#[derive(Debug, Serialize)]
pub struct Route {
    pub name: String,
    #[serde(rename = "match")]
    pub matches: Match,
    pub action: Action,
    /// Whether Envoy tries another endpoint of the cluster.
    pub retries: bool,
    pub request_headers_to_add: Vec<HeaderOption>,
    pub response_headers_to_add: Vec<HeaderOption>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_separated_prefix: Option<String>,
}

/// What becomes of a request: the name of the field, and its value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Route(RouteAction),
    DirectResponse(DirectResponse),
}

#[derive(Debug, Default, Serialize)]
pub struct RouteAction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_header: Option<&'static str>,
    pub timeout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_policy: Option<Vec<HashPolicy>>,
}

#[derive(Debug, Serialize)]
pub struct HashPolicy {
    connection_properties: ConnectionProperties,
}

#[derive(Debug, Serialize)]
struct ConnectionProperties {
    source_ip: bool,
}

#[derive(Debug, Serialize)]
pub struct DirectResponse {
    status: u16,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    inline_string: &'static str,
}

/// A service of the filter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterService {
    name: String,
    routes: Vec<String>,
    session_affinity: SessionAffinity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backends: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outlier_detection: Option<OutlierDetection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check: Option<Health>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionAffinity {
    affinity_type: AffinityType,
    #[serde(skip_serializing_if = "Option::is_none")]
    affinity_cookie_ttl_sec: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<Cookie>,
}

#[derive(Debug, Serialize)]
struct Cookie {
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutlierDetection {
    consecutive_local_origin_failure: u32,
}

/// A cluster: a pod, or all pods of a Service.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    pub name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The file of its endpoints.
    path: Option<String>,
    directory: Option<String>,
    address: Option<SocketAddress>,
    /// Only where Envoy picks the pod.
    lb_policy: Option<&'static str>,
    protocol: AppProtocol,
    /// Envoy's own health check, where the filter does not check.
    health: Option<Health>,
    health_host: Option<String>,
    health_port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct SocketAddress {
    address: String,
    port_value: u16,
}

/// The access log of a service.
#[derive(Debug, Serialize)]
pub struct Log {
    service: String,
    /// The millionths of requests that are logged; none for all.
    millionths: Option<u32>,
}

impl Route {
    /// A route to a Service.
    pub fn to(matches: Match, backend: &Backend<'_>) -> Self {
        let is_cluster = backend.pins_endpoints();
        let timeout = backend.policy.timeout_sec.unwrap_or(0);
        let retries = !matches!(backend.target, Target::Pods(_));
        let is_by_address = retries && backend.policy.affinity_type == AffinityType::ClientIp;
        let hash_policy = HashPolicy { connection_properties: ConnectionProperties { source_ip: true } };
        let action = RouteAction {
            cluster: is_cluster.then(|| backend.name.clone()),
            cluster_header: (!is_cluster).then_some(CLUSTER_HEADER),
            timeout: format!("{timeout}s"),
            // An open WebSocket counts as silent only after as long as GKE would let it live.
            idle_timeout: (timeout > SILENCE_SEC).then(|| format!("{timeout}s")),
            hash_policy: is_by_address.then(|| vec![hash_policy]),
        };
        Self {
            name: backend.name.clone(),
            matches,
            action: Action::Route(action),
            retries,
            request_headers_to_add: backend.policy.request_headers.clone(),
            response_headers_to_add: backend.policy.response_headers.clone(),
        }
    }

    /// A route that leads nowhere: what GKE's default backend says.
    pub fn not_found(matches: Match) -> Self {
        let body = Body { inline_string: "default backend - 404" };
        Self {
            name: "default_backend_404".to_owned(),
            matches,
            action: Action::DirectResponse(DirectResponse { status: 404, body }),
            retries: false,
            request_headers_to_add: Vec::new(),
            response_headers_to_add: Vec::new(),
        }
    }
}

impl fmt::Display for Match {
    /// As in the heading: `/path`, or `/path*` with all that begins so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, ending) in
            [(&self.path, ""), (&self.prefix, "*"), (&self.path_separated_prefix, " and below")]
        {
            if let Some(path) = path {
                write!(f, "{path}{ending}")?;
            }
        }
        Ok(())
    }
}

impl FilterService {
    /// The service for the requests to a Service.
    pub fn of(backend: &Backend<'_>) -> Self {
        let pins_endpoints = backend.pins_endpoints();
        let (backends, outlier_detection, health_check) = match &backend.target {
            Target::Pods(pods) => {
                let own = (!backend.health.is_special()).then(|| backend.health.clone());
                (pods.iter().map(|pod| pod.cluster.clone()).collect(), None, own)
            }
            _ if pins_endpoints => (Vec::new(), None, None),
            // One cluster: Envoy itself picks an endpoint of it, and knows which of them are well.
            _ => {
                let off = OutlierDetection { consecutive_local_origin_failure: 0 };
                (vec![backend.name.clone()], Some(off), None)
            }
        };
        Self {
            name: backend.name.clone(),
            routes: vec![backend.name.clone()],
            session_affinity: SessionAffinity {
                affinity_type: backend.policy.affinity_type,
                affinity_cookie_ttl_sec: backend.policy.cookie_ttl_sec,
                cookie: backend.cookie.clone().filter(|name| name != COOKIE).map(|name| Cookie { name }),
            },
            pin: pins_endpoints.then_some("ENDPOINT"),
            backends,
            outlier_detection,
            health_check,
        }
    }
}

impl Cluster {
    /// The clusters of a Service.
    pub fn of(backend: &Backend<'_>) -> Vec<Self> {
        let lb_policy = match backend.policy.affinity_type {
            AffinityType::None => "RANDOM",
            AffinityType::ClientIp => "MAGLEV",
            AffinityType::GeneratedCookie => "LEAST_REQUEST",
        };
        let is_special = backend.health.is_special();
        let new = |name: &str, kind| Self {
            name: name.to_owned(),
            kind,
            path: None,
            directory: None,
            address: None,
            lb_policy: None,
            protocol: backend.protocol,
            health: is_special.then(|| backend.health.clone()),
            health_host: backend.health.host.clone(),
            health_port: backend.health.port,
        };
        let one = |kind| {
            let health = Some(backend.health.clone());
            Self { lb_policy: Some(lb_policy), health, ..new(&backend.name, kind) }
        };
        match &backend.target {
            Target::Pods(pods) => pods
                .iter()
                .map(|pod| {
                    let kind = if matches!(pod.host, Host::Ip(_)) { "STATIC" } else { "STRICT_DNS" };
                    let address = SocketAddress { address: pod.host.to_string(), port_value: pod.port };
                    Self { address: Some(address), ..new(&pod.cluster, kind) }
                })
                .collect(),
            Target::File(path, _) => {
                let directory = path.parent().map(|directory| directory.display().to_string());
                vec![Self { path: Some(path.display().to_string()), directory, ..one("EDS") }]
            }
            Target::Dns(host, port) => {
                let address = SocketAddress { address: host.clone(), port_value: *port };
                vec![Self { address: Some(address), ..one("STRICT_DNS") }]
            }
        }
    }

    /// Whether two clusters of single pods are the same pod.
    pub fn is_at_the_address_of(&self, other: &Self) -> bool {
        self.lb_policy.is_none() && other.lb_policy.is_none() && self.address == other.address
    }

    /// Its address, as it is written.
    pub fn address(&self) -> String {
        self.address.as_ref().map_or_else(String::new, |one| format!("{}:{}", one.address, one.port_value))
    }
}

impl Log {
    /// The access log of a Service, where logging is on.
    pub fn of(backend: &Backend<'_>) -> Option<Self> {
        let rate = backend.policy.sample_rate?;
        // From 0 to 1: the product fits, and its sign is right.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let millionths = (rate < 1.0).then(|| (rate * 1_000_000.0).round() as u32);
        Some(Self { service: backend.name.clone(), millionths })
    }
}
