//! Reads fields out of the document.

use std::fmt;
use std::ops::RangeInclusive;

use super::error::{HIDDEN, Problems};
use super::place::Place;
use super::value::{Quoted, Value, joined};

/// A value and its place.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    problems: &'a Problems,
    place: Place<'a>,
    value: &'a Value,
}

/// An object, all of whose fields are known ones and come once.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    field: Field<'a>,
    fields: &'a [(String, Value)],
}

impl<'a> Field<'a> {
    /// The document as a whole.
    #[must_use]
    pub const fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { problems, place: Place::ROOT, value }
    }

    /// Its place.
    #[must_use]
    pub const fn place(&self) -> &Place<'a> {
        &self.place
    }

    /// Where errors go.
    #[must_use]
    pub const fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Notes that this value is not what is allowed.
    #[cold]
    #[inline(never)]
    pub fn refuse(&self, wrong: &dyn fmt::Display, allowed: &str) {
        self.problems.add_about(&self.place, wrong, allowed, Some(self.value));
    }

    /// As an object that may have these fields.
    #[inline(never)]
    #[must_use]
    pub fn object(self, allowed: &[&str]) -> Object<'a> {
        let Value::Object(fields) = self.value else {
            self.refuse(&"wrong type", "an object");
            return Object { field: self, fields: &[] };
        };
        let object = Object { field: self, fields };
        for (index, (name, value)) in fields.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                object.refuse_unknown(name, allowed);
            } else if fields.iter().take(index).any(|(earlier, _)| earlier == name) {
                self.problems.add_about(&self.place.field(name), &"given twice", "once", Some(value));
            }
        }
        object
    }

    /// As a list.
    #[must_use]
    pub fn list(&'a self) -> impl ExactSizeIterator<Item = Field<'a>> {
        let element =
            |(index, value)| Field { problems: self.problems, place: self.place.element(index), value };
        self.values().iter().enumerate().map(element)
    }

    #[inline(never)]
    fn values(&self) -> &'a [Value] {
        if let Value::List(values) = self.value {
            return values;
        }
        self.refuse(&"wrong type", "a list");
        &[]
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
    #[inline(never)]
    pub fn string(&self, check: fn(&str) -> bool, allowed: &str) -> Option<&'a str> {
        let wrong = match self.value {
            Value::String(text) if check(text) => return Some(text),
            Value::String(_) => "illegal value",
            _ => "wrong type",
        };
        self.refuse(&wrong, allowed);
        None
    }

    /// As a whole number. `50.0` is one: a Struct knows no other numbers.
    #[inline(never)]
    fn integer(&self, range: &RangeInclusive<u32>) -> Option<u32> {
        let (number, wrong) = match self.value {
            Value::Integer(number) => (*number, "out of range"),
            #[expect(clippy::cast_possible_truncation, reason = "a saturating cast of a whole number")]
            Value::Float(number) if number.fract() == 0.0 => (*number as i64, "out of range"),
            Value::Float(_) => (-1, "not an integer"),
            _ => (-1, "wrong type"),
        };
        let number = u32::try_from(number).ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.refuse(&wrong, &format!("an integer from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// As one of a list of words: its place in the list.
    #[inline(never)]
    #[must_use]
    pub fn word(&self, words: &[&str]) -> usize {
        let wrong = match self.value {
            Value::String(text) => {
                if let Some(index) = words.iter().position(|word| word == text) {
                    return index;
                }
                "unknown value"
            }
            _ => "wrong type",
        };
        self.refuse(&wrong, &joined(words, ", "));
        0
    }
}

impl<'a> Object<'a> {
    /// A field that may be left out.
    #[inline(never)]
    #[must_use]
    pub fn get(&'a self, name: &'a str) -> Option<Field<'a>> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        Some(Field { problems: self.field.problems, place: self.place_of(name), value })
    }

    /// Whether a field is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A field that must be there.
    #[inline(never)]
    #[expect(clippy::must_use_candidate, reason = "some ask for the error alone")]
    pub fn required(&'a self, name: &'a str, allowed: &str) -> Option<Field<'a>> {
        let field = self.get(name);
        if field.is_none() {
            self.refuse_field(name, &"missing", allowed);
        }
        field
    }

    /// A truth value, or its default.
    #[inline(never)]
    #[must_use]
    pub fn boolean(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            Some(Field { value: Value::Bool(bool), .. }) => *bool,
            Some(field) => {
                field.refuse(&"wrong type", "true or false");
                default
            }
            None => default,
        }
    }

    /// A whole number, or its default.
    #[inline(never)]
    #[must_use]
    pub fn integer(&self, name: &str, default: u32, range: &RangeInclusive<u32>) -> u32 {
        self.get(name).and_then(|field| field.integer(range)).unwrap_or(default)
    }

    /// One of a list of words: its place in the list, or that of the first where the field is left out.
    #[inline(never)]
    #[must_use]
    pub fn word(&self, name: &str, words: &[&str]) -> usize {
        self.get(name).map_or(0, |field| field.word(words))
    }

    /// Text that passes a check, if there is any; `allowed` says what would.
    #[inline(never)]
    pub fn string(&'a self, name: &'a str, check: fn(&str) -> bool, allowed: &str) -> Option<&'a str> {
        self.get(name)?.string(check, allowed)
    }

    /// The place of a field, there or not.
    #[must_use]
    pub const fn place_of(&'a self, name: &'a str) -> Place<'a> {
        self.field.place.field(name)
    }

    /// Where errors go.
    #[must_use]
    pub const fn problems(&self) -> &'a Problems {
        self.field.problems
    }

    /// Notes that this object is not what is allowed.
    #[cold]
    #[inline(never)]
    pub fn refuse(&self, wrong: &dyn fmt::Display, allowed: &str) {
        self.field.refuse(wrong, allowed);
    }

    /// Notes that a field is not what is allowed, there or not.
    #[cold]
    #[inline(never)]
    pub fn refuse_field(&self, name: &str, wrong: &dyn fmt::Display, allowed: &str) {
        let value = self.get(name).map(|field| field.value);
        self.problems().add_about(&self.place_of(name), wrong, allowed, value);
    }

    /// A field's name is given text too. It is shown only where it is too short for a secret, and below `keys`
    /// only where it is a word besides. The value never is: it may be the keys under a misspelt name.
    #[cold]
    fn refuse_unknown(&self, name: &str, allowed: &[&str]) {
        /// A secret's 32 bytes are 43 characters of base64.
        const LONGEST: usize = 40;
        const LONGEST_BELOW_KEYS: usize = 24;
        let here = self.field.place;
        let below_keys = here.is_secret();
        let longest = if below_keys { LONGEST_BELOW_KEYS } else { LONGEST };
        let short = name.len() <= longest;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let word = !name.is_empty() && name.bytes().all(legal);
        let place = if short && word { self.place_of(name) } else { here };
        let shown = short && (word || !below_keys);
        let given: &dyn fmt::Display = if shown { &Quoted(name) } else { &HIDDEN };
        let allowed = joined(allowed, ", ");
        self.problems().add(&place, &"unknown field", &allowed, given);
    }
}
