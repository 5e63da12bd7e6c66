//! `session-affinity check` as its users run it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod broken;
mod command;
mod doubtful;
mod forms;
mod managers;
mod manifests;
mod secrets;
mod settings;
mod shipped;
mod sizes;
mod suggestions;
mod support;
mod unchecked;
