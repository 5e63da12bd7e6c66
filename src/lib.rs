//! Session affinity for Envoy: a proxy-wasm HTTP filter that reads or sets an affinity cookie and writes the
//! request header which the route's `cluster_header` names, so that Envoy itself sends every request of a
//! session to the same backend.
//!
//! The edge: `exports` is what Envoy calls, [`host`] what Envoy is asked; between them stand [`plugin`] (configuration
//! in, services out) and [`filter`] (one HTTP stream). All other modules take plain values and know no host, clock or
//! randomness.

pub mod affinity;
pub mod announcement;
pub mod backends;
pub mod caching;
pub mod client_ip;
pub mod config;
pub mod cookie;
pub mod endpoint;
pub mod evidence;
#[cfg(target_arch = "wasm32")]
mod exports;
pub mod filter;
pub mod hash;
pub mod health;
pub mod host;
pub mod keys;
pub mod outcome;
pub mod plugin;
pub mod probing;
pub mod remembered;
pub mod service;
pub mod session;
pub mod streams;
pub mod token;
pub mod watch;
