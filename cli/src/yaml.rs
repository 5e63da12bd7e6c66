//! YAML and JSON as a tree in which each value knows its place.

use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::{Diagnostic, Level};
use crate::source::{Place, Source};

/// A value and its bytes in the text.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its bytes. An alias stands where it is used.
    pub span: Range<usize>,
}

/// What YAML can say.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `false`, and YAML 1.1's other words for them, as Envoy reads them.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Everything else that is no collection, and all that is quoted.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it is written. No key comes twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its bytes in the text.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Its bytes.
    pub span: Range<usize>,
}

/// Reads all documents of a text. Empty ones are left out.
///
/// # Errors
/// Where the text is not YAML, or a mapping has a key twice.
pub fn documents(source: &Arc<Source>) -> Result<Vec<Node>, Box<Diagnostic>> {
    parse(&source.text).map_err(|(span, message)| {
        let place = Place { source: Arc::clone(source), span, field: String::new() };
        let help = if message.contains("duplicate") {
            "write the key once, with all that stands below the two"
        } else {
            "write YAML or JSON; reading stops at the marked place, and the mistake may stand in a line before it"
        };
        Box::new(Diagnostic { level: Level::Error, place, message, help: Some(help.to_owned()) })
    })
}

/// The documents of a text, or the bytes at which it is wrong and what is wrong there.
///
/// # Errors
/// As [`documents`].
pub fn parse(text: &str) -> Result<Vec<Node>, (Range<usize>, String)> {
    // YAML forbids tabs as indentation, JSON does not. A space is as long as a tab, so places stay right.
    let is_json = text.trim_start().starts_with(['{', '[']);
    let without_tabs;
    let text = if is_json && text.contains('\t') {
        without_tabs = text.replace('\t', " ");
        &without_tabs
    } else {
        text
    };
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let end = text.len();
        let span = error.location().map_or(end..end, |location| {
            let start = offset(text, location);
            bytes(location).unwrap_or(start..start)
        });
        let problem = error.to_string();
        // The parser's message ends with the place, and may advise on options of the parser's.
        let problem = problem.split(" at line ").next().unwrap_or_default();
        let problem = problem.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
        (span, format!("not YAML: {problem}"))
    })
}

/// The byte at a line and a column, which the parser always knows.
pub fn offset(text: &str, location: Location) -> usize {
    let before = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(before(location.line())).map(str::len).sum();
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let column = line.char_indices().nth(before(location.column()));
    start + column.map_or(line.len(), |(index, _)| index)
}

fn bytes(location: Location) -> Option<Range<usize>> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let len = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start + len)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { value, span: bytes(referenced).unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { name: value, span: bytes(referenced).unwrap_or_default() })
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

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "no field takes a number of such a size")]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer))
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
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Map(fields))
    }
}
