//! The configurations in envoy/, each as people copy it.

mod canary;
mod every;
mod ingress;
mod live_update;
mod smallest;
mod websocket;
