//! A service: its routes, its affinity, its backends.

use config_reader::{Claims, Field, Object};

use super::affinity::{Affinity, AffinityType, Written};
use super::detection::{HealthCheck, OutlierDetection};
use super::headers::HeaderNames;
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
const ONCE: &str = "each cluster once";
const CLUSTER: &str = "the name of an Envoy cluster (visible ASCII, 1 to 256 bytes)";

impl Service {
    /// Reads a service from its object, or from the top level.
    pub(super) fn read(object: &Object<'_>, header_names: &HeaderNames, has_keys: bool) -> Self {
        let name = object.string("name", is_name, "[A-Za-z0-9_-]{1,64}").unwrap_or("default");
        let routes = object.get("routes").map(|field| read_routes(&field));
        let written = match object.get("sessionAffinity") {
            Some(field) => Written::read(field, header_names),
            None => Written::none(),
        };
        let pin = match object.word("pin", &["CLUSTER", "ENDPOINT", "CLUSTER_AND_ENDPOINT"]) {
            1 => Pin::Endpoint,
            2 => Pin::ClusterAndEndpoint,
            _ => Pin::Cluster,
        };
        let backends = object.get("backends").map(|field| read_backends(&field));
        let on_unavailable = read_on_unavailable(object, written.affinity_type);
        let outlier_detection = object.get("outlierDetection").map(OutlierDetection::read);
        let health_check = object.get("healthCheck").map(HealthCheck::read);
        check_pin(object, pin, written.affinity_type, has_keys);
        if pin != Pin::Endpoint {
            object.required("backends", BACKENDS);
        }
        Self {
            name: name.to_owned(),
            routes,
            has_idle_ttl: written.has_idle_ttl(),
            affinity: written.into_affinity(),
            pin,
            backends: backends.unwrap_or_default(),
            on_unavailable,
            outlier_detection: outlier_detection.unwrap_or_default(),
            health_check,
        }
    }
}

/// Whether a text may name a service.
pub fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn is_cluster(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn read_routes(field: &Field<'_>) -> Vec<String> {
    let mut routes = Vec::new();
    let mut known = Claims::new(field.problems());
    for element in field.list() {
        if let Some(route) = element.string(|text| !text.is_empty(), "the name of an Envoy route") {
            known.claim(route, element.place(), "each route once");
            routes.push(route.to_owned());
        }
    }
    if routes.is_empty() {
        field.refuse(&"empty", "at least one route, or no routes at all for every other route");
    }
    routes
}

fn read_backends(field: &Field<'_>) -> Vec<(String, u32)> {
    let mut backends = Vec::new();
    let mut names = Claims::new(field.problems());
    let mut ids = Claims::new(field.problems());
    for element in field.list() {
        let object;
        let (cluster_field, weight) = if element.is_string() {
            (Some(element), 1)
        } else if element.is_object() {
            object = element.object(&["cluster", "weight"]);
            let weight = object.integer("weight", 1, &(0..=1000));
            (object.required("cluster", CLUSTER), weight)
        } else {
            element.refuse(&"wrong type", "a cluster's name, or an object of cluster and weight");
            continue;
        };
        let Some(cluster_field) = cluster_field else {
            continue;
        };
        let cluster = cluster_field.string(is_cluster, CLUSTER).unwrap_or_default();
        let place = cluster_field.place();
        names.claim(cluster, place, ONCE);
        if let Some(first) = ids.take(&BackendId::of(cluster).to_bits().to_be_bytes(), place) {
            cluster_field.refuse(&format_args!("by its hash the same backend as {first}"), ONCE);
        }
        backends.push((cluster.to_owned(), weight));
    }
    if backends.is_empty() {
        field.refuse(&"empty", "at least one backend");
    }
    if backends.iter().all(|(_, weight)| *weight == 0) {
        field.refuse(&"every weight is 0", "at least one weight from 1 to 1000");
    }
    backends
}

fn read_on_unavailable(object: &Object<'_>, kind: AffinityType) -> OnUnavailable {
    let status = object.integer("rejectStatus", 503, &(400..=599));
    let reject = object.word("onUnavailable", &["REPIN", "REJECT"]) == 1;
    if !reject {
        if let Some(field) = object.get("rejectStatus") {
            field.refuse(&"has no effect without onUnavailable REJECT", "only with REJECT");
        }
        return OnUnavailable::Repin;
    }
    if !kind.has_token() {
        let allowed = "REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE";
        refuse_without_token(object, "onUnavailable", kind, allowed);
    }
    OnUnavailable::Reject(status)
}

/// What a pin needs and excludes.
fn check_pin(object: &Object<'_>, pin: Pin, kind: AffinityType, has_keys: bool) {
    if pin == Pin::Cluster {
        return;
    }
    if !kind.has_token() {
        let allowed = "CLUSTER; for endpoints, the hash policies of Envoy's own routes";
        refuse_without_token(object, "pin", kind, allowed);
    }
    if !has_keys {
        let wrong = &"needs keys: the token holds an address";
        object.refuse_field("pin", wrong, "CLUSTER, or this with keys");
    }
    if pin == Pin::Endpoint {
        for name in ["backends", "outlierDetection", "healthCheck"] {
            if let Some(field) = object.get(name) {
                let allowed = "left out; the route's own cluster has the endpoints, and Envoy their health";
                field.refuse(&"has no effect with pin ENDPOINT", allowed);
            }
        }
    }
}

fn refuse_without_token(object: &Object<'_>, name: &str, kind: AffinityType, allowed: &str) {
    let wrong = format_args!("cannot work with affinityType {}, which carries no token", kind.name());
    object.refuse_field(name, &wrong, allowed);
}
