//! The YAML documents of a file, and the places of their fields.

use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::{Error, Location, Options, Spanned};

use super::remarks::Remarks;
use crate::diagnostic::Diagnostic;
use crate::source::{Place, Source};
use crate::yaml::{self, Node, Reader, Value, offset};

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    source: Arc<Source>,
    range: Range<usize>,
    /// The document as a tree.
    pub root: Node,
}

impl Document {
    /// Reads all documents of a file. Leaves out documents without content.
    pub fn read(source: &Arc<Source>, remarks: &mut Remarks) -> Vec<Arc<Self>> {
        let ranges = ranges(&source.text);
        if ranges.is_empty() {
            let place = Place { source: Arc::clone(source), span: 0..0, field: String::new() };
            remarks.error(
                place,
                "no manifest in this file",
                "write at least one manifest, or leave the file out; the output of this command belongs in another directory",
            );
        }
        let mut documents = Vec::new();
        for range in ranges {
            let text = source.text.get(range.clone()).unwrap_or_default().to_owned();
            let part = Arc::new(Source { name: source.name.clone(), text });
            match yaml::documents(&part, Reader::Kubernetes) {
                Ok(nodes) => {
                    let document =
                        |root| Arc::new(Self { source: Arc::clone(source), range: range.clone(), root });
                    documents.extend(nodes.into_iter().map(document));
                }
                Err(error) => {
                    let Diagnostic { place: Place { span, field, .. }, message, help, .. } = *error;
                    let span = range.start + span.start..range.start + span.end;
                    let place = Place { source: Arc::clone(source), span, field };
                    remarks.error(place, message, help.unwrap_or_default());
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

    /// The place of a field, or of the object if there is no such field.
    pub fn of(&self, object: &Node, field: &str) -> Place {
        let (span, field) = get(object, field).map_or((&object.span, ""), |value| (&value.span, field));
        let span = self.range.start + span.start..self.range.start + span.end;
        Place { source: Arc::clone(&self.source), span, field: field.to_owned() }
    }

    /// Reports an error of the parser, or a value that its type does not allow.
    pub fn report(&self, error: &Error, remarks: &mut Remarks) {
        let text = error.without_snippet().to_string();
        // The text ends with the place, which `remarks` shows anyway, and with advice on options of the parser.
        let text = text.split(" at line ").next().unwrap_or_default();
        let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
        let (message, help) = self.in_plain_words(text, error.location());
        let is_missing = text.starts_with("missing field ");
        let place = error.location().map_or_else(|| self.of(&self.root, ""), |at| self.place(at, is_missing));
        remarks.error(place, message, help);
    }

    /// The message and the help for an error text of the parser or of serde.
    fn in_plain_words(&self, text: &str, location: Option<Location>) -> (String, String) {
        let invalid = |is_allowed: fn(&Value) -> bool, allowed: &str| {
            let given = location.and_then(|location| self.given(location, is_allowed));
            let given = given.map_or_else(|| "this value".to_owned(), ToString::to_string);
            (format!("invalid value: {given}"), format!("write {allowed}"))
        };
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if let Some(field) = text.strip_prefix("missing field ") {
            return (text.to_owned(), format!("add {field}"));
        }
        if let Some((given, _)) =
            text.strip_prefix("The string value [").and_then(|rest| rest.rsplit_once(']'))
        {
            return (format!("invalid value: {given}"), format!("write text, for example \"{given}\""));
        }
        match text.split_once(", expected ") {
            Some((message, allowed)) if message.starts_with("invalid type") => invalid(|_| false, allowed),
            Some((message, allowed)) => {
                let message = message.replacen("unknown variant", "unknown value", 1);
                (message, format!("write {allowed}"))
            }
            None => match text {
                "expected mapping start" => invalid(|value| matches!(value, Value::Map(_)), "a mapping"),
                "expected sequence start" => invalid(|value| matches!(value, Value::List(_)), "a list"),
                "expected string scalar" | "externally tagged enum expected scalar or mapping" => {
                    invalid(is_text, "text")
                }
                _ if text.starts_with("cannot deserialize null") => invalid(is_text, "text"),
                _ if text.starts_with("invalid boolean") => invalid(|_| false, "true or false"),
                _ => (text.to_owned(), "compare the manifest with the schema of its kind".to_owned()),
            },
        }
    }

    /// The innermost value at a location that is not allowed there.
    fn given(&self, location: Location, is_allowed: fn(&Value) -> bool) -> Option<&Value> {
        let mut values = Vec::new();
        values_at(&self.root, self.offset(location), &mut values);
        values.into_iter().rfind(|value| !is_allowed(value))
    }

    /// The byte of the document at a location.
    fn offset(&self, location: Location) -> usize {
        location.span().byte_offset().map_or_else(|| offset(self.text(), location), to_usize)
    }

    fn place(&self, location: Location, is_value: bool) -> Place {
        let offset = self.offset(location);
        let length = location.span().byte_len().map_or(0, to_usize);
        let mut found = Vec::new();
        // The paths of fields in a List begin at the item, as in a separate manifest.
        match items(&self.root) {
            Some(items) => items.iter().for_each(|item| find(item, offset, "", &mut found)),
            None => find(&self.root, offset, "", &mut found),
        }
        // For the parser, a list begins where its first item begins. The innermost value is used.
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

/// Finds the fields whose key (`false`) or value (`true`) begins at a byte offset.
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

/// Finds the values that begin at a byte offset, from the outermost to the innermost.
fn values_at<'a>(node: &'a Node, offset: usize, found: &mut Vec<&'a Value>) {
    if node.span.start == offset {
        found.push(&node.value);
    }
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| values_at(item, offset, found)),
        Value::Map(fields) => fields.iter().for_each(|(_, value)| values_at(value, offset, found)),
        _ => {}
    }
}

/// As strict as Kubernetes: no number in place of a string, and no booleans other than true and false.
pub fn options() -> Options {
    let mut options = yaml::options(Reader::Kubernetes);
    options.no_schema = true;
    options.strict_booleans = true;
    options
}

fn joined(path: &str, key: &str) -> String {
    // Control characters are escaped, so that a key stays on one line of a terminal.
    let escaped = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
    };
    let key: String = key.chars().map(escaped).collect();
    // Names of annotations and labels contain dots.
    match (path.is_empty(), key.contains(['.', '/'])) {
        (true, _) => key,
        (false, true) => format!("{path}[{key}]"),
        (false, false) => format!("{path}.{key}"),
    }
}

fn to_usize(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or_default()
}

/// The documents with content. A line that begins with `---` or `...` always ends a document, even inside a quoted text
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
