//! Reads fields out of the document and says exactly what is wrong where: the place, what is allowed, what was
//! given.

use std::fmt;
use std::ops::RangeInclusive;

use super::document::{Quoted, Value};

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

/// The path of the document as a whole.
const ROOT: &str = "(root)";
/// Everything below this field is secret.
const SECRETS: &str = "keys";
/// Stands for what was given there.
const HIDDEN: &str = "(not shown)";

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    path: String,
    value: &'a Value,
}

/// An object, all of whose fields are known ones and come once.
#[derive(Debug)]
pub struct Object<'a> {
    path: String,
    value: &'a Value,
    fields: &'a [(String, Value)],
}

impl<'a> Field<'a> {
    /// The document as a whole.
    pub fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// Its place.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The error that this value is not what is allowed.
    #[inline(never)]
    pub fn error(&self, wrong: &str, allowed: &str) -> ConfigError {
        error(&self.path, wrong, allowed, Some(self.value))
    }

    /// What was given, as errors show it.
    pub fn given(&self) -> String {
        given(&self.path, Some(self.value))
    }

    fn wrong_type(&self, allowed: &str) -> ConfigError {
        self.error("wrong type", allowed)
    }

    /// As an object that may have these fields.
    #[inline(never)]
    pub fn object(self, allowed: &[&str]) -> Result<Object<'a>, ConfigError> {
        let Value::Object(fields) = self.value else {
            return Err(self.wrong_type("an object"));
        };
        let object = Object { path: self.path, value: self.value, fields };
        for (index, (name, value)) in fields.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                return Err(object.unknown_field(name, allowed));
            }
            if fields.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(error(&object.path_of(name), "given twice", "once", Some(value)));
            }
        }
        Ok(object)
    }

    /// As a list, with the place of each element.
    #[inline(never)]
    pub fn list(&self) -> Result<Vec<Field<'a>>, ConfigError> {
        let Value::List(values) = self.value else {
            return Err(self.wrong_type("a list"));
        };
        let element = |(index, value)| Field { path: format!("{}[{index}]", self.path), value };
        Ok(values.iter().enumerate().map(element).collect())
    }

    /// Whether it is text, for fields that may also be an object.
    pub fn is_string(&self) -> bool {
        matches!(self.value, Value::String(_))
    }

    /// Whether it is an object, for fields that may also be text.
    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// As text that passes a check; `allowed` says what would.
    pub fn string_that(&self, check: impl Fn(&str) -> bool, allowed: &str) -> Result<&'a str, ConfigError> {
        let Value::String(text) = self.value else {
            return Err(self.wrong_type(allowed));
        };
        if check(text) { Ok(text) } else { Err(self.error("illegal value", allowed)) }
    }

    /// As a truth value.
    #[inline(never)]
    pub fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value {
            Value::Bool(bool) => Ok(*bool),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    /// As a whole number. `50.0` is one: a Struct knows no other numbers.
    #[inline(never)]
    pub fn integer(&self, range: RangeInclusive<u32>) -> Result<u32, ConfigError> {
        let allowed = format!("an integer from {} to {}", range.start(), range.end());
        let number = match self.value {
            Value::Integer(number) => *number,
            #[expect(clippy::cast_possible_truncation, reason = "a saturating cast of a whole number")]
            Value::Float(number) if number.fract() == 0.0 => *number as i64,
            Value::Float(_) => return Err(self.error("not an integer", &allowed)),
            _ => return Err(self.wrong_type(&allowed)),
        };
        u32::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.error("out of range", &allowed))
    }

    /// As one of a list of words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let Value::String(text) = self.value else {
            return Err(self.wrong_type(&allowed));
        };
        let found = words.iter().find(|(word, _)| word == text);
        found.map(|(_, value)| *value).ok_or_else(|| self.error("unknown value", &allowed))
    }
}

impl<'a> Object<'a> {
    /// A field that may be left out.
    #[inline(never)]
    pub fn get(&self, name: &str) -> Option<Field<'a>> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        Some(Field { path: self.path_of(name), value })
    }

    /// A field that must be there.
    #[inline(never)]
    pub fn required(&self, name: &str, allowed: &str) -> Result<Field<'a>, ConfigError> {
        self.get(name).ok_or_else(|| error(&self.path_of(name), "missing", allowed, None))
    }

    /// The place of a field, there or not.
    #[inline(never)]
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The error that this object is not what is allowed.
    #[inline(never)]
    pub fn error(&self, wrong: &str, allowed: &str) -> ConfigError {
        error(&self.path, wrong, allowed, Some(self.value))
    }

    /// A field's name is given text too. It is shown only where it is too short for a secret, and below `keys`
    /// only where it is a word besides. The value never is: it may be the keys under a misspelt name.
    fn unknown_field(&self, name: &str, allowed: &[&str]) -> ConfigError {
        /// A secret's 32 bytes are 43 characters of base64.
        const LONGEST: usize = 40;
        const LONGEST_BELOW_KEYS: usize = 24;
        let below_keys = is_secret(&self.path);
        let longest = if below_keys { LONGEST_BELOW_KEYS } else { LONGEST };
        let short = name.len() <= longest;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let word = !name.is_empty() && name.bytes().all(legal);
        let path = if short && word { self.path_of(name) } else { self.path.clone() };
        let shown = short && (word || !below_keys);
        let given = if shown { Quoted(name).to_string() } else { HIDDEN.to_owned() };
        refusal(&path, "unknown field", &allowed.join(", "), &given)
    }
}

fn is_secret(path: &str) -> bool {
    path.strip_prefix(SECRETS).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

/// The error at a place of the document. What was given is left out where it may be secret, or where nothing was.
#[inline(never)]
pub fn error(path: &str, wrong: &str, allowed: &str, value: Option<&Value>) -> ConfigError {
    refusal(path, wrong, allowed, &given(path, value))
}

fn given(path: &str, value: Option<&Value>) -> String {
    match value {
        Some(_) if is_secret(path) => HIDDEN.to_owned(),
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    }
}

/// The error in all its parts.
#[inline(never)]
pub fn refusal(path: &str, wrong: &str, allowed: &str, given: &str) -> ConfigError {
    ConfigError {
        path: if path.is_empty() { ROOT.to_owned() } else { path.to_owned() },
        problem: format!("{wrong}; allowed: {allowed}; given: {given}"),
    }
}
