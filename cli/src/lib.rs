//! The command-line tool beside the session-affinity filter.

#![allow(clippy::arithmetic_side_effects, reason = "no part of the module")]

pub mod convert;
pub mod diagnostic;
pub mod source;
