//! Unmodified applications that keep their sessions in memory, three instances each, behind a real Envoy.
//!
//! With the filter, no user loses a session before the session's instance ends. Without the filter, nearly every user
//! does.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests may panic")]

mod browsing;
mod clients;
mod django;
mod envoy;
mod express;
mod gradio;
mod instance;
mod jupyter;
mod python;
mod server_sessions;
mod sse;
mod streamlit;
mod tap;
mod tomcat;
mod tus;
