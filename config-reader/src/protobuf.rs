//! A serialized `google.protobuf.Struct` as a tree of values.

use micropb::{PbDecoder, WIRE_TYPE_I64, WIRE_TYPE_LEN, WIRE_TYPE_VARINT};

use super::value::Value;

/// No deeper do messages stand in each other. A value takes up to three levels.
const DEEPEST: u32 = 100;
/// No Struct with more fields is read: none of ours has a hundredth of them, and each is put in its place among all.
const MOST_FIELDS: usize = 4096;

/// Fields in the order of their names.
type Fields = Vec<(String, Value)>;

/// Reads the fields of a Struct; `None` for what is none.
pub fn read(bytes: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    merge_struct(&mut fields, bytes, DEEPEST)?;
    Some(fields)
}

/// Adds the fields of one more part of a Struct. Of two with the same name the later one counts.
fn merge_struct(fields: &mut Fields, message: &[u8], depth: u32) -> Option<()> {
    let mut message = Message::new(message, depth);
    while let Some(part) = message.next()? {
        match part.number {
            1 => {
                let (name, value) = entry(message.delimited(part)?, message.depth_within()?)?;
                match fields.binary_search_by(|(known, _)| known.as_str().cmp(&name)) {
                    Ok(place) => fields.get_mut(place)?.1 = value,
                    Err(_) if fields.len() >= MOST_FIELDS => return None,
                    Err(place) => fields.insert(place, (name, value)),
                }
            }
            _ => message.skip(part)?,
        }
    }
    Some(())
}

/// A name and its value.
fn entry(message: &[u8], depth: u32) -> Option<(String, Value)> {
    let mut message = Message::new(message, depth);
    let (mut name, mut value) = (String::new(), Value::Null);
    while let Some(part) = message.next()? {
        match part.number {
            1 => name = message.text(part)?,
            2 => merge_value(&mut value, message.delimited(part)?, message.depth_within()?)?,
            _ => message.skip(part)?,
        }
    }
    Some((name, value))
}

/// Reads one more part of a Value. Objects and lists come together from all their parts, of others the last counts.
fn merge_value(value: &mut Value, message: &[u8], depth: u32) -> Option<()> {
    let mut message = Message::new(message, depth);
    while let Some(part) = message.next()? {
        match part.number {
            1 => {
                message.number(part)?;
                *value = Value::Null;
            }
            2 => *value = Value::Float(message.float(part)?),
            3 => *value = Value::String(message.text(part)?),
            4 => *value = Value::Bool(message.number(part)? != 0),
            5 => {
                let mut fields = match std::mem::replace(value, Value::Null) {
                    Value::Object(fields) => fields,
                    _ => Fields::new(),
                };
                merge_struct(&mut fields, message.delimited(part)?, message.depth_within()?)?;
                *value = Value::Object(fields);
            }
            6 => {
                let mut values = match std::mem::replace(value, Value::Null) {
                    Value::List(values) => values,
                    _ => Vec::new(),
                };
                merge_list(&mut values, message.delimited(part)?, message.depth_within()?)?;
                *value = Value::List(values);
            }
            _ => message.skip(part)?,
        }
    }
    Some(())
}

/// Adds the elements of one more part of a list.
fn merge_list(values: &mut Vec<Value>, message: &[u8], depth: u32) -> Option<()> {
    let mut message = Message::new(message, depth);
    while let Some(part) = message.next()? {
        match part.number {
            1 => {
                let mut value = Value::Null;
                merge_value(&mut value, message.delimited(part)?, message.depth_within()?)?;
                values.push(value);
            }
            _ => message.skip(part)?,
        }
    }
    Some(())
}

/// A message that is being read.
struct Message<'a> {
    rest: PbDecoder<&'a [u8]>,
    /// So many levels may still stand in it.
    depth: u32,
}

/// What stands before a field's value.
#[derive(Clone, Copy)]
struct Part {
    number: u64,
    wire_type: u8,
}

impl Part {
    /// The format must not have changed.
    fn is(self, wire_type: u8) -> Option<()> {
        (self.wire_type == wire_type).then_some(())
    }
}

impl<'a> Message<'a> {
    fn new(bytes: &'a [u8], depth: u32) -> Self {
        Self { rest: PbDecoder::new(bytes), depth }
    }

    fn depth_within(&self) -> Option<u32> {
        self.depth.checked_sub(1)
    }

    /// The next field; `Some(None)` at the end.
    #[inline(never)]
    #[expect(clippy::option_option, reason = "the end is no error")]
    fn next(&mut self) -> Option<Option<Part>> {
        if self.rest.as_reader().is_empty() {
            return Some(None);
        }
        let tag = self.rest.decode_varint64().ok()?;
        let part = Part { number: tag >> 3, wire_type: u8::try_from(tag & 7).ok()? };
        (tag <= u32::MAX.into() && part.number > 0).then_some(Some(part))
    }

    #[inline(never)]
    fn number(&mut self, part: Part) -> Option<u64> {
        part.is(WIRE_TYPE_VARINT)?;
        self.rest.decode_varint64().ok()
    }

    fn float(&mut self, part: Part) -> Option<f64> {
        part.is(WIRE_TYPE_I64)?;
        self.rest.decode_double().ok()
    }

    #[inline(never)]
    fn delimited(&mut self, part: Part) -> Option<&'a [u8]> {
        part.is(WIRE_TYPE_LEN)?;
        let len = usize::try_from(self.rest.decode_varint64().ok()?).ok()?;
        let bytes = self.rest.as_reader().get(..len)?;
        self.rest.skip_bytes(len).ok()?;
        Some(bytes)
    }

    #[inline(never)]
    fn text(&mut self, part: Part) -> Option<String> {
        String::from_utf8(self.delimited(part)?.to_vec()).ok()
    }

    /// A field that a newer format may have.
    #[inline(never)]
    fn skip(&mut self, part: Part) -> Option<()> {
        self.depth_within()?;
        self.rest.skip_wire_value(part.wire_type).ok()
    }
}
