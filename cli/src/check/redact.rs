//! Secrets of plugin configurations, which no diagnostic may show.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::embedded::Mapping;
use crate::yaml::{self, Node, Reader, Value};

/// A secret has at least 32 bytes, which are 43 characters of base64. A few may be missing.
const SHORTEST_SECRET: usize = 41;

/// The text with an asterisk for each byte that may belong to a secret. Positions do not change.
pub fn redact(text: &str, documents: &[Node]) -> String {
    let mut found = written_as_secret(text);
    if documents.is_empty() {
        found.extend(long_words(text));
    }
    for document in documents {
        in_node(document, text, &mut found);
    }
    let mut is_secret = vec![false; text.len()];
    for range in found {
        is_secret.get_mut(range).into_iter().flatten().for_each(|byte| *byte = true);
    }
    let mut redacted = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        let bytes = is_secret.get(at..at + char.len_utf8()).unwrap_or_default();
        if char != '\n' && bytes.contains(&true) {
            redacted.extend(std::iter::repeat_n('*', char.len_utf8()));
        } else {
            redacted.push(char);
        }
    }
    redacted
}

/// The ranges of values after `secret:`, in text that may not be YAML.
fn written_as_secret(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, word) in text.match_indices("secret") {
        let rest_at = at + word.len();
        let rest = text.get(rest_at..).unwrap_or_default();
        let named = rest.trim_start_matches(['"', '\'', '\\', ' ']);
        if let Some(value) = named.strip_prefix(':') {
            // The value may begin in the next line, also after `|` or `>-`.
            let value = value.trim_start_matches([' ', '\t', '\r', '\n', '|', '>', '-']);
            let value_at = text.len() - value.len();
            let len = value.find([',', '}', '\n', '#']).unwrap_or(value.len());
            found.push(value_at..value_at + len);
        }
    }
    found
}

/// The ranges of words that are long enough for the base64 of a secret.
fn long_words(text: &str) -> Vec<Range<usize>> {
    let is_base64 = |char: char| char.is_ascii_alphanumeric() || "+/-_=".contains(char);
    let mut found = Vec::new();
    for word in text.split(|char| !is_base64(char)).filter(|word| word.len() >= SHORTEST_SECRET) {
        let start = word.as_ptr().addr() - text.as_ptr().addr();
        found.push(start..start + word.len());
    }
    found
}

fn in_node(node: &Node, text: &str, found: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| in_node(item, text, found)),
        Value::Map(fields) => {
            let is_base64 = fields.iter().any(|(_, value)| matches!(&value.value, Value::Text(url) if url.ends_with("google.protobuf.BytesValue")));
            for (key, value) in fields {
                match key.name.as_str() {
                    "keys" | "key_values" | "keyValues" => hide(value, found),
                    "value" if is_base64 => hide(value, found),
                    _ => in_node(value, text, found),
                }
            }
        }
        // A secret under a misspelt name, or with an anchor elsewhere.
        Value::Text(inner) if is_base64_of_a_secret(inner) => found.push(node.defined.clone()),
        // JSON text, or a file in a ConfigMap.
        Value::Text(inner) if inner.contains('\n') || is_json(inner) => {
            let mapping = Mapping::new(inner, text, &node.defined);
            let mut within = Vec::new();
            match yaml::parse(inner, Reader::Envoy) {
                Ok(documents) => documents.iter().for_each(|document| in_node(document, inner, &mut within)),
                Err(_) if is_json(inner) && inner.contains("keys") => {
                    return found.push(node.defined.clone());
                }
                Err(_) => within = long_words(inner),
            }
            found.extend(within.iter().map(|range| mapping.map(range)));
        }
        _ => {}
    }
}

fn is_base64_of_a_secret(text: &str) -> bool {
    // The padding may be missing.
    text.len() >= SHORTEST_SECRET && BASE64_STANDARD_NO_PAD.decode(text.trim_end_matches('=')).is_ok()
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Hides all values except the ids of keys and the names of variables.
fn hide(node: &Node, found: &mut Vec<Range<usize>>) {
    const LONGEST_ID: usize = 8;
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| hide(item, found)),
        Value::Map(fields) => {
            for (key, value) in fields {
                let shown = match (key.name.as_str(), &value.value) {
                    ("id", Value::Text(id)) => id.len() <= LONGEST_ID,
                    ("env", Value::Text(name)) => is_variable(name),
                    _ => false,
                };
                if !shown {
                    hide(value, found);
                }
            }
        }
        _ => found.push(node.defined.clone()),
    }
}

/// Whether a text is certainly the name of an environment variable, and not a misplaced secret.
pub fn is_variable(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() < SHORTEST_SECRET
        && text.bytes().all(legal)
        && text.contains('_')
        && text.starts_with(|first: char| first.is_ascii_uppercase())
}
