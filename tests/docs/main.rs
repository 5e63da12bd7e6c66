//! The README and the pages in `docs/`: their links, their length, their configurations and their commands.
//!
//! The first word after the fence of a code block is its language. The next word says how the test treats the block:
//!
//! | fence | is |
//! | --- | --- |
//! | `yaml`, `json` | a plugin configuration, or a part of an Envoy configuration: both are checked |
//! | `sh run` | commands that must succeed |
//! | `sh run background PORT…` | commands that keep running; the page continues when the ports accept connections |
//! | `console run` | commands after `$`, each followed by its output |
//! | `console run eventually` | the same; a command is repeated until it prints that output |
//! | `… not-run: REASON` | none of these, for this reason |
//! | `text` | no code |
//!
//! An HTML comment that begins with `run` holds commands that readers do not need: `<!-- run background 9380 …`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod commands;
mod envoy;
mod links;
mod migrate;
mod page;
mod plugin;
mod ports;
mod sample;
mod shell;
