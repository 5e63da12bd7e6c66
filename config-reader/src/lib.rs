//! Reads a configuration strictly: nothing coerced, nothing ignored, and for all that is wrong an error with the
//! place, what is allowed and what was given.
//!
//! It is a package of its own because it runs once in each worker's life: it is compiled for size. Nothing in it
//! depends on a type of its caller's, so there is one copy of everything; and nothing returns an error, so the many
//! places that read a field need no way out.

mod claims;
mod error;
mod json;
mod object;
mod place;
mod protobuf;
mod value;

pub use claims::Claims;
pub use error::{ConfigError, Problems};
pub use object::{Field, Object};
pub use place::Place;
pub use value::{Quoted, Value, joined};
