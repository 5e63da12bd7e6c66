//! The only interface to Envoy, on the proxy-wasm SDK. `host` has the calls to Envoy. The other modules handle Envoy's
//! callbacks.

mod abi;
mod active_service;
mod announced;
mod host;
mod metrics;
pub(crate) mod plugin;
mod probes;
mod random;
mod request;
mod response;
mod shared_health;
mod stream;
mod upstream;
mod warnings;
mod worker;
