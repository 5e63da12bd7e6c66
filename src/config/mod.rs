//! The plugin configuration. It is parsed and checked as a whole. No value is coerced or ignored.
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
mod bounded;
mod cookie;
mod deserializer;
mod detection;
mod document;
mod error;
mod headers;
mod host_name;
mod keys;
mod path;
#[cfg(feature = "schema")]
mod schema;
mod service;
#[cfg(test)]
mod tests;
mod text;
mod unique;
mod value;

pub(crate) use affinity::{Affinity, Fallback};
pub(crate) use cookie::{Cookie, LifetimeType, SameSite, Secure};
pub(crate) use detection::{HealthCheck, OutlierDetection};
pub use error::ConfigError;
pub use service::{BackendConfig, OnUnavailable, Pin, ServiceConfig};

use crate::session::key::Key;
use document::Document;
use path::FieldPath;
use value::Value;

/// Looks up an environment variable of the Wasm VM.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// The request header that the routes' `cluster_header` names, in lower case.
    pub cluster_header: String,
    /// The header that names an endpoint to Envoy's `stateful_session` filter, in lower case.
    pub endpoint_header: String,
    /// The response header for the outcome, in lower case.
    pub(crate) debug_header: Option<String>,
    /// Whether access logs can show the outcome.
    pub(crate) log_outcome: bool,
    /// The first key makes tokens. All keys read tokens.
    pub(crate) keys: Vec<Key>,
    /// At least one.
    pub services: Vec<ServiceConfig>,
}

/// No service, and the default headers.
impl Default for Config {
    fn default() -> Self {
        Self {
            cluster_header: headers::DEFAULT_CLUSTER.to_owned(),
            endpoint_header: headers::DEFAULT_ENDPOINT.to_owned(),
            debug_header: None,
            log_outcome: false,
            keys: Vec::new(),
            services: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the bytes of the plugin configuration: JSON text or a serialized `google.protobuf.Struct`.
    ///
    /// # Errors
    /// The first error: its path, what is allowed, what was given. Values that are invalid by themselves come before
    /// invalid combinations. No error shows a value under `keys`.
    pub fn parse(bytes: &[u8], environment: Environment<'_>) -> Result<Self, ConfigError> {
        const FORMATS: &str = "JSON, or a google.protobuf.Struct";
        let root = FieldPath::default();
        if bytes.is_empty() {
            return Err(ConfigError::new(&root, "no configuration", FORMATS, "nothing"));
        }
        let value = Value::read(bytes).map_err(|error| {
            let given = format!("{} bytes", bytes.len());
            ConfigError::new(&root, &format!("not JSON: {error}"), FORMATS, &given)
        })?;
        let config = Document::read(&value).and_then(|document| document.into_config(environment));
        config.map_err(|problem| problem.into_error(&value))
    }

    /// Settings that work, but probably not as intended. One sentence each.
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
            if matches!(&service.affinity, Affinity::HeaderEnvelope { lifetime, .. } if lifetime.idle_timeout_sec > 0)
            {
                warnings.push(format!(
                    "service {name}: idleTimeoutSec with HEADER_ENVELOPE: a session is renewed only when the \
                     application sends its header again"
                ));
            }
            if service.has_unused_ttl {
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

    /// The JSON Schema (2020-12) of the plugin configuration.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schema::generate()
    }

    /// One line for the log: the services, their backends, and the ids of the keys.
    #[must_use]
    pub fn summary(&self) -> String {
        let services = self.services.iter().map(|service| {
            let backends = service.backends.iter().map(|backend| {
                let BackendConfig { cluster, weight, backup } = backend;
                match (weight, backup) {
                    (1, false) => cluster.clone(),
                    (1, true) => format!("{cluster} (backup)"),
                    (_, false) => format!("{cluster} (weight {weight})"),
                    (_, true) => format!("{cluster} (weight {weight}, backup)"),
                }
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
            keys => keys.iter().map(Key::id).collect::<Vec<_>>().join(", "),
        };
        format!("{services}; keys: {keys}")
    }
}

/// The first elements, and the number of further elements.
fn abridged(elements: impl ExactSizeIterator<Item = String>, separator: &str) -> String {
    const SHOWN: usize = 10;
    let more = elements.len().saturating_sub(SHOWN);
    let mut parts: Vec<String> = elements.take(SHOWN).collect();
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join(separator)
}

/// Whether the text consists of letters, digits, underscores and hyphens.
fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !text.is_empty() && text.bytes().all(legal)
}

/// Whether the text is a valid path of a cookie or of a request.
fn is_request_path(text: &str) -> bool {
    text.len() <= 1024 && text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}
