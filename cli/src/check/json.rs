//! The JSON into which Envoy turns a configuration in YAML.

use crate::yaml::{Node, Value};

/// The value as JSON, with the fields in their order. `yaml` is the text of the file if Envoy itself reads its numbers.
pub fn of(node: &Node, yaml: Option<&String>) -> String {
    let mut json = String::new();
    write(node, yaml, &mut json);
    json
}

fn write(node: &Node, yaml: Option<&String>, json: &mut String) {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    // Envoy reads some numbers as text.
    let number = |number: serde_json::Value| match yaml.and_then(|text| text.get(node.defined.clone())) {
        Some(text) if !is_number_in_yaml(text) => quote(text),
        _ => number.to_string(),
    };
    match &node.value {
        Value::Null => json.push_str("null"),
        Value::Bool(value) => json.push_str(&value.to_string()),
        Value::Integer(value) => json.push_str(&number((*value).into())),
        Value::Float(value) => json.push_str(&number((*value).into())),
        Value::Text(text) => json.push_str(&quote(text)),
        Value::List(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                json.push_str(if index > 0 { "," } else { "" });
                write(item, yaml, json);
            }
            json.push(']');
        }
        Value::Map(fields) => {
            json.push('{');
            for (index, (key, value)) in fields.iter().enumerate() {
                json.push_str(if index > 0 { "," } else { "" });
                json.push_str(&quote(&key.name));
                json.push(':');
                write(value, yaml, json);
            }
            json.push('}');
        }
    }
}

/// Whether Envoy reads a plain scalar in YAML as a number. Envoy reads numbers with a fraction, and such as `86_400`, as
/// text.
fn is_number_in_yaml(text: &str) -> bool {
    let is_decimal = text.parse::<i64>().is_ok();
    match text.strip_prefix('0') {
        Some(octal) if is_decimal => !octal.contains(['8', '9']),
        Some(rest) => rest.starts_with('x'),
        None => is_decimal,
    }
}
