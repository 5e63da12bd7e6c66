//! The YAML documents of a file, and the places of their fields.

use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::{Error, Location, Options, Spanned};

use super::remarks::Remarks;
use crate::source::{Place, Source};
use crate::yaml::{self, Node, Value, offset};

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    source: Arc<Source>,
    range: Range<usize>,
    /// The document as it is written.
    pub root: Node,
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
            match yaml::parse(source.text.get(range.clone()).unwrap_or_default()) {
                Ok(nodes) => {
                    let document =
                        |root| Arc::new(Self { source: Arc::clone(source), range: range.clone(), root });
                    documents.extend(nodes.into_iter().map(document));
                }
                Err((Range { start, end }, message)) => {
                    let span = range.start + start..range.start + end;
                    let place = Place { source: Arc::clone(source), span, field: String::new() };
                    remarks.error(place, message, "write YAML or JSON");
                }
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

    /// The place of a field as it is written; without one, that of the object.
    pub fn of(&self, object: &Node, field: &str) -> Place {
        let (span, field) = get(object, field).map_or((&object.span, ""), |value| (&value.span, field));
        let span = self.range.start + span.start..self.range.start + span.end;
        Place { source: Arc::clone(&self.source), span, field: field.to_owned() }
    }

    /// Reports an error of the parser, or of a type that the document does not match.
    pub fn say(&self, error: &Error, remarks: &mut Remarks) {
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
        let place =
            error.location().map_or_else(|| self.of(&self.root, ""), |at| self.place(at, missing.is_some()));
        remarks.error(place, message, help);
    }

    fn place(&self, location: Location, is_value: bool) -> Place {
        let span = location.span();
        let offset = span.byte_offset().map_or_else(|| offset(self.text(), location), to_usize);
        let length = span.byte_len().map_or(0, to_usize);
        let mut found = Vec::new();
        // The fields of a List's item are called as in a manifest of its own.
        match items(&self.root) {
            Some(items) => items.iter().for_each(|item| find(item, offset, "", &mut found)),
            None => find(&self.root, offset, "", &mut found),
        }
        // The parser says that a list begins where its first item does: the innermost value is meant.
        let preferred = found.iter().rfind(|(value, _)| *value == is_value).or(found.last());
        let field = preferred.map_or_else(String::new, |(_, field)| field.clone());
        let start = (self.range.start + offset).min(self.source.text.len());
        Place { source: Arc::clone(&self.source), span: start..start + length, field }
    }
}

/// The value of a field.
pub fn get<'a>(object: &'a Node, field: &str) -> Option<&'a Node> {
    let Value::Map(fields) = &object.value else { return None };
    fields.iter().find(|(key, _)| key.name == field).map(|(_, value)| value)
}

/// The text of a field.
pub fn text<'a>(object: &'a Node, field: &str) -> Option<&'a str> {
    let Value::Text(text) = &get(object, field)?.value else { return None };
    Some(text)
}

/// The items of a List.
pub fn items(document: &Node) -> Option<&[Node]> {
    match &get(document, "items")?.value {
        Value::List(items) if text(document, "kind") == Some("List") => Some(items),
        _ => None,
    }
}

/// Finds the fields whose key (`false`) or value (`true`) begins at a byte.
fn find(node: &Node, offset: usize, path: &str, found: &mut Vec<(bool, String)>) {
    let mut visit = |value: &Node, field: String| {
        if value.span.start == offset {
            found.push((true, field.clone()));
        }
        find(value, offset, &field, found);
    };
    match &node.value {
        Value::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| visit(item, format!("{path}[{index}]")));
        }
        Value::Map(fields) => {
            for (key, value) in fields {
                visit(value, joined(path, &key.name));
            }
            let key = fields.iter().find(|(key, _)| key.span.start == offset);
            found.extend(key.map(|(key, _)| (false, joined(path, &key.name))));
        }
        _ => {}
    }
}

/// Strict where Kubernetes is: no number where a string is wanted, and no other booleans than true and false.
pub fn options() -> Options {
    serde_saphyr::options! { no_schema: true, strict_booleans: true, with_snippet: false }
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
