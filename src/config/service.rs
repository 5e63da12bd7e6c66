//! A service: the routes, the affinity and the backends.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer as _, MapAccess, Visitor};

use super::affinity::{Affinity, Fallback, SessionAffinity};
use super::bounded::Bounded;
use super::detection::{HealthCheck, OutlierDetection};
use super::error::Problem;
use super::headers::HeaderNames;
use super::path::FieldPath;
use super::text::{Rule, Text};
use super::unique::duplicate;

/// A service as configured.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The service's name in counters and logs.
    pub name: String,
    /// The names of the Envoy routes that the service serves. `None`: every route that no other service names.
    pub routes: Option<Vec<String>>,
    /// What ties a request to a backend.
    pub(crate) affinity: Affinity,
    /// How the filter chooses the backend of a request without a session and without a key.
    pub(crate) fallback: Fallback,
    /// What a session is tied to.
    pub pin: Pin,
    /// At least one weight is not 0. Empty with [`Pin::Endpoint`].
    pub backends: Vec<BackendConfig>,
    /// What happens to a session whose backend is gone or unavailable.
    pub on_unavailable: OnUnavailable,
    /// Whether the clusters of the backends fail over to each other within a request. The filter then looks up which
    /// backend answered.
    pub(crate) failover: bool,
    /// Which failing responses make a backend unavailable, and for how long.
    pub(crate) outlier_detection: OutlierDetection,
    /// How backends are probed. `None`: no probes.
    pub(crate) health_check: Option<HealthCheck>,
    /// Whether `affinityCookieTtlSec` has no effect.
    pub(super) has_unused_ttl: bool,
}

impl ServiceConfig {
    /// Maximum lifetime in seconds of a session, or of a cookie that the filter made for `HTTP_COOKIE`. 0: no limit, or
    /// no sessions.
    #[must_use]
    pub fn ttl_sec(&self) -> u32 {
        match &self.affinity {
            Affinity::HttpCookie { ttl_sec, .. } => *ttl_sec,
            other => other.lifetime().map_or(0, |lifetime| lifetime.ttl_sec),
        }
    }

    /// Seconds without a request after which a session ends. 0: never, or no sessions.
    #[must_use]
    pub fn idle_timeout_sec(&self) -> u32 {
        self.affinity.lifetime().map_or(0, |lifetime| lifetime.idle_timeout_sec)
    }

    /// Whether the address of a client can determine the backend: `CLIENT_IP`, or `fallback: CLIENT_IP`.
    #[must_use]
    pub fn uses_client_address(&self) -> bool {
        matches!(self.affinity, Affinity::ClientIp(_)) || matches!(self.fallback, Fallback::ClientIp(_))
    }
}

/// A backend as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendConfig {
    /// The name of the Envoy cluster.
    pub cluster: String,
    /// The backend's share of new sessions. 0: the backend drains.
    pub weight: u32,
    /// Whether the backend gets new sessions only while no regular backend is available.
    pub backup: bool,
}

/// What happens to a session whose backend is gone or unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnavailable {
    /// The session moves to another backend.
    Repin,
    /// The session stays, and the filter answers its requests with this status.
    Reject(u32),
}

/// What a session is tied to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Pin {
    /// A backend, which is an Envoy cluster.
    #[default]
    Cluster,
    /// An endpoint of the route's own cluster.
    Endpoint,
    /// A backend, and an endpoint of that backend.
    ClusterAndEndpoint,
}

impl Pin {
    /// Whether the filter chooses a cluster.
    #[must_use]
    pub const fn has_cluster(self) -> bool {
        matches!(self, Self::Cluster | Self::ClusterAndEndpoint)
    }

    /// Whether sessions hold an endpoint.
    #[must_use]
    pub const fn has_endpoint(self) -> bool {
        matches!(self, Self::Endpoint | Self::ClusterAndEndpoint)
    }
}

// Each field is valid by itself. `into_service` checks the combination.
/// A service: the routes, the affinity and the backends.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ServiceFields {
    /// The name of the service in counters and logs. Default: `default`.
    pub(crate) name: Option<Text<ServiceName>>,
    /// The names of the Envoy routes that the service serves. Default: every route that no other service names.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(crate) routes: Option<Vec<Text<RouteName>>>,
    /// What ties a request to a backend. Default: nothing, so the filter chooses the backend of each request by weight.
    pub(crate) session_affinity: Option<SessionAffinity>,
    /// The backends. Each one is an Envoy cluster.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(crate) backends: Option<Vec<BackendEntry>>,
    /// What a session is tied to. Default: `CLUSTER`.
    pub(crate) pin: Option<Pin>,
    /// What happens to a session whose backend is gone or unavailable. Default: `REPIN`.
    pub(crate) on_unavailable: Option<OnUnavailableWord>,
    /// The status of responses with `REJECT`. Default: 503.
    pub(crate) reject_status: Option<Bounded<400, 599>>,
    /// Whether the clusters of the backends fail over to each other within a request. The metadata of each endpoint
    /// then names its backend, and the session moves to the backend that answered. Default: false.
    pub(crate) failover: Option<bool>,
    /// Which failing responses make a backend unavailable, and for how long.
    pub(crate) outlier_detection: Option<OutlierDetection>,
    /// Active health checks of the backends. Default: none.
    pub(crate) health_check: Option<HealthCheck>,
}

/// What happens to a session whose backend is gone or unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OnUnavailableWord {
    /// The session moves to another backend.
    Repin,
    /// The session stays, and the filter answers its requests with `rejectStatus`.
    Reject,
}

impl ServiceFields {
    /// The first given field, in the order of the type.
    pub(crate) fn first_field(&self) -> Option<&'static str> {
        let fields = [
            ("name", self.name.is_some()),
            ("routes", self.routes.is_some()),
            ("sessionAffinity", self.session_affinity.is_some()),
            ("backends", self.backends.is_some()),
            ("pin", self.pin.is_some()),
            ("onUnavailable", self.on_unavailable.is_some()),
            ("rejectStatus", self.reject_status.is_some()),
            ("failover", self.failover.is_some()),
            ("outlierDetection", self.outlier_detection.is_some()),
            ("healthCheck", self.health_check.is_some()),
        ];
        fields.into_iter().find_map(|(name, is_there)| is_there.then_some(name))
    }

    /// The service, with defaults for missing fields, if the combination of the fields is valid.
    pub(crate) fn into_service(
        self,
        header_names: &HeaderNames,
        has_keys: bool,
    ) -> Result<ServiceConfig, Problem> {
        if let Some(routes) = &self.routes {
            check_routes(routes).map_err(|problem| problem.within("routes"))?;
        }
        if let Some(backends) = &self.backends {
            check_backends(backends).map_err(|problem| problem.within("backends"))?;
        }
        if let Some(health_check) = &self.health_check {
            health_check.check().map_err(|problem| problem.within("healthCheck"))?;
        }
        let has_unused_ttl = self.session_affinity.as_ref().is_some_and(SessionAffinity::has_unused_ttl);
        let fallback = self.session_affinity.as_ref().map(SessionAffinity::fallback).unwrap_or_default();
        let affinity = match self.session_affinity {
            Some(fields) => {
                fields.into_affinity(header_names).map_err(|problem| problem.within("sessionAffinity"))?
            }
            None => Affinity::None,
        };
        let on_unavailable = on_unavailable(self.on_unavailable, self.reject_status, &affinity)?;
        let pin = self.pin.unwrap_or_default();
        if pin != Pin::Cluster {
            check_endpoint_pin(&affinity, has_keys).map_err(|problem| problem.within("pin"))?;
        }
        if pin == Pin::Endpoint {
            if fallback != Fallback::Weight {
                let problem =
                    Problem::new("has no effect with pin ENDPOINT", "left out: Envoy chooses the endpoint");
                return Err(problem.within("fallback").within("sessionAffinity"));
            }
            let useless = [
                ("backends", self.backends.is_some()),
                ("failover", self.failover.is_some()),
                ("outlierDetection", self.outlier_detection.is_some()),
                ("healthCheck", self.health_check.is_some()),
            ];
            if let Some((field, _)) = useless.into_iter().find(|(_, is_there)| *is_there) {
                let allowed =
                    "left out: the route's own cluster has the endpoints, and Envoy knows their health";
                return Err(Problem::new("has no effect with pin ENDPOINT", allowed).within(field));
            }
        } else if self.backends.is_none() {
            let allowed = "a list of clusters, each a name or an object of cluster, weight and backup";
            return Err(Problem::missing(allowed).within("backends"));
        }
        let routes = self.routes.map(|routes| routes.into_iter().map(Text::into_string).collect());
        let backends = self.backends.unwrap_or_default();
        Ok(ServiceConfig {
            name: self.name.map_or_else(|| "default".to_owned(), Text::into_string),
            routes,
            affinity,
            fallback,
            pin,
            backends: backends.into_iter().map(BackendEntry::into_config).collect(),
            on_unavailable,
            failover: self.failover.unwrap_or_default(),
            outlier_detection: self.outlier_detection.unwrap_or_default(),
            health_check: self.health_check,
            has_unused_ttl,
        })
    }
}

fn check_routes(routes: &[Text<RouteName>]) -> Result<(), Problem> {
    if routes.is_empty() {
        let allowed = "at least one route, or leave routes out to serve every other route";
        return Err(Problem::new("empty", allowed));
    }
    match duplicate(&routes.iter().map(Text::as_str).collect::<Vec<_>>()) {
        Some((first, second)) => {
            let path = |index: usize| FieldPath::default().then(index);
            Err(Problem::duplicate(path(first), path(second), "each route once"))
        }
        None => Ok(()),
    }
}

fn check_backends(backends: &[BackendEntry]) -> Result<(), Problem> {
    if backends.is_empty() {
        return Err(Problem::new("empty", "at least one backend"));
    }
    let names: Vec<_> = backends.iter().map(BackendEntry::cluster).collect();
    if let Some((first, second)) = duplicate(&names) {
        let path = |index: usize| {
            let path = FieldPath::default().then(index);
            let is_object = matches!(backends.get(index), Some(BackendEntry::Object(_)));
            if is_object { path.then("cluster") } else { path }
        };
        return Err(Problem::duplicate(path(first), path(second), "each cluster once"));
    }
    if backends.iter().all(|entry| entry.weight() == 0) {
        return Err(Problem::new("every weight is 0", "at least one weight from 1 to 1000"));
    }
    Ok(())
}

fn on_unavailable(
    word: Option<OnUnavailableWord>,
    reject_status: Option<Bounded<400, 599>>,
    affinity: &Affinity,
) -> Result<OnUnavailable, Problem> {
    if word != Some(OnUnavailableWord::Reject) {
        return match reject_status {
            Some(_) => {
                let wrong = "has no effect without onUnavailable REJECT";
                Err(Problem::new(wrong, "only with REJECT").within("rejectStatus"))
            }
            None => Ok(OnUnavailable::Repin),
        };
    }
    if !affinity.makes_tokens() {
        let allowed =
            "REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE, COOKIE_ENVELOPE";
        return Err(without_token(affinity, allowed).within("onUnavailable"));
    }
    Ok(OnUnavailable::Reject(reject_status.unwrap_or(Bounded::of::<503>()).get()))
}

/// Checks the requirements of a pin of endpoints.
fn check_endpoint_pin(affinity: &Affinity, has_keys: bool) -> Result<(), Problem> {
    if !affinity.makes_tokens() {
        return Err(without_token(
            affinity,
            "CLUSTER (to hash over endpoints, use hash_policy of Envoy's routes)",
        ));
    }
    if !has_keys {
        return Err(Problem::new("needs keys: the token holds an address", "CLUSTER, or add keys"));
    }
    Ok(())
}

fn without_token(affinity: &Affinity, allowed: &str) -> Problem {
    let affinity_type = affinity.type_name();
    let wrong = format!("cannot work with affinityType {affinity_type}, which carries no token");
    Problem::new(wrong, allowed)
}

/// An element of `backends`: `"cluster"` or `{"cluster","weight","backup"}`.
pub(crate) enum BackendEntry {
    /// A cluster of weight 1.
    Name(Text<ClusterName>),
    /// An object with the cluster and optional fields.
    Object(BackendFields),
}

/// A backend: its cluster, its share of new sessions, and whether it is a backup.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BackendFields {
    /// The name of the Envoy cluster.
    cluster: Text<ClusterName>,
    /// The backend's share of new sessions. 0: the backend keeps its sessions and gets no new ones. Default: 1.
    weight: Option<Bounded<0, 1000>>,
    /// Whether the backend gets sessions only while no other backend is available. Default: false.
    backup: Option<bool>,
}

impl BackendEntry {
    fn cluster(&self) -> &str {
        match self {
            Self::Name(cluster) | Self::Object(BackendFields { cluster, .. }) => cluster.as_str(),
        }
    }

    fn weight(&self) -> u32 {
        match self {
            Self::Object(BackendFields { weight: Some(weight), .. }) => weight.get(),
            _ => 1,
        }
    }

    fn into_config(self) -> BackendConfig {
        let weight = self.weight();
        let (cluster, backup) = match self {
            Self::Name(cluster) => (cluster, false),
            Self::Object(BackendFields { cluster, backup, .. }) => (cluster, backup.unwrap_or_default()),
        };
        BackendConfig { cluster: cluster.into_string(), weight, backup }
    }
}

/// serde's own `untagged` loses the path of an error.
impl<'de> Deserialize<'de> for BackendEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BackendVisitor)
    }
}

struct BackendVisitor;

impl<'de> Visitor<'de> for BackendVisitor {
    type Value = BackendEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cluster's name, or an object of cluster, weight and backup")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BackendEntry, E> {
        Text::deserialize(text.into_deserializer()).map(BackendEntry::Name)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<BackendEntry, A::Error> {
        BackendFields::deserialize(MapAccessDeserializer::new(object)).map(BackendEntry::Object)
    }
}

pub(crate) struct ServiceName;

impl Rule for ServiceName {
    const ALLOWED: &'static str = "[A-Za-z0-9_-]{1,64}";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^[A-Za-z0-9_-]{1,64}$";

    fn allows(text: &str) -> bool {
        text.len() <= 64 && super::is_name(text)
    }
}

pub(crate) struct RouteName;

impl Rule for RouteName {
    const ALLOWED: &'static str = "the name of an Envoy route";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"[\s\S]";

    fn allows(text: &str) -> bool {
        !text.is_empty()
    }
}

pub(crate) struct ClusterName;

impl Rule for ClusterName {
    const ALLOWED: &'static str = "the name of an Envoy cluster (visible ASCII, 1 to 256 bytes)";
    #[cfg(feature = "schema")]
    const PATTERN: &'static str = r"^[!-~]{1,256}$";

    fn allows(text: &str) -> bool {
        (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}
