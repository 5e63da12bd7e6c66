//! The configuration as a tree of values, from JSON text (a `StringValue` or a `BytesValue`) or from a serialized
//! `google.protobuf.Struct` (which is what Envoy makes of plain YAML).

use std::fmt;

use prost::Message as _;
use prost_types::value::Kind;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::path::{FieldPath, Step};

/// A JSON value. Unlike `serde_json::Value`, it keeps the order of the fields, and fields that are given twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number. All numbers of a Struct are of this kind.
    Float(f64),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Text.
    String(String),
    /// `[...]`.
    List(Vec<Value>),
    /// `{...}`.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads either form. No input is valid in both forms: every Struct with a field contains the byte 0x12, which
    /// never occurs in JSON.
    ///
    /// # Errors
    /// The error in the JSON text, with line and column.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        /// The tag of `Struct.fields`. A line feed is the same byte, so JSON is tried first.
        const FIELDS_TAG: u8 = 0x0a;
        let json_error = match serde_json::from_slice(bytes) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if bytes.first() == Some(&FIELDS_TAG)
            && let Ok(decoded) = prost_types::Struct::decode(bytes)
            && !decoded.fields.is_empty()
        {
            return Ok(Self::from(decoded));
        }
        Err(json_error)
    }

    /// The value at a path, if there is one. If a field is given twice, its first value.
    pub(crate) fn at(&self, path: &FieldPath) -> Option<&Self> {
        path.steps().iter().try_fold(self, |value, step| match (value, step) {
            (Self::Object(fields), Step::Field(name)) => {
                fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
            }
            (Self::List(values), Step::Element(index)) => values.get(*index),
            _ => None,
        })
    }

    /// The fields of the object at a path, if there is one.
    pub(crate) fn fields_at(&mut self, path: &FieldPath) -> Option<&mut Vec<(String, Self)>> {
        let value = path.steps().iter().try_fold(self, |value, step| match (value, step) {
            (Self::Object(fields), Step::Field(name)) => {
                fields.iter_mut().find(|(field, _)| field == name).map(|(_, value)| value)
            }
            (Self::List(values), Step::Element(index)) => values.get_mut(*index),
            _ => None,
        })?;
        if let Self::Object(fields) = value { Some(fields) } else { None }
    }
}

impl From<prost_types::Struct> for Value {
    fn from(decoded: prost_types::Struct) -> Self {
        Self::Object(decoded.fields.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl From<prost_types::Value> for Value {
    fn from(decoded: prost_types::Value) -> Self {
        match decoded.kind {
            None | Some(Kind::NullValue(_)) => Self::Null,
            Some(Kind::BoolValue(bool)) => Self::Bool(bool),
            Some(Kind::NumberValue(number)) => Self::Float(number),
            Some(Kind::StringValue(text)) => Self::String(text),
            Some(Kind::ListValue(list)) => Self::List(list.values.into_iter().map(Self::from).collect()),
            Some(Kind::StructValue(object)) => Self::from(object),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "no field takes a number of such a size")]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = object.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Object(fields))
    }
}

/// The given value as an error shows it. The contents of objects and lists are not shown, because they may contain a
/// misplaced secret.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Float(number) => write_float(*number, f),
            Self::Integer(number) => write!(f, "{number}"),
            Self::String(text) => write!(f, "{}", Quoted(text)),
            Self::List(values) if values.is_empty() => f.write_str("an empty list"),
            Self::List(_) => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

/// Writes a number with up to three decimals. A library for all numbers would add 12 KiB to the module.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the number is not large")]
#[expect(clippy::float_cmp, reason = "the comparison tells whether three decimals are exact")]
fn write_float(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const LARGE: f64 = 1e12;
    let sign = if number < 0.0 { "-" } else { "" };
    if number.is_nan() {
        return f.write_str("not a number");
    }
    if number.abs() >= LARGE {
        return write!(f, "{sign}1e12 or beyond");
    }
    if number.fract() == 0.0 {
        return write!(f, "{}", number as i64);
    }
    let thousandths = (number.abs() * 1000.0) as i64;
    let (whole, decimals) = (thousandths / 1000, format!("{:03}", thousandths % 1000));
    if thousandths as f64 / 1000.0 == number.abs() {
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    } else {
        write!(f, "{sign}{whole}.{decimals}...")
    }
}

/// Text for a log line: in quotes, in printable ASCII, and shortened.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        f.write_str("\"")?;
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(LONGEST) {
            match char {
                '\'' => f.write_str("'")?,
                _ => write!(f, "{}", char.escape_default())?,
            }
        }
        f.write_str(if chars.next().is_some() { "\"..." } else { "\"" })
    }
}
