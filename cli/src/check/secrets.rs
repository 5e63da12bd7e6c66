//! Secrets of plugin configurations, which no diagnostic may show.

use std::ops::Range;

use super::embedded::Mapping;
use crate::yaml::{self, Node, Value};

/// The text with an asterisk for each byte that may belong to a secret. Positions do not change.
pub fn redact(text: &str, documents: &[Node]) -> String {
    let mut found = written_as_secret(text);
    for document in documents {
        in_node(document, text, &mut found);
    }
    let mut bytes = text.as_bytes().to_vec();
    for range in found {
        for byte in bytes.get_mut(range).into_iter().flatten() {
            if *byte != b'\n' {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The ranges of values after `secret:`, in text that may not be YAML.
fn written_as_secret(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, word) in text.match_indices("secret") {
        let rest_at = at + word.len();
        let rest = text.get(rest_at..).unwrap_or_default();
        let named = rest.trim_start_matches(['"', '\'', '\\', ' ']);
        if let Some(value) = named.strip_prefix(':') {
            let value_at = text.len() - value.len();
            let len = value.find([',', '}', '\n', '#']).unwrap_or(value.len());
            found.push(value_at..value_at + len);
        }
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
        Value::Text(inner) if inner.contains("keys") && inner.trim_start().starts_with('{') => {
            let mapping = Mapping::new(inner, text, &node.span);
            let Ok(documents) = yaml::parse(inner) else {
                found.push(node.span.clone());
                return;
            };
            let mut within = Vec::new();
            for document in &documents {
                in_node(document, inner, &mut within);
            }
            found.extend(within.iter().map(|range| mapping.map(range)));
        }
        // A file in a ConfigMap.
        Value::Text(inner) if inner.contains('\n') && inner.contains("keys") => {
            let mapping = Mapping::new(inner, text, &node.span);
            let documents = yaml::parse(inner).unwrap_or_default();
            let mut within = Vec::new();
            for document in &documents {
                in_node(document, inner, &mut within);
            }
            found.extend(within.iter().map(|range| mapping.map(range)));
        }
        _ => {}
    }
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
        _ => found.push(node.span.clone()),
    }
}

/// Whether a text is certainly the name of an environment variable, and not a misplaced secret.
pub fn is_variable(text: &str) -> bool {
    // The 32 bytes of a secret are 43 characters of base64.
    const LONGEST: usize = 40;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST
        && text.bytes().all(legal)
        && text.contains('_')
        && text.starts_with(|first: char| first.is_ascii_uppercase())
}
