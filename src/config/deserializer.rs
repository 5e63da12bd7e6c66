//! Reads types out of a [`Value`]. Nothing is coerced: an object is not read as a list, and `null` is not read as a
//! missing field.

use std::iter::Enumerate;
use std::slice;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::Problem;
use super::path::Step;
use super::value::Value;

impl<'de> IntoDeserializer<'de, Problem> for &'de Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::List(values) => visitor.visit_seq(Elements::new(values)),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields)),
        }
    }

    /// A field that is given has a value, even if the value is `null`. The field's type decides whether `null` is
    /// allowed.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self {
            Value::Bool(bool) => visitor.visit_bool(*bool),
            _ => Err(Problem::wrong_type("true or false")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self {
            Value::String(text) => visitor.visit_str(text),
            _ => Err(Problem::unexpected(&visitor)),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self {
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            _ => Err(Problem::unexpected(&visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self {
            Value::List(values) => visitor.visit_seq(Elements::new(values)),
            _ => Err(Problem::wrong_type("a list")),
        }
    }

    /// Derived types would also accept a list of the values of their fields.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self {
            Value::Object(fields) => visitor.visit_map(Fields::new(fields)),
            _ => Err(Problem::wrong_type("an object")),
        }
    }

    /// Derived types would also accept `{"NONE":null}`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(Problem::wrong_type(variants.join(", "))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 f64 char string bytes byte_buf unit unit_struct tuple
        tuple_struct map identifier ignored_any
    }
}

/// The elements of a list. Adds the index of the element to each problem.
struct Elements<'de>(Enumerate<slice::Iter<'de, Value>>);

impl<'de> Elements<'de> {
    fn new(values: &'de [Value]) -> Self {
        Self(values.iter().enumerate())
    }
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some((index, value)) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(value).map(Some).map_err(|problem| problem.within(index))
    }
}

/// The fields of an object. Adds the name of the field to each problem with the field's value.
struct Fields<'de> {
    rest: slice::Iter<'de, (String, Value)>,
    /// The field whose name was read last.
    field: Option<&'de (String, Value)>,
}

impl<'de> Fields<'de> {
    fn new(fields: &'de [(String, Value)]) -> Self {
        Self { rest: fields.iter(), field: None }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        self.field = self.rest.next();
        let Some((name, _)) = self.field else {
            return Ok(None);
        };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some((name, value)) = self.field.take() else {
            return Err(Problem::missing("a value"));
        };
        seed.deserialize(value).map_err(|problem| problem.within(Step::Field(name.clone().into())))
    }
}
