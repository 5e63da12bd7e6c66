//! The configuration as a tree of values, whichever way Envoy handed it over: JSON text (a `StringValue` or
//! `BytesValue`) or a serialized `google.protobuf.Struct` (which is how plain YAML arrives).

use std::fmt;

use prost::Message;
use prost_types::value::Kind;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value that keeps what `serde_json::Value` drops: the order of fields, and those that come twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; all numbers of a Struct are of this kind.
    Float(f64),
    /// A number written without fraction and exponent.
    Integer(i64),
    /// Text.
    String(String),
    /// `[...]`.
    List(Vec<Value>),
    /// `{...}`, duplicates and all.
    Object(Vec<(String, Value)>),
}

/// Reads either form. The two never meet: a Struct with any field in it contains the byte 0x12, which JSON
/// forbids outside of strings and, unescaped, within them.
///
/// # Errors
/// What is wrong with the text, with its line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let json_error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if bytes.first() == Some(&FIELDS_TAG)
        && let Ok(fields) = prost_types::Struct::decode(bytes)
        && !fields.fields.is_empty()
    {
        return Ok(from_struct(fields));
    }
    Err(json_error.to_string())
}

/// The tag of `Struct.fields`: field 1, length-delimited. Also a line feed, hence JSON first.
const FIELDS_TAG: u8 = 0x0a;

fn from_struct(fields: prost_types::Struct) -> Value {
    Value::Object(fields.fields.into_iter().map(|(name, value)| (name, from_proto(value))).collect())
}

fn from_proto(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => Value::Float(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::BoolValue(bool)) => Value::Bool(bool),
        Some(Kind::StructValue(fields)) => from_struct(fields),
        Some(Kind::ListValue(list)) => Value::List(list.values.into_iter().map(from_proto).collect()),
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

/// What a config error says was given: plain values as JSON, cut off after some 80 characters. Objects and lists
/// are only named as such: something secret may have strayed into them.
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

/// With up to three decimals, and `…` where there are more. The standard library's way to write floats would be
/// a tenth of the module.
#[expect(clippy::cast_possible_truncation, reason = "what is too large has been dealt with")]
#[expect(clippy::float_cmp, reason = "three decimals say the number exactly, or they do not")]
fn write_float(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const LARGEST: f64 = 1e12;
    if number.is_nan() {
        return f.write_str("not a number");
    }
    if number.abs() >= LARGEST {
        return f.write_str(if number > 0.0 {
            "a number of 1e12 or more"
        } else {
            "a number of -1e12 or less"
        });
    }
    let rounded = libm::round(number.abs() * 1000.0);
    let exact = rounded / 1000.0 == number.abs();
    let thousandths = if exact { rounded } else { libm::floor(number.abs() * 1000.0) } as i64;
    let sign = if number < 0.0 { "-" } else { "" };
    let decimals = format!("{:03}", thousandths % 1000);
    match (decimals.trim_end_matches('0'), exact) {
        ("", true) => write!(f, "{sign}{}", thousandths / 1000),
        (short, true) => write!(f, "{sign}{}.{short}", thousandths / 1000),
        (_, false) => write!(f, "{sign}{}.{decimals}…", thousandths / 1000),
    }
}

/// Text as it may stand in a log line: quoted, escaped, not too long.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        match self.0.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(f, "{:?}…", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}
