//! A service: its routes, its affinity, its backends.

use std::collections::HashMap;

use super::affinity::{Affinity, AffinityType, Written};
use super::detection::{HealthCheck, OutlierDetection};
use super::headers::HeaderNames;
use super::reader::{ConfigError, Field, Object, error};
use crate::backends::BackendId;

/// A service as configured.
#[derive(Debug)]
pub struct Service {
    /// Its name in counters and logs.
    pub name: String,
    /// The names of the Envoy routes it serves; `None`: all that no other service has.
    pub routes: Option<Vec<String>>,
    /// What ties a request to a backend.
    pub affinity: Affinity,
    /// What a session is tied to.
    pub pin: Pin,
    /// Clusters and weights; at least one weight is not 0. Empty with [`Pin::Endpoint`].
    pub backends: Vec<(String, u32)>,
    /// What becomes of sessions whose backend is gone or unavailable.
    pub on_unavailable: OnUnavailable,
    /// What responses say of backends.
    pub outlier_detection: OutlierDetection,
    /// How backends are probed, if they are.
    pub health_check: Option<HealthCheck>,
    /// Whether `affinityCookieTtlSec` is set beside a type that has no use for it.
    pub(super) has_idle_ttl: bool,
}

/// What becomes of sessions whose backend is gone or unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnavailable {
    /// They move to another backend.
    Repin,
    /// They stay, and their requests are answered with this status.
    Reject(u32),
}

/// What a session is tied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// A backend, which is a cluster.
    Cluster,
    /// An endpoint of the route's own cluster.
    Endpoint,
    /// A backend, and an endpoint in it.
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

/// The fields of a service.
pub const FIELDS: [&str; 9] = [
    "name",
    "routes",
    "sessionAffinity",
    "backends",
    "pin",
    "onUnavailable",
    "rejectStatus",
    "outlierDetection",
    "healthCheck",
];

const BACKENDS: &str = "a list of clusters, each a name or an object of cluster and weight";
const CLUSTER: &str = "the name of an Envoy cluster (visible ASCII, 1 to 256 bytes)";

impl Service {
    /// Reads a service from its object, or from the top level.
    pub(super) fn read(
        object: &Object<'_>,
        header_names: &HeaderNames,
        has_keys: bool,
    ) -> Result<Self, ConfigError> {
        let name = match object.get("name") {
            Some(field) => field.string_that(is_name, "[A-Za-z0-9_-]{1,64}")?,
            None => "default",
        };
        let routes = object.get("routes").map(|field| read_routes(&field)).transpose()?;
        let written = match object.get("sessionAffinity") {
            Some(field) => Written::read(field, header_names)?,
            None => Written::none(),
        };
        let pin = object.get("pin").map_or(Ok(Pin::Cluster), |field| {
            field.one_of(&[
                ("CLUSTER", Pin::Cluster),
                ("ENDPOINT", Pin::Endpoint),
                ("CLUSTER_AND_ENDPOINT", Pin::ClusterAndEndpoint),
            ])
        })?;
        let backends = object.get("backends").map(|field| read_backends(&field)).transpose()?;
        let on_unavailable = read_on_unavailable(object, written.affinity_type)?;
        let outlier_detection =
            object.get("outlierDetection").map_or(Ok(OutlierDetection::default()), OutlierDetection::read)?;
        let health_check = object.get("healthCheck").map(HealthCheck::read).transpose()?;
        check_pin(object, pin, written.affinity_type, has_keys)?;
        let backends = match backends {
            Some(backends) => backends,
            None if pin == Pin::Endpoint => Vec::new(),
            None => return Err(error(&object.path_of("backends"), "missing", BACKENDS, None)),
        };
        let has_idle_ttl = written.has_idle_ttl();
        Ok(Self {
            name: name.to_owned(),
            routes,
            affinity: written.into_affinity(),
            pin,
            backends,
            on_unavailable,
            outlier_detection,
            health_check,
            has_idle_ttl,
        })
    }
}

/// Whether a text may name a service.
pub fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn read_routes(field: &Field<'_>) -> Result<Vec<String>, ConfigError> {
    let mut routes = Vec::new();
    let mut known = HashMap::new();
    for element in field.list()? {
        let route = element.string_that(|text| !text.is_empty(), "the name of an Envoy route")?;
        if let Some(first) = known.insert(route, element.path().to_owned()) {
            return Err(element.error(&format!("duplicate of {first}"), "each route once"));
        }
        routes.push(route.to_owned());
    }
    if routes.is_empty() {
        return Err(field.error("empty", "at least one route, or no routes at all for every other route"));
    }
    Ok(routes)
}

fn read_backends(field: &Field<'_>) -> Result<Vec<(String, u32)>, ConfigError> {
    let mut backends = Vec::new();
    let mut known: HashMap<BackendId, (&str, String)> = HashMap::new();
    for element in field.list()? {
        let (cluster_field, weight) = read_backend(element)?;
        let legal =
            |name: &str| (1..=256).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        let cluster = cluster_field.string_that(legal, CLUSTER)?;
        let place = cluster_field.path().to_owned();
        if let Some((other, first)) = known.insert(BackendId::of(cluster), (cluster, place)) {
            let wrong = if other == cluster { "duplicate of" } else { "by its hash the same backend as" };
            return Err(cluster_field.error(&format!("{wrong} {first}"), "each cluster once"));
        }
        backends.push((cluster.to_owned(), weight));
    }
    if backends.is_empty() {
        return Err(field.error("empty", "at least one backend"));
    }
    if backends.iter().all(|(_, weight)| *weight == 0) {
        return Err(field.error("every weight is 0", "at least one weight from 1 to 1000"));
    }
    Ok(backends)
}

fn read_backend(element: Field<'_>) -> Result<(Field<'_>, u32), ConfigError> {
    if element.is_string() {
        return Ok((element, 1));
    }
    if !element.is_object() {
        return Err(element.error("wrong type", "a cluster's name, or an object of cluster and weight"));
    }
    let object = element.object(&["cluster", "weight"])?;
    let weight = object.get("weight").map_or(Ok(1), |field| field.integer(0..=1000))?;
    Ok((object.required("cluster", CLUSTER)?, weight))
}

fn read_on_unavailable(object: &Object<'_>, kind: AffinityType) -> Result<OnUnavailable, ConfigError> {
    let status = object.get("rejectStatus").map(|field| field.integer(400..=599)).transpose()?;
    let reject = match object.get("onUnavailable") {
        Some(field) => field.one_of(&[("REPIN", false), ("REJECT", true)])?,
        None => false,
    };
    match (reject, object.get("rejectStatus"), object.get("onUnavailable")) {
        (false, Some(field), _) => {
            Err(field.error("has no effect without onUnavailable REJECT", "only with REJECT"))
        }
        (true, _, Some(field)) if !kind.has_token() => {
            let wrong = format!("cannot work with affinityType {}, which carries no token", kind.name());
            Err(field
                .error(&wrong, "REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE"))
        }
        (true, ..) => Ok(OnUnavailable::Reject(status.unwrap_or(503))),
        (false, ..) => Ok(OnUnavailable::Repin),
    }
}

/// What a pin needs and excludes.
fn check_pin(object: &Object<'_>, pin: Pin, kind: AffinityType, has_keys: bool) -> Result<(), ConfigError> {
    let Some(field) = object.get("pin").filter(|_| pin != Pin::Cluster) else {
        return Ok(());
    };
    if !kind.has_token() {
        let wrong = format!("cannot work with affinityType {}, which carries no token", kind.name());
        return Err(field.error(&wrong, "CLUSTER; for endpoints, the hash policies of Envoy's own routes"));
    }
    if !has_keys {
        return Err(field.error("needs keys: the token holds an address", "CLUSTER, or this with keys"));
    }
    if pin == Pin::Endpoint {
        for name in ["backends", "outlierDetection", "healthCheck"] {
            if let Some(field) = object.get(name) {
                let allowed = "left out; the route's own cluster has the endpoints, and Envoy their health";
                return Err(field.error("has no effect with pin ENDPOINT", allowed));
            }
        }
    }
    Ok(())
}
