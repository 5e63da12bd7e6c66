//! Converts manifests and runs the result. The real Envoy validates every configuration that a test gets.

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
mod annotations;
mod carried_over;
mod command_line;
mod endpoints;
mod errors;
mod example;
mod files;
mod gateway;
mod gateway_rules;
mod kubernetes;
mod manifests;
mod missing_pods;
mod names;
mod not_carried_over;
mod odd_manifests;
mod pods;
mod policies;
mod routing;
mod support;
mod writing;
