//! The JSON Schema of the plugin configuration, from the types that read it.

use std::borrow::Cow;

use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use super::bounded::Bounded;
use super::document::Document;
use super::headers::{HeaderName, HeaderNameRule, RESERVED};
use super::service::{BackendEntry, BackendFields, ClusterName};
use super::text::{Rule, Text};

/// The JSON Schema of the plugin configuration.
pub(super) fn generate() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(ForEditors);
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), "session-affinity".into());
    schema.to_value()
}

/// Makes each description one line. Removes `null` from the allowed values, because the filter refuses `null`.
#[derive(Clone, Debug)]
struct ForEditors;

impl Transform for ForEditors {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(Value::String(description)) = schema.get_mut("description") {
            *description = description.replace('\n', " ");
        }
        let is_null = |value: &Value| value == "null" || *value == serde_json::json!({ "type": "null" });
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|value| !is_null(value));
            if let [one] = types.as_slice() {
                let one = one.clone();
                schema.insert("type".to_owned(), one);
            }
        }
        let Some(Value::Array(any)) = schema.get_mut("anyOf") else { return };
        let count = any.len();
        any.retain(|value| !is_null(value));
        if count == any.len() {
            return;
        }
        if let [Value::Object(one)] = any.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (name, value) in one {
                schema.insert(name, value);
            }
        }
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Bounded<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("integer from {MIN} to {MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl<R: Rule> JsonSchema for Text<R> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        R::ALLOWED.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": R::PATTERN })
    }
}

impl JsonSchema for HeaderName {
    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // ECMA-262 has no inline flag that ignores case.
        let any_case = |letter: char| match letter {
            '-' => "-".to_owned(),
            _ => format!("[{}{letter}]", letter.to_ascii_uppercase()),
        };
        let reserved = RESERVED.map(|name| name.chars().map(any_case).collect::<String>()).join("|");
        json_schema!({
            "type": "string",
            "description": HeaderNameRule::ALLOWED,
            "pattern": HeaderNameRule::PATTERN,
            "not": { "pattern": format!("^(?:{reserved})$") },
        })
    }
}

impl JsonSchema for BackendEntry {
    fn schema_name() -> Cow<'static, str> {
        "Backend".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Text<ClusterName>>();
        let fields = generator.subschema_for::<BackendFields>();
        json_schema!({
            "description": "A backend: the name of its Envoy cluster, or an object with its cluster, weight and backup.",
            "anyOf": [name, fields],
        })
    }
}
