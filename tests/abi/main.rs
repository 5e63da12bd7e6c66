//! The built module on a fake host, for what no real Envoy can be made to do.

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
