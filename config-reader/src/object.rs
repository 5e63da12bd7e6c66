//! Reads fields out of the document.

use std::fmt;
use std::ops::RangeInclusive;

use super::error::{ConfigError, HIDDEN, Result};
use super::place::Place;
use super::value::{Quoted, Value};

/// A value and its place.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    place: Place<'a>,
    value: &'a Value,
}

/// An object, all of whose fields are known ones and come once.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    place: Place<'a>,
    value: &'a Value,
    fields: &'a [(String, Value)],
}

impl<'a> Field<'a> {
    /// The document as a whole.
    #[must_use]
    pub const fn root(value: &'a Value) -> Self {
        Self { place: Place::ROOT, value }
    }

    /// Its place.
    #[must_use]
    pub const fn place(&self) -> &Place<'a> {
        &self.place
    }

    /// The error that this value is not what is allowed.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn error(&self, wrong: &dyn fmt::Display, allowed: &str) -> Box<ConfigError> {
        ConfigError::about(&self.place, wrong, allowed, Some(self.value))
    }

    #[cold]
    fn wrong_type(&self, allowed: &str) -> Box<ConfigError> {
        self.error(&"wrong type", allowed)
    }

    /// As an object that may have these fields.
    ///
    /// # Errors
    /// It is none, has another field, or one twice.
    #[inline(never)]
    pub fn object(self, allowed: &[&str]) -> Result<Object<'a>> {
        let Value::Object(fields) = self.value else {
            return Err(self.wrong_type("an object"));
        };
        let object = Object { place: self.place, value: self.value, fields };
        for (index, (name, value)) in fields.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                return Err(object.unknown_field(name, allowed));
            }
            if fields.iter().take(index).any(|(earlier, _)| earlier == name) {
                let place = object.place.field(name);
                return Err(ConfigError::about(&place, &"given twice", "once", Some(value)));
            }
        }
        Ok(object)
    }

    /// As a list.
    ///
    /// # Errors
    /// It is none.
    pub fn list(&'a self) -> Result<impl ExactSizeIterator<Item = Field<'a>>> {
        let place = &self.place;
        let element = move |(index, value)| Field { place: place.element(index), value };
        Ok(self.values()?.iter().enumerate().map(element))
    }

    #[inline(never)]
    fn values(&self) -> Result<&'a [Value]> {
        match self.value {
            Value::List(values) => Ok(values),
            _ => Err(self.wrong_type("a list")),
        }
    }

    /// Whether it is text, for fields that may also be an object.
    #[must_use]
    pub const fn is_string(&self) -> bool {
        matches!(self.value, Value::String(_))
    }

    /// Whether it is an object, for fields that may also be text.
    #[must_use]
    pub const fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// As text that passes a check; `allowed` says what would.
    ///
    /// # Errors
    /// It is no text, or does not pass.
    #[inline(never)]
    pub fn string(&self, check: fn(&str) -> bool, allowed: &str) -> Result<&'a str> {
        let Value::String(text) = self.value else {
            return Err(self.wrong_type(allowed));
        };
        if check(text) { Ok(text) } else { Err(self.error(&"illegal value", allowed)) }
    }

    /// As a whole number. `50.0` is one: a Struct knows no other numbers.
    #[inline(never)]
    fn integer(&self, range: &RangeInclusive<u32>) -> Result<u32> {
        let (number, wrong) = match self.value {
            Value::Integer(number) => (*number, "out of range"),
            #[expect(clippy::cast_possible_truncation, reason = "a saturating cast of a whole number")]
            Value::Float(number) if number.fract() == 0.0 => (*number as i64, "out of range"),
            Value::Float(_) => (-1, "not an integer"),
            _ => (-1, "wrong type"),
        };
        match u32::try_from(number) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => {
                let allowed = format!("an integer from {} to {}", range.start(), range.end());
                Err(self.error(&wrong, &allowed))
            }
        }
    }

    /// As one of a list of words: its place in the list.
    ///
    /// # Errors
    /// It is none of them.
    #[inline(never)]
    pub fn word(&self, words: &[&str]) -> Result<usize> {
        let wrong = match self.value {
            Value::String(text) => {
                if let Some(index) = words.iter().position(|word| word == text) {
                    return Ok(index);
                }
                "unknown value"
            }
            _ => "wrong type",
        };
        Err(self.error(&wrong, &words.join(", ")))
    }
}

impl<'a> Object<'a> {
    /// A field that may be left out.
    #[inline(never)]
    #[must_use]
    pub fn get(&'a self, name: &'a str) -> Option<Field<'a>> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        Some(Field { place: self.place_of(name), value })
    }

    /// Whether a field is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// It is not.
    #[inline(never)]
    pub fn required(&'a self, name: &'a str, allowed: &str) -> Result<Field<'a>> {
        self.get(name).ok_or_else(|| self.field_error(name, &"missing", allowed))
    }

    /// A truth value, or its default.
    ///
    /// # Errors
    /// It is none.
    #[inline(never)]
    pub fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        let Some(field) = self.get(name) else {
            return Ok(default);
        };
        match field.value {
            Value::Bool(bool) => Ok(*bool),
            _ => Err(field.wrong_type("true or false")),
        }
    }

    /// A whole number, or its default.
    ///
    /// # Errors
    /// It is no number, or out of range.
    #[inline(never)]
    pub fn integer(&self, name: &str, default: u32, range: &RangeInclusive<u32>) -> Result<u32> {
        self.get(name).map_or(Ok(default), |field| field.integer(range))
    }

    /// One of a list of words: its place in the list, or that of the first where the field is left out.
    ///
    /// # Errors
    /// It is none of them.
    #[inline(never)]
    pub fn word(&self, name: &str, words: &[&str]) -> Result<usize> {
        self.get(name).map_or(Ok(0), |field| field.word(words))
    }

    /// Text that passes a check, if there is any; `allowed` says what would.
    ///
    /// # Errors
    /// It is no text, or does not pass.
    #[inline(never)]
    pub fn string(
        &'a self,
        name: &'a str,
        check: fn(&str) -> bool,
        allowed: &str,
    ) -> Result<Option<&'a str>> {
        self.get(name).map(|field| field.string(check, allowed)).transpose()
    }

    /// The place of a field, there or not.
    #[must_use]
    pub const fn place_of(&'a self, name: &'a str) -> Place<'a> {
        self.place.field(name)
    }

    /// The error that this object is not what is allowed.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn error(&self, wrong: &dyn fmt::Display, allowed: &str) -> Box<ConfigError> {
        ConfigError::about(&self.place, wrong, allowed, Some(self.value))
    }

    /// The error that a field is not what is allowed, there or not.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn field_error(&self, name: &str, wrong: &dyn fmt::Display, allowed: &str) -> Box<ConfigError> {
        ConfigError::about(&self.place_of(name), wrong, allowed, self.get(name).map(|field| field.value))
    }

    /// A field's name is given text too. It is shown only where it is too short for a secret, and below `keys`
    /// only where it is a word besides. The value never is: it may be the keys under a misspelt name.
    #[cold]
    fn unknown_field(&self, name: &str, allowed: &[&str]) -> Box<ConfigError> {
        /// A secret's 32 bytes are 43 characters of base64.
        const LONGEST: usize = 40;
        const LONGEST_BELOW_KEYS: usize = 24;
        let below_keys = self.place.is_secret();
        let longest = if below_keys { LONGEST_BELOW_KEYS } else { LONGEST };
        let short = name.len() <= longest;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let word = !name.is_empty() && name.bytes().all(legal);
        let place = if short && word { self.place_of(name) } else { self.place };
        let shown = short && (word || !below_keys);
        let given: &dyn fmt::Display = if shown { &Quoted(name) } else { &HIDDEN };
        ConfigError::new(&place, &"unknown field", &allowed.join(", "), given)
    }
}
