//! Session affinity for Envoy: a proxy-wasm HTTP filter that reads or sets an affinity cookie and writes the
//! request header which the route's `cluster_header` names, so that Envoy itself sends every request of a
//! session to the same backend.
//!
//! Three modules touch the host: [`plugin`] (configuration in, services out), [`filter`] (one HTTP stream) and
//! [`host`] (the calls made to Envoy). All others take plain values and know no host, clock or randomness.

pub mod affinity;
pub mod announcement;
pub mod backends;
pub mod caching;
pub mod client_ip;
pub mod config;
pub mod cookie;
pub mod endpoint;
pub mod evidence;
pub mod filter;
pub mod hash;
pub mod health;
pub mod host;
pub mod keys;
pub mod outcome;
pub mod plugin;
pub mod probing;
pub mod service;
pub mod session;
pub mod token;
pub mod watch;

mod start {
    proxy_wasm::main! {{
        crate::host::start_logging();
        proxy_wasm::set_root_context(|_| crate::plugin::root_context());
    }}
}
