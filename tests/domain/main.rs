//! The domain by itself: plain values in, decisions out, no host.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod affinity;
mod announcement;
mod backends;
mod caching;
mod client_ip;
mod cookie;
mod endpoint_tokens;
mod envelopes;
mod evidence;
mod health;
mod layers;
mod probing;
mod routes;
mod session;
mod sessions_that_move;
mod streams;
mod support;
mod token;
mod watch;
