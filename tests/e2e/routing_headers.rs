//! Headers towards Envoy that a client may not set.
