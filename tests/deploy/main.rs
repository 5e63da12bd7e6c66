//! The manifests in `deploy/`: against the published schemas, and as configurations of a real Envoy.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod dns;
mod envoy_gateway;
mod helm;
mod istio;
mod kubernetes;
mod manifests;
mod monitors;
mod references;
mod safety;
mod schemas;
mod sessions;
