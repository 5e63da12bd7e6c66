//! The plugin configuration: parsed whole, checked whole, nothing coerced and nothing ignored.
//!
//! ```
//! use session_affinity::config::Config;
//! let text = br#"{"sessionAffinity": {"affinityType": "GENERATED_COOKIE"}, "backends": ["blue", "blue"]}"#;
//! let error = Config::parse(text, &|_| None).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"config error at backends[1]: duplicate of backends[0]; allowed: each cluster once; given: "blue""#
//! );
//! ```

mod affinity;
mod cookie;
mod detection;
mod headers;
mod keys;
mod service;

pub use affinity::Affinity;
pub use config_reader::ConfigError;
use config_reader::{Claims, Field, Object, Place, Problems, Value, joined};
pub use detection::{HealthCheck, OutlierDetection};
pub use service::{OnUnavailable, Pin, Service};

use crate::keys::Key;
use headers::HeaderNames;

/// Looks up an environment variable of the Wasm VM.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// The request header that the routes' `cluster_header` names, in lower case.
    pub cluster_header: String,
    /// The header that names an endpoint to Envoy's `stateful_session` filter, in lower case.
    pub endpoint_header: String,
    /// The response header that tells the outcome, in lower case.
    pub debug_header: Option<String>,
    /// The first makes tokens, all read them.
    pub keys: Vec<Key>,
    /// At least one.
    pub services: Vec<Service>,
}

/// No service, and the default headers.
impl Default for Config {
    fn default() -> Self {
        Self {
            cluster_header: headers::DEFAULT_CLUSTER.to_owned(),
            endpoint_header: headers::DEFAULT_ENDPOINT.to_owned(),
            debug_header: None,
            keys: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// Fields that stand beside `services`, or beside the fields of a single service.
const SHARED_FIELDS: [&str; 5] = ["services", "clusterHeader", "endpointHeader", "debugHeader", "keys"];

impl Config {
    /// Reads the bytes of the plugin configuration: JSON text or a serialized `google.protobuf.Struct`.
    ///
    /// # Errors
    /// The first thing that is wrong: its place, what is allowed, what was given. Nothing given under `keys`
    /// is ever part of it.
    pub fn parse(bytes: &[u8], environment: Environment<'_>) -> Result<Self, ConfigError> {
        const FORMATS: &str = "JSON, or a google.protobuf.Struct";
        if bytes.is_empty() {
            return Err(ConfigError::new(&Place::ROOT, &"no configuration", FORMATS, &"nothing"));
        }
        let document = Value::read(bytes).map_err(|problem| {
            let wrong = format_args!("not JSON: {problem}");
            ConfigError::new(&Place::ROOT, &wrong, FORMATS, &format_args!("{} bytes", bytes.len()))
        })?;
        let problems = Problems::default();
        let config = Self::read(Field::root(&document, &problems), environment);
        problems.first().map_or(Ok(config), Err)
    }

    fn read(document: Field<'_>, environment: Environment<'_>) -> Self {
        let root = document.object(&[SHARED_FIELDS.as_slice(), &service::FIELDS].concat());
        let header_names = HeaderNames::read(&root);
        let keys = root.get("keys").map(|field| keys::read(&field, environment)).unwrap_or_default();
        let services = read_services(&root, &header_names, !keys.is_empty());
        let HeaderNames { cluster, endpoint, debug } = header_names;
        Self { cluster_header: cluster, endpoint_header: endpoint, debug_header: debug, keys, services }
    }

    /// What works but is probably not meant, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.keys.is_empty() && !self.services.iter().any(|service| service.affinity.makes_tokens()) {
            warnings
                .push("keys have no effect: no service has an affinityType that carries a token".to_owned());
        }
        if self.endpoint_header != headers::DEFAULT_ENDPOINT
            && !self.services.iter().any(|service| service.pin.has_endpoint())
        {
            warnings.push("endpointHeader has no effect: no service pins endpoints".to_owned());
        }
        for service in &self.services {
            let name = &service.name;
            if matches!(&service.affinity, Affinity::HeaderEnvelope { life, .. } if life.idle_timeout_sec > 0)
            {
                warnings.push(format!(
                    "service {name}: idleTimeoutSec with HEADER_ENVELOPE: a session is renewed only when the \
                     application sends its header again"
                ));
            }
            if service.has_idle_ttl {
                warnings.push(format!(
                    "service {name}: affinityCookieTtlSec has no effect with affinityType {}, as in GKE",
                    service.affinity.type_name()
                ));
            }
            if service.affinity.makes_tokens() && self.keys.is_empty() {
                warnings.push(format!(
                    "service {name}: {} without keys: tokens are neither encrypted nor authenticated",
                    service.affinity.type_name()
                ));
            }
        }
        warnings
    }

    /// One line for the log: services, their backends, the ids of keys.
    #[must_use]
    pub fn summary(&self) -> String {
        let services = self.services.iter().map(|service| {
            let backends = service.backends.iter().map(|(cluster, weight)| match weight {
                1 => cluster.clone(),
                _ => format!("{cluster} (weight {weight})"),
            });
            let over = if service.pin.has_cluster() {
                abridged(backends, ", ")
            } else {
                "the route's endpoints".to_owned()
            };
            format!("service {}: {} over {over}", service.name, service.affinity.type_name())
        });
        let services = abridged(services, "; ");
        let keys = match self.keys.as_slice() {
            [] => "none".to_owned(),
            keys => joined(&keys.iter().map(Key::id).collect::<Vec<_>>(), ", "),
        };
        format!("{services}; keys: {keys}")
    }
}

/// The first few elements, and how many more there are.
fn abridged(elements: impl ExactSizeIterator<Item = String>, separator: &str) -> String {
    const SHOWN: usize = 10;
    let more = elements.len().saturating_sub(SHOWN);
    let mut parts: Vec<String> = elements.take(SHOWN).collect();
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    joined(&parts.iter().map(String::as_str).collect::<Vec<_>>(), separator)
}

fn read_services(root: &Object<'_>, header_names: &HeaderNames, has_keys: bool) -> Vec<Service> {
    let Some(list) = root.get("services") else {
        return vec![Service::read(root, header_names, has_keys)];
    };
    if let Some(field) = service::FIELDS.iter().find_map(|name| root.get(name)) {
        field.refuse(&"given beside services", "services, or the fields of a single service");
    }
    let objects: Vec<Object<'_>> = list.list().map(|field| field.object(&service::FIELDS)).collect();
    if objects.is_empty() {
        list.refuse(&"empty", "at least one service");
    }
    let services: Vec<_> =
        objects.iter().map(|object| Service::read(object, header_names, has_keys)).collect();
    check_across(root.problems(), &objects, &services);
    services
}

/// What only several services together can get wrong.
fn check_across(problems: &Problems, objects: &[Object<'_>], services: &[Service]) {
    const OWN_COOKIE: &str = "a name of its own: in one browser they would overwrite each other's cookie";
    let mut names = Claims::new(problems);
    let mut cookies = Claims::new(problems);
    let mut routes = Claims::new(problems);
    let mut default: Option<Place<'_>> = None;
    for (object, service) in objects.iter().zip(services) {
        names.claim(&service.name, &object.place_of("name"), "a name of its own");
        if let Some(cookie) = service.affinity.generated_cookie() {
            let affinity = object.place_of("sessionAffinity");
            cookies.claim(&cookie.name, &affinity.field("cookie").field("name"), OWN_COOKIE);
        }
        let routes_place = object.place_of("routes");
        if let Some(list) = &service.routes {
            for (index, route) in list.iter().enumerate() {
                routes.claim(route, &routes_place.element(index), "each route in one service");
            }
        } else if let Some(first) = default.replace(routes_place) {
            let wrong = format_args!("missing, as is {first}");
            object.refuse_field("routes", &wrong, "at most one service without routes");
        }
    }
}

/// Whether a text may be a path, of a cookie or of a request.
fn is_request_path(text: &str) -> bool {
    text.len() <= 1024 && text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}
