//! The Compose files and the image, used with `docker` as described in the README.
//!
//! Needs a Docker engine: `.ci/docker cargo xtask test --compose` starts one if none runs.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests may panic")]

mod image;
mod pods;
mod project;
mod scaling;
mod visitor;
