//! Which configurations the filter accepts and refuses, and the messages.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

#[path = "../../tests/cases/mod.rs"]
mod cases;
mod large;
mod parser;
mod warnings;
