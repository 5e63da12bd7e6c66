//! Session affinity for Envoy: a proxy-wasm HTTP filter that reads or sets an affinity cookie and writes the request
//! header which the route's `cluster_header` names, so that Envoy itself sends every request of a session to the same
//! backend.
//!
//! `envoy` is the only door to Envoy. All other modules take plain values, and know no host, clock or randomness.
//!
//! Three walks through the code:
//!
//! - *From a cookie to a token*: `envoy::request` gathers the inputs, `routing::decide` decides, `envoy::request` applies
//!   the decision. On the response, `health::classify` says what the response is, and `headers` gives the client its
//!   token.
//! - *From the configuration to a service*: `envoy::plugin`, [`config`], `routing::service`.
//! - *From a failed response to the decision of another worker*: `envoy::response`, `health::classify`, `health::table`,
//!   `envoy::shared_health`, the other worker's tick, `health::availability`.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice, reason = "tests may panic"))]

pub mod config;

mod balance;
mod envoy;
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
