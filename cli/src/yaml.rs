//! YAML and JSON as a tree in which each value has its position.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::MergeKeyPolicy;
use serde_saphyr::{Location, Options, Spanned};

use crate::diagnostic::{Diagnostic, Level};
use crate::source::{Place, Source};

/// A value and its range in the text.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The range in bytes. For an alias, the range of its use.
    pub span: Range<usize>,
    /// The range in bytes of the text that defines the value. For an alias, the range in its anchor.
    pub defined: Range<usize>,
}

/// A YAML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `false`, and the other words of YAML 1.1 for them, as Envoy reads them.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Any other scalar, and all quoted scalars.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the written order. All keys are different.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its range in the text.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: String,
    /// The range in bytes. For an alias, the range of its use.
    pub span: Range<usize>,
    /// The range in bytes of the text that defines the key.
    pub defined: Range<usize>,
}

/// A byte order mark, with which some editors begin a file.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

impl Node {
    /// The items of a list. Empty if the value is not a list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The fields of a mapping. Empty if the value is not a mapping.
    #[must_use]
    pub fn fields(&self) -> &[(Key, Self)] {
        if let Value::Map(fields) = &self.value { fields } else { &[] }
    }

    /// The value of the field with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    /// The key of the field with this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.fields().iter().map(|(key, _)| key).find(|key| key.name == name)
    }

    /// The text, if the value is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Changes all ranges of the tree.
    pub fn map_ranges(&mut self, map: &dyn Fn(&Range<usize>) -> Range<usize>) {
        self.span = map(&self.span);
        self.defined = map(&self.defined);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.map_ranges(map)),
            Value::Map(fields) => {
                for (key, value) in fields {
                    key.span = map(&key.span);
                    key.defined = map(&key.defined);
                    value.map_ranges(map);
                }
            }
            _ => {}
        }
    }
}

/// Who reads a file in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Envoy, for which the merge key `<<` is a key like any other.
    Envoy,
    /// Kubernetes, which merges the fields of `<<` into the mapping.
    Kubernetes,
}

/// The error of a text that is not YAML.
#[derive(Clone, Debug)]
pub struct SyntaxError {
    /// The range in bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: &'static str,
}

/// Reads all documents of a text. Leaves out empty documents.
///
/// # Errors
/// If the text is not YAML, or if a mapping has a key twice.
pub fn documents(source: &Arc<Source>, reader: Reader) -> Result<Vec<Node>, Box<Diagnostic>> {
    parse(&source.text, reader).map_err(|SyntaxError { span, message, help }| {
        let place = Place { source: Arc::clone(source), span, field: String::new() };
        Box::new(Diagnostic { level: Level::Error, place, message, help: Some(help.to_owned()) })
    })
}

/// Reads all documents of a text. Leaves out empty documents.
///
/// # Errors
/// As [`documents`].
pub fn parse(text: &str, reader: Reader) -> Result<Vec<Node>, SyntaxError> {
    // The parser skips a byte order mark and does not count it.
    if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        let mark = BYTE_ORDER_MARK.len_utf8();
        let shift = |range: &Range<usize>| range.start + mark..range.end + mark;
        let mut documents =
            parse(rest, reader).map_err(|error| SyntaxError { span: shift(&error.span), ..error })?;
        for document in &mut documents {
            document.map_ranges(&shift);
        }
        return Ok(documents);
    }
    // YAML forbids tabs as indentation, but JSON allows them. A space is as long as a tab, so positions stay correct.
    let is_json = text.trim_start().starts_with(['{', '[']);
    let without_tabs;
    let text = if is_json && text.contains('\t') {
        without_tabs = text.replace('\t', " ");
        &without_tabs
    } else {
        text
    };
    serde_saphyr::from_multiple_with_options(text, options(reader)).map_err(|error| {
        let end = text.len();
        let span = error.location().map_or(end..end, |location| {
            let start = offset(text, location);
            bytes(location).unwrap_or(start..start)
        });
        let (message, help) = in_plain_words(&error.to_string(), reader);
        SyntaxError { span, message, help }
    })
}

/// The options of the parser. The limits allow Envoy's largest files, and stop a file that would fill the memory.
#[must_use]
pub fn options(reader: Reader) -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        merge_keys: match reader {
            Reader::Envoy => MergeKeyPolicy::AsOrdinary,
            Reader::Kubernetes => MergeKeyPolicy::Merge,
        },
        budget: serde_saphyr::budget! {
            max_nodes: 10_000_000,
            max_events: 30_000_000,
            max_aliases: 1_000_000,
            max_anchors: 1_000_000,
            max_documents: 100_000,
            max_merge_keys: 1_000_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000_000 },
    }
}

/// The message and the help for an error text of the parser.
fn in_plain_words(problem: &str, reader: Reader) -> (String, &'static str) {
    const HELP: &str =
        "write YAML or JSON; the parser stops at the marked place, but the error may be in an earlier line";
    const LIMITS: [&str; 3] = ["budget breached", "limit exceeded", "recursion limit"];
    // The parser's message ends with the place, and with advice on options of the parser.
    let problem = problem.split(" at line ").next().unwrap_or_default();
    let problem = problem.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    if let Some(key) = problem.strip_prefix("duplicate mapping key: ") {
        let user = if reader == Reader::Envoy { ", and Envoy uses only one of the two" } else { "" };
        let help = "write the key once, and merge the contents of both";
        return (format!("the key `{key}` is there twice{user}"), help);
    }
    if LIMITS.iter().any(|limit| problem.contains(limit)) {
        let message = "the file is too large or too deeply nested for this command";
        return (message.to_owned(), "give the part with the filter in a file of its own");
    }
    let message = match problem {
        "expected string scalar" => "a key is a list or a mapping; only text is allowed".to_owned(),
        _ if problem.starts_with("cannot deserialize null") => {
            "a key is null; only text is allowed".to_owned()
        }
        _ => format!("not YAML: {problem}"),
    };
    (message, HELP)
}

/// The byte offset of a location. The parser always knows the line and the column.
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
        let Spanned { value, referenced, defined } = Spanned::<Value>::deserialize(deserializer)?;
        let range = |location| bytes(location).unwrap_or_default();
        Ok(Self { value, span: range(referenced), defined: range(defined) })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: name, referenced, defined } = Spanned::<String>::deserialize(deserializer)?;
        let range = |location| bytes(location).unwrap_or_default();
        Ok(Self { name, span: range(referenced), defined: range(defined) })
    }
}

/// The value as an error shows it: one line, with only the kind of a list or a mapping.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
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
