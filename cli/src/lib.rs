//! The command-line tool of the session-affinity filter.

#![allow(clippy::arithmetic_side_effects, reason = "no part of the module")]

pub mod check;
pub mod command_line;
pub mod convert;
pub mod diagnostic;
pub mod schema;
pub mod source;
pub mod suggest;
pub mod terminal;
pub mod yaml;
