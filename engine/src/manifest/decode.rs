//! The tree as Kubernetes types: serde reads it without another copy.

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::{de::DeserializeOwned, forward_to_deserialize_any};

use super::node::{Node, Shape};

/// Why an object cannot be read.
pub(super) struct Misread {
    /// The path of the field, in the form of messages.
    pub(super) path: String,
    /// What is wrong.
    pub(super) message: String,
}

/// Decodes the object in a tree.
pub(super) fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Misread> {
    T::deserialize(Reader(node)).or_else(|_| {
        // Decodes again to find the path, which would cost too much for valid objects.
        serde_path_to_error::deserialize(Reader(node)).map_err(|error| {
            let path = error.path().to_string();
            Misread { path, message: error.into_inner().to_string() }
        })
    })
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a Node);

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Shape::Null => visitor.visit_unit(),
            Shape::Bool(value) => visitor.visit_bool(*value),
            Shape::Integer(value) => visitor.visit_i64(*value),
            Shape::Unsigned(value) => visitor.visit_u64(*value),
            Shape::Float(value) => visitor.visit_f64(*value),
            Shape::Text(value) => visitor.visit_borrowed_str(value),
            Shape::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Reader))),
            Shape::Map(entries) => visitor.visit_map(MapDeserializer::new(
                entries.iter().map(|(key, value)| (key.value.as_str(), Reader(value))),
            )),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Shape::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Null is an empty object to the API server, …
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0.value {
            Shape::Null => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Reader<'_>)>())),
            _ => self.deserialize_any(visitor),
        }
    }

    /// … and an empty string.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Shape::Null => visitor.visit_str(""),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0.value {
            Shape::Text(value) => value.as_str().into_deserializer().deserialize_enum(name, variants, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
