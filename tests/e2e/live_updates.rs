//! Configuration that changes under load.
