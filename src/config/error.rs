//! Errors: the path, what is wrong, what is allowed, what was given.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::is_name;
use super::path::{FieldPath, Step};
use super::value::{Quoted, Value};

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The path, such as `services[0].sessionAffinity.affinityCookieTtlSec`.
    pub(crate) path: String,
    /// What is wrong, what is allowed, what was given.
    pub(crate) problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config error at {}: {}", self.path, self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The path, such as `services[0].sessionAffinity.affinityCookieTtlSec`, or `(root)` for the whole configuration.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, what is allowed, what was given: three parts with `; allowed: ` and `; given: ` between them.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    pub(super) fn new(path: &FieldPath, wrong: &str, allowed: &str, given: &str) -> Self {
        let problem = format!("{wrong}; allowed: {allowed}; given: {given}");
        Self { path: path.to_string(), problem }
    }
}

/// What is wrong with a value, and where.
///
/// A `Problem` never contains the value, because the value may be a secret. serde's own messages quote the value, so
/// they are replaced. `into_error` looks up the value, and shows it only if it is not secret.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    path: FieldPath,
    wrong: String,
    allowed: String,
    /// The path at which the same name was given before.
    first: Option<FieldPath>,
    given: Given,
}

/// What the error shows after `given:`.
#[derive(Clone, Debug)]
enum Given {
    /// The value at the path, if there is one.
    Value,
    /// Nothing: a required field is missing.
    Nothing,
    /// This text: the default, or the value that a reader knows.
    Text(String),
    /// A field with this name, in the object at the path.
    UnknownField(String),
}

impl Problem {
    /// A problem with the current value: what is wrong, and what is allowed.
    pub(crate) fn new(wrong: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            path: FieldPath::default(),
            wrong: wrong.into(),
            allowed: allowed.into(),
            first: None,
            given: Given::Value,
        }))
    }

    /// The current value has a type that is not allowed.
    pub(crate) fn wrong_type(allowed: impl Into<String>) -> Self {
        Self::new("wrong type", allowed)
    }

    /// The current value has a type that `expected` does not accept.
    pub(crate) fn unexpected(expected: &dyn Expected) -> Self {
        Self::wrong_type(expected.to_string())
    }

    /// The current value is required and missing.
    pub(crate) fn missing(allowed: impl Into<String>) -> Self {
        Self::new("missing", allowed).with(Given::Nothing)
    }

    /// The names at two paths are equal.
    pub(crate) fn duplicate(first: FieldPath, second: FieldPath, allowed: &str) -> Self {
        let mut problem = Self::new("duplicate", allowed);
        problem.0.path = second;
        problem.0.first = Some(first);
        problem
    }

    /// Shows `text` as the given value, even if nothing was given and `text` is a default.
    pub(crate) fn given(self, text: &str) -> Self {
        self.with(Given::Text(text.to_owned()))
    }

    fn with(mut self, given: Given) -> Self {
        self.0.given = given;
        self
    }

    /// The same problem, relative to the parent. `step` leads from the parent to the current value.
    pub(crate) fn within(mut self, step: impl Into<Step>) -> Self {
        let step = step.into();
        if let Some(first) = &mut self.0.first {
            first.put_within(step.clone());
        }
        self.0.path.put_within(step);
        self
    }

    /// The path of the missing field, if the problem is a missing field.
    pub(crate) fn missing_field(&self) -> Option<&FieldPath> {
        matches!(self.0.given, Given::Nothing).then_some(&self.0.path)
    }

    /// The same problem, with the allowed values of `other`.
    pub(crate) fn allowing_as(mut self, other: Self) -> Self {
        self.0.allowed = other.0.allowed;
        self
    }

    /// The error about this problem. `document` has the given value.
    pub(crate) fn into_error(self, document: &Value) -> ConfigError {
        let Parts { path, mut wrong, allowed, first, given } = *self.0;
        if let Some(first) = first {
            wrong.push_str(" of ");
            wrong.push_str(&first.to_string());
        }
        let (path, given) = match (given, document.at(&path)) {
            (Given::Nothing, _) | (Given::Value, None) => (path, "nothing".to_owned()),
            (Given::UnknownField(name), _) => unknown_field(path, name),
            (Given::Text(_), _) | (Given::Value, Some(_)) if path.is_below_keys() => {
                (path, HIDDEN.to_owned())
            }
            (Given::Text(text), _) => (path, Quoted(&text).to_string()),
            (Given::Value, Some(value)) => (path, value.to_string()),
        };
        ConfigError::new(&path, &wrong, &allowed, &given)
    }
}

/// Replaces a given value that is secret.
const HIDDEN: &str = "(not shown)";

/// The path and the name of an unknown field, as far as errors may show them. The name may be a secret in the wrong
/// place. So the name is shown only if it is too short for a secret, and below `keys` only if it is also a word. The
/// field's value is never shown, because it may be `keys` under a misspelt name.
fn unknown_field(object: FieldPath, name: String) -> (FieldPath, String) {
    /// The 32 bytes of a secret are 43 characters of base64.
    const LONGEST: usize = 40;
    const LONGEST_BELOW_KEYS: usize = 24;
    let below_keys = object.is_below_keys();
    let short = name.len() <= if below_keys { LONGEST_BELOW_KEYS } else { LONGEST };
    let word = is_name(&name);
    let given = if short && (word || !below_keys) { Quoted(&name).to_string() } else { HIDDEN.to_owned() };
    let path = if short && word { object.then(Step::Field(name.into())) } else { object };
    (path, given)
}

impl serde::de::Error for Problem {
    /// Such a message may quote the given value, so it is dropped.
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self::new("illegal value", "a value that can be read")
    }

    fn invalid_type(_given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(expected)
    }

    fn invalid_value(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wrong = match given {
            Unexpected::Float(number) if number.fract() != 0.0 => "not an integer",
            Unexpected::Float(_) | Unexpected::Signed(_) | Unexpected::Unsigned(_) => "out of range",
            _ => "illegal value",
        };
        Self::new(wrong, expected.to_string())
    }

    fn invalid_length(_len: usize, expected: &dyn Expected) -> Self {
        Self::new("wrong length", expected.to_string())
    }

    fn unknown_variant(_given: &str, expected: &'static [&'static str]) -> Self {
        Self::new("unknown value", expected.join(", "))
    }

    fn unknown_field(given: &str, expected: &'static [&'static str]) -> Self {
        Self::new("unknown field", expected.join(", ")).with(Given::UnknownField(given.to_owned()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing("a value").within(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("given twice", "once").within(field)
    }
}

/// Without the path. Users only see a [`ConfigError`].
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; allowed: {}", self.0.wrong, self.0.allowed)
    }
}

impl std::error::Error for Problem {}
