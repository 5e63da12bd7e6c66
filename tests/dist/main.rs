//! The contents of a release: `cargo xtask dist`, run as in the release workflow.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
#![allow(clippy::string_slice, clippy::unwrap_used, reason = "tests may panic")]

mod files;
mod registry;
mod release;
mod reproducible;
