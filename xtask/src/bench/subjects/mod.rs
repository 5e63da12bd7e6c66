//! What is measured side by side: the same backends and requests behind different filters.

mod bare;
mod client;
mod others;
mod ours;

use std::time::Duration;

use anyhow::Result;
use harness::config::{Bootstrap, cluster};
use serde_json::Value;

pub use self::bare::{floor, noop};
pub use self::client::{Behaviour, Headers, OTHER_COOKIES, send};
pub use self::others::{no_filter, stateful_session};
pub use self::ours::{Plugin, pinned};
use super::backends::Backends;

/// Whose filter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Envoy alone, or with one of its own filters.
    Envoy,
    /// Another way to put code into it.
    Other,
    /// This repository's.
    Ours,
}

/// What costs are compared with.
pub const NO_FILTER: &str = "no filter";
/// What the bounds are stated against.
pub const REFERENCE: &str = "Envoy's stateful_session, cookie";
/// Where nobody looks at responses.
pub const PINNED: &str = "pinned, keys, detection off";
/// Where all responses are looked at: traffic is light.
pub const PINNED_PASSIVE: &str = "pinned, keys, passive detection";
/// The Wasm filter that does nothing.
pub const NOOP: &str = "no-op Wasm filter";
/// The Wasm filter that reads the cookies and sets the cluster, always the same.
pub const FLOOR: &str = "Wasm filter: one read, one set";

/// A filter, or none, and a client.
#[derive(Clone, Debug)]
pub struct Subject {
    /// How tables and plots call it.
    pub name: String,
    /// Whose filter it is.
    pub kind: Kind,
    /// Envoy's configuration.
    pub config: Value,
    /// What the client sends.
    pub behaviour: Behaviour,
    /// Cookies before the session's.
    pub other_cookies: String,
    /// How long after a request the next one begins; as soon as can be where there is none.
    pub pace: Option<Duration>,
    /// What it may cost at most, as a multiple of [`REFERENCE`].
    pub bound: Option<f64>,
    /// Part of a short run.
    pub quick: bool,
}

impl Subject {
    /// A subject of the usual cookies.
    pub fn new(name: impl Into<String>, kind: Kind, config: Bootstrap, behaviour: Behaviour) -> Self {
        // Envoy's own statistics would be gathered every five seconds, in some runs and not in others.
        let config = config.edit(|bootstrap| bootstrap["stats_flush_interval"] = "299s".into()).build();
        let other_cookies = OTHER_COOKIES.to_owned();
        Self {
            name: name.into(),
            kind,
            config,
            behaviour,
            other_cookies,
            pace: None,
            bound: None,
            quick: false,
        }
    }

    /// It may cost so many times what [`REFERENCE`] costs.
    pub fn at_most(mut self, bound: f64) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Also in a short run.
    pub fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    /// So long between the beginnings of two requests.
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = Some(pace);
        self
    }
}

/// All subjects, the baseline first, then the one that costs are compared with.
pub fn all(backends: &Backends) -> Result<Vec<Subject>> {
    let mut subjects = others::all(backends)?;
    subjects.extend(ours::all(backends));
    Ok(subjects)
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
