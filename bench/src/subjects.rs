//! The measured subjects: the same backends and requests with different filters.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::config::{Bootstrap, cluster};
use serde_json::{Value, json};

use crate::backends::Backends;
use crate::client::{Behaviour, COOKIE};
use crate::promises::LOOKS_PER_SECOND;

/// The baseline.
pub const NO_FILTER: &str = "no filter";
/// The subject to which all others are compared.
pub const REFERENCE: &str = "Envoy's stateful_session, cookie";
/// The Wasm filter that does nothing.
pub const NOOP: &str = "no-op Wasm filter";
/// The Lua filter.
pub const LUA: &str = "Lua filter, pinned";
/// This filter, examining no response.
pub const PINNED: &str = "pinned, keys, detection off";
/// This filter, examining every response under light traffic.
pub const PINNED_PASSIVE: &str = "pinned, keys, passive detection";

/// Two weeks, in seconds.
const TTL: u32 = 1_209_600;
/// The time between two requests that lets the filter examine every response, with a margin.
const LIGHT: Duration = Duration::from_millis(1_200 / LOOKS_PER_SECOND as u64);
/// The same length as this filter's cookie with keys.
const LONG_COOKIE: &str = "GCLB=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The origin of a subject's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No filter, or one of Envoy's own.
    Envoy,
    /// Another way to extend Envoy with code.
    Other,
    /// This filter.
    Ours,
}

/// An Envoy with or without a filter, and its client.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name in tables and in the plot.
    pub name: String,
    /// The origin of its filter.
    pub kind: Kind,
    /// Envoy's configuration.
    pub config: Value,
    /// The behaviour of its client.
    pub behaviour: Behaviour,
    /// The time from the start of a request to the start of the next one. Without a value, requests follow at once.
    pub pace: Option<Duration>,
    /// The promised maximum, as a multiple of [`REFERENCE`].
    pub bound: Option<f64>,
    /// Whether the subject is part of a short run.
    pub quick: bool,
}

impl Subject {
    /// A subject without a promised maximum.
    pub fn new(name: impl Into<String>, kind: Kind, config: Bootstrap, behaviour: Behaviour) -> Self {
        // By default Envoy flushes statistics every five seconds: during the count in some runs, but not in others.
        let config = config.edit(|bootstrap| bootstrap["stats_flush_interval"] = "299s".into()).build();
        Self { name: name.into(), kind, config, behaviour, pace: None, bound: None, quick: false }
    }

    fn at_most(self, bound: f64) -> Self {
        Self { bound: Some(bound), ..self }
    }

    fn quick(self) -> Self {
        Self { quick: true, ..self }
    }

    fn light(self) -> Self {
        Self { pace: Some(LIGHT), ..self }
    }
}

/// All subjects, the baseline first, then the reference.
pub fn all(backends: &Backends) -> Result<Vec<Subject>> {
    let mut subjects = vec![
        no_filter(backends),
        stateful_session(backends),
        ring_hash(backends),
        noop(backends)?,
        one_read_one_set(backends)?,
        lua(backends),
    ];
    subjects.extend(ours(backends));
    Ok(subjects)
}

/// The baseline.
pub fn no_filter(backends: &Backends) -> Subject {
    let bootstrap = to_pods(&json!({ "cluster": "pods" })).cluster_json(one_cluster(backends));
    Subject::new(NO_FILTER, Kind::Envoy, bootstrap, Behaviour::Stranger).quick()
}

fn stateful_session(backends: &Backends) -> Subject {
    let state = json!({
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
            "cookie": { "name": COOKIE, "path": "/", "ttl": format!("{TTL}s") },
        },
    });
    let bootstrap = to_pods(&json!({ "cluster": "pods" }))
        .cluster_json(one_cluster(backends))
        .http_filter(stateful_session_filter(&state));
    Subject::new(REFERENCE, Kind::Envoy, bootstrap, Behaviour::Returning).quick()
}

fn stateful_session_filter(state: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.stateful_session",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
            "session_state": state,
        },
    })
}

fn ring_hash(backends: &Backends) -> Subject {
    let mut pods = one_cluster(backends);
    pods["lb_policy"] = "RING_HASH".into();
    let policy = json!([{ "cookie": { "name": COOKIE, "ttl": format!("{TTL}s"), "path": "/" } }]);
    let bootstrap = to_pods(&json!({ "cluster": "pods", "hash_policy": policy })).cluster_json(pods);
    Subject::new("Envoy's ring hash, cookie", Kind::Envoy, bootstrap, Behaviour::Returning)
}

/// A Wasm filter that does nothing: the cost of calls into a VM.
pub fn noop(backends: &Backends) -> Result<Subject> {
    let bootstrap = with_module(clusters(backends), "noop", include_str!("noop.wat"))?
        .route(json!({ "name": "app", "match": { "prefix": "/" }, "route": { "cluster": "backend-0" } }));
    Ok(Subject::new(NOOP, Kind::Other, bootstrap, Behaviour::Stranger).quick())
}

fn one_read_one_set(backends: &Backends) -> Result<Subject> {
    let module = include_str!("one_read_one_set.wat");
    let bootstrap = with_module(clusters(backends), "one_read_one_set", module)?;
    let behaviour = Behaviour::Cookie(LONG_COOKIE);
    Ok(Subject::new("Wasm filter: one read, one set", Kind::Other, bootstrap, behaviour).quick())
}

fn with_module(bootstrap: Bootstrap, name: &str, text: &str) -> Result<Bootstrap> {
    let path = harness::workspace_root().join("target/bench").join(name).with_extension("wasm");
    fs::create_dir_all(path.with_file_name(""))?;
    harness::xds::write(&path, wat::parse_str(text).with_context(|| format!("the module {name}"))?)?;
    Ok(bootstrap.filter(&json!({})).module(path))
}

fn lua(backends: &Backends) -> Subject {
    let bootstrap = clusters(backends).http_filter(json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": include_str!("pinned.lua") },
        },
    }));
    Subject::new(LUA, Kind::Other, bootstrap, Behaviour::Returning).quick()
}

/// A configuration of this filter with one service.
pub struct Plugin(Value);

impl Plugin {
    /// With keys, examining no response.
    fn new<'a>(affinity: &Value, backends: impl IntoIterator<Item = &'a str>) -> Self {
        let backends: Vec<&str> = backends.into_iter().collect();
        Self(json!({
            "sessionAffinity": affinity,
            "backends": backends,
            "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
            "keys": keys(),
        }))
    }

    /// Sessions in a cookie.
    pub fn pinned<'a>(backends: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(&generated_cookie(COOKIE), backends)
    }

    /// Sets a field.
    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    /// Removes a field, so that its default applies.
    fn without(mut self, field: &str) -> Self {
        if let Value::Object(fields) = &mut self.0 {
            fields.remove(field);
        }
        self
    }

    /// The configuration as JSON.
    pub fn json(&self) -> &Value {
        &self.0
    }
}

/// Sessions in the cookie of this name.
pub fn generated_cookie(name: &str) -> Value {
    json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": TTL, "cookie": { "name": name } })
}

/// The keys of every configuration.
pub fn keys() -> Value {
    json!([{ "id": "k1", "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }])
}

fn ours(backends: &Backends) -> Vec<Subject> {
    let subject = |name: &str, plugin: &Plugin, behaviour| {
        Subject::new(name, Kind::Ours, clusters(backends).filter(plugin.json()), behaviour)
    };
    let of_type = |affinity: Value, behaviour| {
        let name = affinity["affinityType"].as_str().unwrap_or_default();
        subject(name, &Plugin::new(&affinity, backends.names()), behaviour)
    };
    let header = |affinity_type: &str, header: &str| json!({ "affinityType": affinity_type, "header": { "name": header } });
    let pinned = || Plugin::pinned(backends.names());
    let passive = || pinned().without("outlierDetection");
    let active = || pinned().with("healthCheck", json!({ "checkIntervalSec": 5 }));
    let user = json!({ "affinityType": "HTTP_COOKIE", "cookie": { "name": "USER" } });
    vec![
        subject(PINNED, &pinned(), Behaviour::Returning).at_most(1.15).quick(),
        subject("pinned, keys, active detection", &active(), Behaviour::Returning),
        subject(PINNED_PASSIVE, &passive(), Behaviour::Returning).light().quick(),
        failover(backends).at_most(1.22).quick(),
        subject("pinned, detection off", &pinned().without("keys"), Behaviour::Returning),
        subject("pinned, active detection", &active().without("keys"), Behaviour::Returning),
        subject("pinned, passive detection", &passive().without("keys"), Behaviour::Returning).light(),
        subject("a different session each time", &pinned(), Behaviour::Crowd).quick(),
        subject("new session", &pinned(), Behaviour::Stranger).at_most(1.45).quick(),
        of_type(json!({ "affinityType": "NONE" }), Behaviour::Stranger),
        of_type(json!({ "affinityType": "CLIENT_IP" }), Behaviour::Stranger),
        of_type(user, Behaviour::Cookie("USER=alice")),
        of_type(header("HEADER_FIELD", "x-user"), Behaviour::Header("x-user", "alice")),
        of_type(header("GENERATED_HEADER", "x-session"), Behaviour::ReturningHeader("x-session")),
        of_type(header("HEADER_ENVELOPE", "mcp-session-id"), Behaviour::ReturningHeader("mcp-session-id")),
        of_type(
            json!({ "affinityType": "COOKIE_ENVELOPE", "cookie": { "name": "SID" } }),
            Behaviour::LoggedIn("SID"),
        )
        .at_most(1.45),
        endpoint(backends),
        cluster_and_endpoint(backends),
    ]
}

/// The filter reads from each response which backend sent it. The clusters are plain ones, so that the difference is
/// the filter's cost.
fn failover(backends: &Backends) -> Subject {
    let plugin = Plugin::pinned(backends.names()).with("failover", true);
    let named = backends.names().zip(backends.addresses());
    let bootstrap = named.fold(Bootstrap::new(), |bootstrap, (name, address)| {
        let mut cluster = cluster(name, &[address]);
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] =
            json!({ "filter_metadata": { "session_affinity": { "backend": name } } });
        bootstrap.cluster_json(cluster)
    });
    let bootstrap = bootstrap.filter(plugin.json());
    Subject::new("pinned, keys, failover: true", Kind::Ours, bootstrap, Behaviour::Returning)
}

/// The route names the cluster, and the filter sends the endpoint to Envoy's own filter.
fn endpoint(backends: &Backends) -> Subject {
    let plugin = Plugin::pinned([]).with("pin", "ENDPOINT").without("backends").without("outlierDetection");
    let bootstrap = to_pods(&json!({ "cluster": "pods" }))
        .cluster_json(one_cluster(backends))
        .filter(plugin.json())
        .http_filter(header_state());
    Subject::new("pin: ENDPOINT", Kind::Ours, bootstrap, Behaviour::Returning)
}

fn cluster_and_endpoint(backends: &Backends) -> Subject {
    let plugin = Plugin::pinned(backends.names()).with("pin", "CLUSTER_AND_ENDPOINT");
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

/// The filter with this many backends. Only the first three have a cluster, so that Envoy's own cost does not grow. The
/// others have weight 0, so that no session begins there.
pub fn with_names(backends: &Backends, amount: u32) -> Subject {
    let mut all: Vec<Value> = backends.names().map(Value::from).collect();
    all.extend((3..amount).map(|index| json!({ "cluster": format!("backend-{index}"), "weight": 0 })));
    let plugin = Plugin::pinned([]).with("backends", all);
    let bootstrap = clusters(backends).filter(plugin.json());
    Subject::new(format!("this filter, {amount} backends"), Kind::Ours, bootstrap, Behaviour::Stranger)
}

/// A cluster for each backend.
pub fn clusters(backends: &Backends) -> Bootstrap {
    let named = backends.names().zip(backends.addresses());
    named.fold(Bootstrap::new(), |bootstrap, (name, address)| bootstrap.cluster(name, &[address]))
}

/// The cluster `pods` of all backends.
fn one_cluster(backends: &Backends) -> Value {
    cluster("pods", &backends.addresses())
}

fn to_pods(route: &Value) -> Bootstrap {
    Bootstrap::new().route(json!({ "name": "app", "match": { "prefix": "/" }, "route": route }))
}
