//! A service: its routes, its affinity, its backends.

use config_reader::{Claims, ConfigError, Field, Object, Result};

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
    pub(super) fn read(object: &Object<'_>, header_names: &HeaderNames, has_keys: bool) -> Result<Self> {
        // It stands in one place, so that none of the many ways out has much to clean up.
        let mut service = Self {
            name: String::new(),
            routes: None,
            affinity: Affinity::None,
            pin: Pin::Cluster,
            backends: Vec::new(),
            on_unavailable: OnUnavailable::Repin,
            outlier_detection: OutlierDetection::default(),
            health_check: None,
            has_idle_ttl: false,
        };
        let mut affinity = Written::none();
        service.read_over(&mut affinity, object, header_names, has_keys)?;
        service.has_idle_ttl = affinity.has_idle_ttl();
        service.affinity = affinity.into_affinity();
        Ok(service)
    }

    fn read_over(
        &mut self,
        affinity: &mut Written,
        object: &Object<'_>,
        header_names: &HeaderNames,
        has_keys: bool,
    ) -> Result<()> {
        let name = object.string("name", is_name, "[A-Za-z0-9_-]{1,64}")?;
        name.unwrap_or("default").clone_into(&mut self.name);
        if let Some(field) = object.get("routes") {
            read_routes(self.routes.insert(Vec::new()), &field)?;
        }
        if let Some(field) = object.get("sessionAffinity") {
            affinity.read(field, header_names)?;
        }
        self.pin = match object.word("pin", &["CLUSTER", "ENDPOINT", "CLUSTER_AND_ENDPOINT"])? {
            1 => Pin::Endpoint,
            2 => Pin::ClusterAndEndpoint,
            _ => Pin::Cluster,
        };
        if let Some(field) = object.get("backends") {
            read_backends(&mut self.backends, &field)?;
        }
        self.on_unavailable = read_on_unavailable(object, affinity.affinity_type)?;
        if let Some(field) = object.get("outlierDetection") {
            self.outlier_detection = OutlierDetection::read(field)?;
        }
        if let Some(field) = object.get("healthCheck") {
            self.health_check = Some(HealthCheck::read(field)?);
        }
        check_pin(object, self.pin, affinity.affinity_type, has_keys)?;
        if self.pin != Pin::Endpoint {
            object.required("backends", BACKENDS)?;
        }
        Ok(())
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

fn read_routes(routes: &mut Vec<String>, field: &Field<'_>) -> Result<()> {
    let mut known = Claims::default();
    for element in field.list()? {
        let route = element.string(|text| !text.is_empty(), "the name of an Envoy route")?;
        known.claim(route, element.place(), "each route once")?;
        routes.push(route.to_owned());
    }
    if routes.is_empty() {
        return Err(field.error(&"empty", "at least one route, or no routes at all for every other route"));
    }
    Ok(())
}

fn read_backends(backends: &mut Vec<(String, u32)>, field: &Field<'_>) -> Result<()> {
    let mut names = Claims::default();
    let mut ids = Claims::default();
    for element in field.list()? {
        let object;
        let (cluster_field, weight) = if element.is_string() {
            (element, 1)
        } else if element.is_object() {
            object = element.object(&["cluster", "weight"])?;
            let weight = object.integer("weight", 1, &(0..=1000))?;
            (object.required("cluster", CLUSTER)?, weight)
        } else {
            return Err(element.error(&"wrong type", "a cluster's name, or an object of cluster and weight"));
        };
        let cluster = cluster_field.string(is_cluster, CLUSTER)?;
        let place = cluster_field.place();
        names.claim(cluster, place, ONCE)?;
        if let Some(first) = ids.take(&BackendId::of(cluster).to_bits().to_be_bytes(), place) {
            let wrong = format_args!("by its hash the same backend as {first}");
            return Err(cluster_field.error(&wrong, ONCE));
        }
        backends.push((cluster.to_owned(), weight));
    }
    if backends.is_empty() {
        return Err(field.error(&"empty", "at least one backend"));
    }
    if backends.iter().all(|(_, weight)| *weight == 0) {
        return Err(field.error(&"every weight is 0", "at least one weight from 1 to 1000"));
    }
    Ok(())
}

fn read_on_unavailable(object: &Object<'_>, kind: AffinityType) -> Result<OnUnavailable> {
    let status = object.integer("rejectStatus", 503, &(400..=599))?;
    let reject = object.word("onUnavailable", &["REPIN", "REJECT"])? == 1;
    if !reject {
        return match object.get("rejectStatus") {
            Some(field) => {
                Err(field.error(&"has no effect without onUnavailable REJECT", "only with REJECT"))
            }
            None => Ok(OnUnavailable::Repin),
        };
    }
    if !kind.has_token() {
        let allowed = "REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE";
        return Err(carries_no_token(object, "onUnavailable", kind, allowed));
    }
    Ok(OnUnavailable::Reject(status))
}

/// What a pin needs and excludes.
fn check_pin(object: &Object<'_>, pin: Pin, kind: AffinityType, has_keys: bool) -> Result<()> {
    if pin == Pin::Cluster {
        return Ok(());
    }
    if !kind.has_token() {
        let allowed = "CLUSTER; for endpoints, the hash policies of Envoy's own routes";
        return Err(carries_no_token(object, "pin", kind, allowed));
    }
    if !has_keys {
        let wrong = &"needs keys: the token holds an address";
        return Err(object.field_error("pin", wrong, "CLUSTER, or this with keys"));
    }
    if pin == Pin::Endpoint {
        for name in ["backends", "outlierDetection", "healthCheck"] {
            if let Some(field) = object.get(name) {
                let allowed = "left out; the route's own cluster has the endpoints, and Envoy their health";
                return Err(field.error(&"has no effect with pin ENDPOINT", allowed));
            }
        }
    }
    Ok(())
}

fn carries_no_token(object: &Object<'_>, name: &str, kind: AffinityType, allowed: &str) -> Box<ConfigError> {
    let wrong = format_args!("cannot work with affinityType {}, which carries no token", kind.name());
    object.field_error(name, &wrong, allowed)
}
