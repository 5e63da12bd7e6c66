//! The YAML documents of a file, and the places of their fields.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Options, Spanned};

use super::remarks::Remarks;
use crate::source::{Place, Source};

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    source: Arc<Source>,
    range: Range<usize>,
    /// The document as it is written.
    pub root: Node,
}

/// A value as it is written, with the places of all fields.
#[derive(Debug)]
pub enum Node {
    /// `null`, `~`, or nothing.
    Null,
    /// Any other scalar.
    Scalar(String),
    /// A list.
    List(Vec<Spanned<Node>>),
    /// A mapping, in the order in which it is written.
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Document {
    /// Reads all documents of a file. Documents without content are left out.
    pub fn read(source: &Arc<Source>, remarks: &mut Remarks) -> Vec<Arc<Self>> {
        let ranges = ranges(&source.text);
        if ranges.is_empty() {
            let place = Place { source: Arc::clone(source), span: 0..0, field: String::new() };
            remarks.error(
                place,
                "no manifest in this file",
                "write at least one manifest, or leave the file out",
            );
        }
        let mut documents = Vec::new();
        for range in ranges {
            let mut document = Self { source: Arc::clone(source), range, root: Node::Null };
            match serde_saphyr::from_str_with_options(document.text(), options(false)) {
                Ok(root) => {
                    document.root = root;
                    documents.push(Arc::new(document));
                }
                Err(error) => document.say(&error, "not YAML: ", remarks),
            }
        }
        documents
    }

    /// The document's text.
    pub fn text(&self) -> &str {
        self.source.text.get(self.range.clone()).unwrap_or_default()
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// The place of a value.
    pub fn at<T>(&self, value: &Spanned<T>) -> Place {
        self.place(value.referenced, true)
    }

    /// The beginning of the document.
    pub fn start(&self) -> Place {
        let text = self.text().trim_start_matches("---");
        let start = self.range.end - text.trim_start().len();
        Place { source: Arc::clone(&self.source), span: start..start, field: String::new() }
    }

    /// Reports an error of the parser, or of a type that the document does not match.
    pub fn say(&self, error: &Error, prefix: &str, remarks: &mut Remarks) {
        let told = error.without_snippet().to_string();
        // The place is told otherwise. The parser may advise on its own options.
        let told = told.split(" at line ").next().unwrap_or_default();
        let told = told.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
        let missing = told.strip_prefix("missing field ");
        let (message, help) = match told.split_once(", expected ") {
            Some((message, expected)) => (message, format!("write {expected}")),
            None if told == "invalid boolean (strict mode expects true/false)" => {
                (told, "write true or false".to_owned())
            }
            None => match (missing, told.strip_prefix("expected ")) {
                (Some(field), _) => (told, format!("add {field}")),
                (_, Some(expected)) => {
                    ("wrong type", format!("write a {}", expected.trim_end_matches(" start")))
                }
                _ => (told, "write what the schema of this kind says".to_owned()),
            },
        };
        let help = if prefix.is_empty() { help } else { "write YAML or JSON".to_owned() };
        let place = error.location().map_or_else(|| self.start(), |at| self.place(at, missing.is_some()));
        remarks.error(place, format!("{prefix}{message}"), help);
    }

    fn place(&self, location: Location, is_value: bool) -> Place {
        let span = location.span();
        let offset = span.byte_offset().map_or_else(|| self.offset(location), to_usize);
        let length = span.byte_len().map_or(0, to_usize);
        let mut found = Vec::new();
        match &self.root {
            // The fields of a list's item are called as in a manifest of its own.
            Node::Map(_) if self.root.text("kind") == Some("List") => {
                for (item, _) in self.root.items() {
                    item.value.find(offset, "", &mut found);
                }
            }
            root => root.find(offset, "", &mut found),
        }
        // The parser says that a list begins where its first item does: the innermost value is meant.
        let preferred = found.iter().rfind(|(value, _)| *value == is_value).or(found.last());
        let field = preferred.map_or_else(String::new, |(_, field)| field.clone());
        let start = (self.range.start + offset).min(self.source.text.len());
        Place { source: Arc::clone(&self.source), span: start..start + length, field }
    }

    /// The byte at a line and a column, where the parser does not know it.
    fn offset(&self, location: Location) -> usize {
        let line = to_usize(location.line()).saturating_sub(1);
        let lines: usize = self.text().split_inclusive('\n').take(line).map(str::len).sum();
        lines + to_usize(location.column()).saturating_sub(1)
    }
}

impl Node {
    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        match &self.get(field)?.1.value {
            Self::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// A field: its key and its value.
    pub fn get(&self, field: &str) -> Option<&(Spanned<String>, Spanned<Self>)> {
        let Self::Map(fields) = self else { return None };
        fields.iter().find(|(key, _)| key.value == field)
    }

    /// The items of a List, with their kinds.
    pub fn items(&self) -> Vec<(&Spanned<Self>, &str)> {
        let Some((_, Spanned { value: Self::List(items), .. })) = self.get("items") else {
            return Vec::new();
        };
        items.iter().map(|item| (item, item.value.text("kind").unwrap_or_default())).collect()
    }

    /// Finds the fields whose key (`false`) or value (`true`) begins at a byte.
    fn find(&self, offset: usize, path: &str, found: &mut Vec<(bool, String)>) {
        let mut visit = |value: &Spanned<Self>, field: String| {
            if is_at(value, offset) {
                found.push((true, field.clone()));
            }
            value.value.find(offset, &field, found);
        };
        match self {
            Self::Null | Self::Scalar(_) => {}
            Self::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| visit(item, format!("{path}[{index}]")));
            }
            Self::Map(fields) => {
                for (key, value) in fields {
                    visit(value, joined(path, &key.value));
                }
                let key = fields.iter().find(|(key, _)| is_at(key, offset));
                found.extend(key.map(|(key, _)| (false, joined(path, &key.value))));
            }
        }
    }
}

/// Strict where Kubernetes is: no number where a string is wanted, and no other booleans than true and false.
pub fn options(is_strict: bool) -> Options {
    serde_saphyr::options! { no_schema: is_strict, strict_booleans: is_strict, with_snippet: false }
}

fn is_at<T>(value: &Spanned<T>, offset: usize) -> bool {
    value.referenced.span().byte_offset().map(to_usize) == Some(offset)
}

fn joined(path: &str, key: &str) -> String {
    // Whatever a key holds, it stays on one line of a terminal.
    let escaped = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
    };
    let key: String = key.chars().map(escaped).collect();
    // Names of annotations and labels have dots of their own.
    match (path.is_empty(), key.contains(['.', '/'])) {
        (true, _) => key,
        (false, true) => format!("{path}[{key}]"),
        (false, false) => format!("{path}.{key}"),
    }
}

fn to_usize(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or_default()
}

/// The documents with content. A line that begins with `---` or `...` is part of no document, whatever is around it
/// (YAML 1.2.2, 9.1.2).
fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::from([Range { start: 0, end: text.len() }]);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let marker = ["---", "..."].into_iter().find(|marker| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        });
        if let Some(marker) = marker {
            ranges.last_mut().into_iter().for_each(|last| last.end = start);
            ranges.push(if marker == "---" { start } else { end }..text.len());
        }
        start = end;
    }
    let has_content = |range: &Range<usize>| {
        let text = text.get(range.clone()).unwrap_or_default();
        let mut lines = text.strip_prefix("---").unwrap_or(text).lines().map(str::trim);
        lines.any(|line| !line.is_empty() && !line.starts_with(['#', '%']))
    };
    ranges.into_iter().filter(has_content).collect()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }
}
