//! The only door to Envoy, on the proxy-wasm SDK. `host` has the calls, the other modules are what Envoy calls back.

mod abi;
mod active_service;
mod host;
mod metrics;
pub(crate) mod plugin;
mod probes;
mod random;
mod request;
mod response;
mod shared_health;
mod stream;
mod warnings;
mod worker;
