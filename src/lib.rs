//! Session affinity for Envoy: a proxy-wasm HTTP filter that reads or sets an affinity cookie and writes the request
//! header which the route's `cluster_header` names, so that Envoy itself sends every request of a session to the same
//! backend.
//!
//! `envoy` is the only interface to Envoy. All other modules take plain values, and use no host, clock or randomness.
//!
//! Three paths through the code:
//!
//! - *From a cookie to a token*: `envoy::stream` finds the service, `envoy::request` gathers the inputs,
//!   `routing::decide` decides, `envoy::request` applies the decision. On the response, `health::classify` classifies
//!   the response, `routing::token_update` makes the new token, and `headers::set_token` makes the header changes.
//!   `envoy::response` calls all three.
//! - *From the configuration to a service*: `envoy::plugin`, [`config`], `envoy::worker`, `routing::service`, and
//!   `envoy::active_service` with the state that a worker keeps for the service.
//! - *From a failed response to the decision of another worker*: `envoy::response`, `health::classify`,
//!   `envoy::shared_health`, `health::table`, the tick of the other worker's `envoy::worker`, `health::availability`.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice, reason = "tests may panic"))]

pub mod config;

mod balance;
mod envoy;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod headers;
mod health;
mod routing;
mod session;
#[cfg(test)]
mod testing;

/// The function that Envoy calls first.
mod start {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
        proxy_wasm::set_root_context(|_| Box::new(crate::envoy::plugin::Plugin::default()));
    }}
}
