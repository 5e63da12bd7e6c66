//! The configurations in envoy/, as people copy them.

mod canary;
mod canary_endpoints;
mod dns;
mod endpoints;
mod every;
mod faults;
mod header;
mod ingress;
mod live_update;
mod long_answers;
mod mcp;
mod observed;
pub mod python;
mod smallest;
mod socketio;
mod websocket;
