//! How a browser handles the filter's cookies: headless Chromium, over HTTPS, with a real Envoy.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests may panic")]

mod attributes;
mod frames;
mod page;
mod site;
