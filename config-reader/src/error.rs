//! Errors: where, what is wrong, what is allowed, what was given.

use std::cell::Cell;
use std::fmt;

use super::place::Place;
use super::value::Value;

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The place, written like `services[0].sessionAffinity.affinityCookieTtlSec`.
    pub path: String,
    /// What is wrong, what is allowed, what was given.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config error at {}: {}", self.path, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// Stands for what was given where it is secret.
pub const HIDDEN: &str = "(not shown)";

impl ConfigError {
    /// The error in all its parts.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn new(place: &Place<'_>, wrong: &dyn fmt::Display, allowed: &str, given: &dyn fmt::Display) -> Self {
        let problem = format!("{wrong}; allowed: {allowed}; given: {given}");
        Self { path: place.to_string(), problem }
    }
}

/// What is wrong with a document. After an error reading goes on with what stands for a field that is left out; of all
/// errors the first counts.
#[derive(Default)]
pub struct Problems(Cell<Option<ConfigError>>);

impl Problems {
    /// The first error, if there is any.
    #[must_use]
    pub fn first(self) -> Option<ConfigError> {
        self.0.into_inner()
    }

    /// Notes an error.
    #[cold]
    #[inline(never)]
    pub fn add(&self, place: &Place<'_>, wrong: &dyn fmt::Display, allowed: &str, given: &dyn fmt::Display) {
        let first = self.0.take();
        self.0.set(first.or_else(|| Some(ConfigError::new(place, wrong, allowed, given))));
    }

    /// Notes an error about a value, or about there being none. What was given is left out where it is secret.
    #[cold]
    #[inline(never)]
    pub(crate) fn add_about(
        &self,
        place: &Place<'_>,
        wrong: &dyn fmt::Display,
        allowed: &str,
        value: Option<&Value>,
    ) {
        let given: &dyn fmt::Display = match value {
            Some(_) if place.is_secret() => &HIDDEN,
            Some(value) => value,
            None => &"nothing",
        };
        self.add(place, wrong, allowed, given);
    }
}
