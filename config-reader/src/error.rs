//! The one error: where, what is wrong, what is allowed, what was given.

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

/// What reading comes to. The box keeps the many places that hand an error on small.
pub type Result<T> = std::result::Result<T, Box<ConfigError>>;

/// Stands for what was given where it is secret.
pub const HIDDEN: &str = "(not shown)";

impl ConfigError {
    /// The error in all its parts.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn new(
        place: &Place<'_>,
        wrong: &dyn fmt::Display,
        allowed: &str,
        given: &dyn fmt::Display,
    ) -> Box<Self> {
        let problem = format!("{wrong}; allowed: {allowed}; given: {given}");
        Box::new(Self { path: place.to_string(), problem })
    }

    /// The error about a value, or about there being none. What was given is left out where it is secret.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn about(
        place: &Place<'_>,
        wrong: &dyn fmt::Display,
        allowed: &str,
        value: Option<&Value>,
    ) -> Box<Self> {
        match value {
            Some(_) if place.is_secret() => Self::new(place, wrong, allowed, &HIDDEN),
            Some(value) => Self::new(place, wrong, allowed, value),
            None => Self::new(place, wrong, allowed, &"nothing"),
        }
    }
}
