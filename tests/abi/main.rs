//! The built module on a fake host, for situations that a test cannot produce with a real Envoy.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod calls;
mod host;
mod imports;
mod streams;
mod support;
mod workers;
