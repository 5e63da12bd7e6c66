//! The behaviour of the filter as its users observe it, on a real Envoy with two workers.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]
#![allow(clippy::panic, clippy::unwrap_used, clippy::string_slice, reason = "tests may panic")]

mod availability;
mod carriers;
mod client_ip;
mod config_errors;
mod ecds;
mod endpoints;
mod first_requests;
mod hostile_bytes;
mod interplay;
mod live_updates;
mod metrics;
mod observability;
mod raw;
mod releases;
mod responses;
mod routing_headers;
mod sdk;
mod sessions;
mod shipped;
mod shipped_files;
mod support;
mod tokens;
mod websockets;
mod workers;
