//! This repository's filter, in its ways to serve.

use std::time::Duration;

use harness::config::Bootstrap;
use serde_json::{Value, json};

use super::others::stateful_session_filter;
use super::{Behaviour, Kind, PINNED, PINNED_PASSIVE, Subject, clusters, one_cluster};
use crate::bench::backends::Backends;

/// Two weeks.
const TTL: u32 = 1_209_600;
/// Light traffic.
const LIGHT: Duration = Duration::from_millis(20);

/// A configuration of the filter.
pub struct Plugin(Value);

impl Plugin {
    /// One service of these backends, with keys, nobody looking at responses.
    pub fn new<'a>(affinity: &Value, backends: impl IntoIterator<Item = &'a str>) -> Self {
        let backends: Vec<&str> = backends.into_iter().collect();
        Self(json!({
            "sessionAffinity": affinity,
            "backends": backends,
            "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
            "keys": [{ "id": "k1", "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }],
        }))
    }

    /// Changes a field, or takes it away.
    pub fn with(mut self, field: &str, value: Option<Value>) -> Self {
        if let Value::Object(fields) = &mut self.0 {
            match value {
                Some(value) => drop(fields.insert(field.to_owned(), value)),
                None => drop(fields.remove(field)),
            }
        }
        self
    }

    /// As JSON.
    pub fn json(&self) -> &Value {
        &self.0
    }
}

/// Sessions in a cookie.
pub fn generated_cookie() -> Value {
    json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": TTL })
}

/// Sessions in a cookie, with keys, nobody looking at responses.
pub fn pinned<'a>(backends: impl IntoIterator<Item = &'a str>) -> Plugin {
    Plugin::new(&generated_cookie(), backends)
}

pub(super) fn all(backends: &Backends) -> Vec<Subject> {
    let pinned = || pinned(backends.names());
    let subject = |name: &str, plugin: &Plugin, behaviour| {
        Subject::new(name, Kind::Ours, clusters(backends).filter(plugin.json()), behaviour)
    };
    let of_type = |name: &str, fields: Value, behaviour| {
        let mut affinity = json!({ "affinityType": name });
        if let (Value::Object(all), Value::Object(more)) = (&mut affinity, fields) {
            all.extend(more);
        }
        subject(name, &Plugin::new(&affinity, backends.names()), behaviour)
    };
    let passive = || pinned().with("outlierDetection", None);
    let active = || pinned().with("healthCheck", Some(json!({ "checkIntervalSec": 5 })));
    vec![
        subject(PINNED, &pinned(), Behaviour::Returning).at_most(1.13).quick(),
        subject("pinned, keys, active detection", &active(), Behaviour::Returning).at_most(1.13),
        subject(PINNED_PASSIVE, &passive(), Behaviour::Returning).pace(LIGHT).quick(),
        subject("pinned, detection off", &pinned().with("keys", None), Behaviour::Returning),
        subject("pinned, active detection", &active().with("keys", None), Behaviour::Returning),
        subject("pinned, passive detection", &passive().with("keys", None), Behaviour::Returning).pace(LIGHT),
        subject("a different session each time", &pinned(), Behaviour::Crowd).at_most(1.20).quick(),
        subject("new session", &pinned(), Behaviour::Stranger).at_most(1.35).quick(),
        of_type("NONE", json!({}), Behaviour::Stranger),
        of_type("CLIENT_IP", json!({}), Behaviour::Stranger),
        of_type("HTTP_COOKIE", json!({ "cookie": { "name": "USER" } }), Behaviour::Cookie("USER=alice")),
        of_type(
            "HEADER_FIELD",
            json!({ "header": { "name": "x-user" } }),
            Behaviour::Header("x-user", "alice"),
        ),
        of_type(
            "GENERATED_HEADER",
            json!({ "header": { "name": "x-session" } }),
            Behaviour::ReturningHeader("x-session"),
        ),
        of_type(
            "HEADER_ENVELOPE",
            json!({ "header": { "name": "mcp-session-id" } }),
            Behaviour::ReturningHeader("mcp-session-id"),
        ),
        endpoint(backends),
        cluster_and_endpoint(backends),
    ]
}

/// The route names the cluster; the filter and Envoy's own one hand each other the endpoint.
fn endpoint(backends: &Backends) -> Subject {
    let plugin =
        pinned([]).with("pin", Some("ENDPOINT".into())).with("backends", None).with("outlierDetection", None);
    let bootstrap = Bootstrap::new()
        .cluster_json(one_cluster(backends))
        .filter(plugin.json())
        .http_filter(header_state())
        .route(json!({ "name": "app", "match": { "prefix": "/" }, "route": { "cluster": "pods" } }));
    Subject::new("pin: ENDPOINT", Kind::Ours, bootstrap, Behaviour::Returning)
}

fn cluster_and_endpoint(backends: &Backends) -> Subject {
    let plugin = pinned(backends.names()).with("pin", Some("CLUSTER_AND_ENDPOINT".into()));
    let bootstrap = clusters(backends).filter(plugin.json()).http_filter(header_state());
    Subject::new("pin: CLUSTER_AND_ENDPOINT", Kind::Ours, bootstrap, Behaviour::Returning)
}

fn header_state() -> Value {
    stateful_session_filter(&json!({
        "name": "envoy.http.stateful_session.header",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState",
            "name": "x-affinity-endpoint",
        },
    }))
}
