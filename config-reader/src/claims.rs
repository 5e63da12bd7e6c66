//! Names that each may be taken once.

use std::collections::HashMap;
use std::fmt;

use fnv::FnvBuildHasher;

use super::error::{HIDDEN, Problems};
use super::place::Place;
use super::value::Quoted;

/// Who took which name.
pub struct Claims<'a> {
    problems: &'a Problems,
    taken: HashMap<Vec<u8>, String, FnvBuildHasher>,
}

impl<'a> Claims<'a> {
    /// No name is taken.
    #[must_use]
    pub fn new(problems: &'a Problems) -> Self {
        Self { problems, taken: HashMap::default() }
    }

    /// Notes that a name is taken here. Returns where it was taken before, if it was.
    #[inline(never)]
    pub fn take(&mut self, name: &[u8], place: &Place<'_>) -> Option<String> {
        self.taken.insert(name.to_vec(), place.to_string())
    }

    /// Notes that a name is taken here, where it must not have been taken before.
    #[inline(never)]
    pub fn claim(&mut self, name: &str, place: &Place<'_>, allowed: &str) {
        if let Some(first) = self.take(name.as_bytes(), place) {
            let wrong = format_args!("duplicate of {first}");
            let given: &dyn fmt::Display = if place.is_secret() { &HIDDEN } else { &Quoted(name) };
            self.problems.add(place, &wrong, allowed, given);
        }
    }
}
