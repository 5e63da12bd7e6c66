//! Functions that several targets share.

use std::net::SocketAddr;

use arbitrary::Arbitrary;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

/// A session with arbitrary numbers.
#[derive(Arbitrary, Debug)]
pub struct AnySession {
    numbers: [u64; 4],
    endpoint: Option<SocketAddr>,
    https: bool,
}

impl From<AnySession> for session_affinity::fuzzing::AnySession {
    fn from(AnySession { numbers, endpoint, https }: AnySession) -> Self {
        session_affinity::fuzzing::session(numbers, endpoint.map(without_scope), https)
    }
}

/// A token keeps only the address and port of an endpoint.
fn without_scope(endpoint: SocketAddr) -> SocketAddr {
    SocketAddr::new(endpoint.ip(), endpoint.port())
}

/// The bytes that Envoy passes for a JSON object that is written as YAML. `None` for any other JSON value.
#[must_use]
pub fn as_struct(json: &[u8]) -> Option<Vec<u8>> {
    match serde_json::from_slice(json).ok()? {
        serde_json::Value::Object(fields) => Some(to_struct(fields)?.encode_to_vec()),
        _ => None,
    }
}

fn to_struct(fields: serde_json::Map<String, serde_json::Value>) -> Option<Struct> {
    let fields = fields.into_iter().map(|(name, value)| Some((name, to_proto(value)?)));
    Some(Struct { fields: fields.collect::<Option<_>>()? })
}

fn to_proto(value: serde_json::Value) -> Option<Value> {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(bool) => Kind::BoolValue(bool),
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64()?),
        serde_json::Value::String(text) => Kind::StringValue(text),
        serde_json::Value::Array(values) => {
            let values = values.into_iter().map(to_proto).collect::<Option<_>>()?;
            Kind::ListValue(ListValue { values })
        }
        serde_json::Value::Object(fields) => Kind::StructValue(to_struct(fields)?),
    };
    Some(Value { kind: Some(kind) })
}
