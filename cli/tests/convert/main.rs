//! Manifests in, a running Envoy out. Every configuration that a test here gets is checked by the real Envoy.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod affinity;
mod carried_over;
mod command_line;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../../../tests/deploy/dns.rs"]
mod dns;
mod endpoints;
mod example;
mod files;
mod gateway;
mod kubernetes;
mod manifests;
mod mistakes;
mod not_carried_over;
mod odd_manifests;
mod pods;
mod routing;
mod support;
