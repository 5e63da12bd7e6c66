//! Session affinity for Envoy.
