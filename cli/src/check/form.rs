//! The forms in which Envoy's file holds a plugin configuration, and forms that Envoy refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::file::At;
use crate::yaml::Value;

/// JSON text in base64.
pub const BYTES: &str = "google.protobuf.BytesValue";
/// JSON text.
const STRING: &str = "google.protobuf.StringValue";
/// Plain YAML.
const STRUCT: &str = "google.protobuf.Struct";

/// An error in the form of a configuration. Envoy refuses the form, so the filter never receives the configuration.
pub struct FormError<'a> {
    /// The place.
    pub at: At<'a>,
    /// What is wrong.
    pub message: &'static str,
    /// What to write.
    pub help: &'static str,
}

const WRITE_FIELDS: &str =
    "write `\"@type\": type.googleapis.com/google.protobuf.Struct`, and the fields under `value:`";
const WRITE_TEXT: &str =
    "write `\"@type\": type.googleapis.com/google.protobuf.StringValue`, and the JSON text after `value:`";

/// The error in the form of a `configuration`. Envoy accepts an empty `configuration`.
pub fn error(written: At<'_>) -> Option<FormError<'_>> {
    let is_empty =
        matches!(written.node.value, Value::Null | Value::Map(_)) && written.node.fields().is_empty();
    let value = written.get("value");
    let is_text = value.unwrap_or(written).text().is_some();
    let (message, help) = match (written.type_name(), value.map(|value| &value.node.value)) {
        (None, _) if is_empty => return None,
        (None, _) => (
            "the configuration has no `@type`: Envoy refuses it",
            if is_text { WRITE_TEXT } else { WRITE_FIELDS },
        ),
        (Some(STRUCT), Some(Value::Map(_))) | (Some(STRING), Some(Value::Text(_))) => return None,
        (Some(BYTES), Some(Value::Text(base64))) if bytes(base64).is_some() => return None,
        (Some(_), None) => ("the configuration has no `value`: Envoy refuses it", WRITE_FIELDS),
        (Some(STRUCT), _) if is_text => {
            ("the `value` of a Struct must be a mapping: Envoy refuses text", WRITE_TEXT)
        }
        (Some(STRUCT), _) => {
            ("the `value` of a Struct must be a mapping: Envoy refuses anything else", WRITE_FIELDS)
        }
        (Some(STRING), _) => {
            ("the `value` of a StringValue must be text: Envoy refuses anything else", WRITE_FIELDS)
        }
        (Some(BYTES), _) => {
            ("the `value` of a BytesValue must be text in base64: Envoy refuses anything else", WRITE_FIELDS)
        }
        (Some(_), _) => ("the filter does not read a configuration of this type", WRITE_FIELDS),
    };
    let is_type_wrong = written.type_name().is_some_and(|name| ![STRUCT, STRING, BYTES].contains(&name));
    let place = if is_type_wrong { written.get("@type") } else { value };
    Some(FormError { at: place.unwrap_or(written), message, help })
}

/// The bytes of base64 as JSON encodes them: in either alphabet, with or without padding.
pub fn bytes(base64: &str) -> Option<Vec<u8>> {
    let standard = base64.trim_end_matches('=').replace('-', "+").replace('_', "/");
    STANDARD_NO_PAD.decode(standard).ok()
}
