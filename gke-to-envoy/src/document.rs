//! YAML to be read by people: mappings in the order in which they are made, short ones in one line, comments.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_saphyr::{FlowMap, FlowSeq};

/// Comments are not wider than this, with all that stands before them.
const WIDTH: usize = 110;
/// The key under which comments pass through the serializer. No field of Envoy's has this name.
const COMMENT: &str = "#";

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// A string; quoted where it would be read as anything else.
    Text(String),
    /// A number.
    Number(u64),
    /// A boolean.
    Bool(bool),
    /// A list, an item a line.
    List(Vec<Yaml>),
    /// A list in one line.
    Row(Vec<Yaml>),
    /// A mapping, a field a line.
    Map(Map),
    /// A mapping in one line.
    Inline(Map),
}

/// The fields of a mapping, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(Cow<'static, str>, Yaml)>);

impl Map {
    /// A mapping without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Yaml>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Adds a field where there is a value for it.
    #[must_use]
    pub fn with_some(self, key: &'static str, value: Option<impl Into<Yaml>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Whether there is such a field.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(other, _)| other == key)
    }

    /// Adds the fields of another mapping.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Adds a comment above the next field. (Not in a mapping of one line.)
    #[must_use]
    pub fn comment(self, text: &str) -> Self {
        self.with(COMMENT, text)
    }

    /// In one line.
    pub fn inline(self) -> Yaml {
        Yaml::Inline(self)
    }
}

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Yaml {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Yaml {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Yaml {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Yaml>> for Yaml {
    fn from(items: Vec<Yaml>) -> Self {
        Self::List(items)
    }
}

impl From<Vec<Map>> for Yaml {
    fn from(items: Vec<Map>) -> Self {
        Self::List(items.into_iter().map(Self::Map).collect())
    }
}

/// A list of texts in one line.
pub fn row<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::Row(items.into_iter().map(|item| item.as_ref().into()).collect())
}

impl Serialize for Yaml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Row(items) => FlowSeq(Items(items, WithinLine)).serialize(serializer),
            Self::Inline(map) => FlowMap(Fields(map, WithinLine)).serialize(serializer),
            other => serialize(other, |value| value, serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields(self, |value| value).serialize(serializer)
    }
}

/// A value within a line: all in it is in that line too. (A mark that says so once more would reach beyond it.)
struct WithinLine<'a>(&'a Yaml);

impl Serialize for WithinLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, WithinLine, serializer)
    }
}

fn serialize<'a, T: Serialize, S: Serializer>(
    value: &'a Yaml,
    within: fn(&'a Yaml) -> T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Yaml::Text(text) => serializer.serialize_str(text),
        Yaml::Number(number) => serializer.serialize_u64(*number),
        Yaml::Bool(value) => serializer.serialize_bool(*value),
        Yaml::List(items) | Yaml::Row(items) => Items(items, within).serialize(serializer),
        Yaml::Map(map) | Yaml::Inline(map) => Fields(map, within).serialize(serializer),
    }
}

struct Fields<'a, T>(&'a Map, fn(&'a Yaml) -> T);

impl<T: Serialize> Serialize for Fields<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Map(fields), within) = self;
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (key, value) in fields {
            map.serialize_entry(key, &within(value))?;
        }
        map.end()
    }
}

struct Items<'a, T>(&'a [Yaml], fn(&'a Yaml) -> T);

impl<T: Serialize> Serialize for Items<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(items, within) = self;
        let mut list = serializer.serialize_seq(Some(items.len()))?;
        for item in *items {
            list.serialize_element(&within(item))?;
        }
        list.end()
    }
}

/// Comments above a document: paragraphs, and between them lines that begin with a space and stay as they are.
pub fn heading(lines: &[String]) -> String {
    let comment =
        |line: &String| if line.starts_with(' ') { format!("# {line}\n") } else { wrapped(line, 0) };
    lines.iter().map(comment).collect()
}

/// A document as text, with its comments.
///
/// # Errors
/// Where the serializer refuses it, which it does for nothing that a [`Yaml`] can say.
pub fn text(document: &Map) -> Result<String, serde_saphyr::SerializeError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let plain = serde_saphyr::to_string_with_options(document, options)?;
    let mut text = String::with_capacity(plain.len());
    // The dash of a list's item whose first line is a comment: the comment stands above it.
    let mut dash = None;
    for line in plain.lines() {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let (before, rest) = line.split_at_checked(indent).unwrap_or((line, ""));
        if let Some(comment) = rest.strip_prefix("\"#\": ") {
            let outer = before.find('-').unwrap_or(indent);
            text.push_str(&wrapped(&scalar(comment), outer));
            if before.contains('-') {
                dash = Some(before.to_owned());
            }
            continue;
        }
        text.push_str(dash.take().as_deref().unwrap_or(before));
        text.push_str(rest);
        text.push('\n');
    }
    Ok(text)
}

/// A scalar as the serializer wrote it, plain or quoted.
fn scalar(written: &str) -> String {
    serde_saphyr::from_str(written).unwrap_or_else(|_| written.to_owned())
}

fn wrapped(comment: &str, indent: usize) -> String {
    let start = format!("{:indent$}#", "");
    let mut lines = start.clone();
    let mut length = start.len();
    for word in comment.split_whitespace() {
        if length + 1 + word.len() > WIDTH {
            lines.push('\n');
            lines.push_str(&start);
            length = start.len();
        }
        lines.push(' ');
        lines.push_str(word);
        length += 1 + word.len();
    }
    lines.push('\n');
    lines
}
