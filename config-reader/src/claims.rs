//! Names that each may be taken once.

use std::collections::HashMap;

use fnv::FnvBuildHasher;

use super::error::{ConfigError, HIDDEN, Result};
use super::place::Place;
use super::value::Quoted;

/// Who took which name.
#[derive(Debug, Default)]
pub struct Claims {
    taken: HashMap<Vec<u8>, String, FnvBuildHasher>,
}

impl Claims {
    /// Notes that a name is taken here. Returns where it was taken before, if it was.
    #[inline(never)]
    pub fn take(&mut self, name: &[u8], place: &Place<'_>) -> Option<String> {
        self.taken.insert(name.to_vec(), place.to_string())
    }

    /// Notes that a name is taken here, where it must not have been taken before.
    ///
    /// # Errors
    /// It was.
    #[inline(never)]
    pub fn claim(&mut self, name: &str, place: &Place<'_>, allowed: &str) -> Result<()> {
        match self.take(name.as_bytes(), place) {
            Some(first) => {
                let wrong = format_args!("duplicate of {first}");
                Err(if place.is_secret() {
                    ConfigError::new(place, &wrong, allowed, &HIDDEN)
                } else {
                    ConfigError::new(place, &wrong, allowed, &Quoted(name))
                })
            }
            None => Ok(()),
        }
    }
}
