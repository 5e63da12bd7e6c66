//! YAML as it was written: every value with its line.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line on which it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// The line, from 1. An alias stands where it is used.
    pub line: u64,
    /// The value.
    pub value: Value,
}

/// What YAML can say.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `no`.
    Bool(bool),
    /// A number without a fraction.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Everything else that is no collection, and all that is quoted.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it is written. No key comes twice.
    Map(Vec<Entry>),
}

/// One field of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// The key's line.
    pub line: u64,
    /// Its value.
    pub value: Node,
}

/// Text that is not YAML.
#[derive(Clone, Debug)]
pub struct SyntaxError {
    /// The line, where it is known.
    pub line: Option<u64>,
    /// What is wrong there.
    pub problem: String,
}

/// Reads all documents of a file. Empty ones are left out.
///
/// # Errors
/// Where it is not YAML, or a mapping has a key twice.
pub fn documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    serde_saphyr::from_multiple(text).map_err(|error| {
        let line = error.location().map(|location| location.line());
        let problem = error.without_snippet().to_string();
        // It ends with the place, which is told otherwise, and may advise on options of the parser's.
        let problem = problem.split(" at line ").next().unwrap_or_default();
        let problem = problem.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
        SyntaxError { line, problem: problem.to_owned() }
    })
}

impl fmt::Display for Value {
    /// As one would write it, cut short where it is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) if text.chars().count() > 80 => {
                write!(f, "{:?}…", text.chars().take(80).collect::<String>())
            }
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Map(_) => f.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry { key: key.value, line: key.referenced.line(), value });
        }
        Ok(Value::Map(entries))
    }
}
