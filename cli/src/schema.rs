//! `schema`: the JSON Schema of the plugin configuration.

use std::collections::BTreeMap;

use serde_json::Value;
use session_affinity::config::Config;

/// The JSON Schema (2020-12) of the plugin configuration, with a line feed at its end.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", sorted(Config::json_schema()))
}

/// Sorts the fields by name. Otherwise the order would depend on a feature of `serde_json` that any dependency may
/// switch on.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().collect();
            Value::Object(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
