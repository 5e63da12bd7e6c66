//! The configuration as a tree of values, whichever way Envoy handed it over: JSON text (a `StringValue` or
//! `BytesValue`) or a serialized `google.protobuf.Struct` (which is how plain YAML arrives).

use std::fmt;

use super::{json, protobuf};

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

impl Value {
    /// Reads either form. The two never meet: a Struct with any field in it contains the byte 0x12, which JSON
    /// forbids outside of strings and, unescaped, within them.
    ///
    /// # Errors
    /// What is wrong with the text, with its line and column.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let json_error = match json::read(bytes) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if bytes.first() == Some(&FIELDS_TAG)
            && let Some(fields) = protobuf::read(bytes)
            && !fields.is_empty()
        {
            return Ok(Self::Object(fields));
        }
        Err(json_error.to_string())
    }
}

/// The tag of `Struct.fields`: field 1, length-delimited. Also a line feed, hence JSON first.
const FIELDS_TAG: u8 = 0x0a;

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

/// Texts with a separator between them. (The standard library's own ways are copied for each type and separator.)
#[inline(never)]
#[must_use]
pub fn joined(texts: &[&str], separator: &str) -> String {
    let mut all = String::new();
    for text in texts {
        if !all.is_empty() {
            all.push_str(separator);
        }
        all.push_str(text);
    }
    all
}
