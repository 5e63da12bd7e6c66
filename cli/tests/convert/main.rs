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
mod carried_over;
mod command_line;
mod endpoints;
mod errors;
mod example;
mod files;
mod gateway;
mod kubernetes;
mod manifests;
mod not_carried_over;
mod odd_manifests;
mod pods;
mod routing;
mod support;
