//! YAML as a tree, with the place of every key and every value.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Deeper documents are refused. The schema of a large CRD needs half of this depth; the limit bounds the stack of recursive functions.
const DEEPEST: usize = 64;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Shape,
    at: At,
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) value: String,
    at: At,
}

/// Bytes in the parsed text, as 32-bit numbers because every key and every value has one. For an alias, those of
/// the definition: this is what must be fixed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct At {
    start: u32,
    length: u32,
}

impl At {
    fn of(referenced: Location, defined: Location) -> Self {
        let bytes = bytes(defined).or_else(|| bytes(referenced)).unwrap_or_default();
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { start: narrow(bytes.start), length: narrow(bytes.len()) }
    }

    fn bytes(self) -> Range<usize> {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        start..start.saturating_add(usize::try_from(self.length).unwrap_or(usize::MAX))
    }
}

impl Node {
    /// Its bytes in the parsed text.
    pub(super) fn bytes(&self) -> Range<usize> {
        self.at.bytes()
    }
}

impl Name {
    /// Its bytes in the parsed text.
    pub(super) fn bytes(&self) -> Range<usize> {
        self.at.bytes()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Shape>::deserialize(deserializer)?;
        Ok(Self { value, at: At::of(referenced, defined) })
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { value, at: At::of(referenced, defined) })
    }
}

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Name, Node)>),
}

impl Shape {
    /// Its name, for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Unsigned(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The value of a key.
pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entry(node, key).map(|(_, value)| value)
}

/// A key and its value.
pub(super) fn entry<'a>(node: &'a Node, key: &str) -> Option<(&'a Name, &'a Node)> {
    let Shape::Map(entries) = &node.value else { return None };
    entries.iter().find(|(name, _)| name.value == key).map(|(name, value)| (name, value))
}

/// The value of a key, to be changed.
pub(super) fn get_mut<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    let Shape::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|(name, _)| name.value == key).map(|(_, value)| value)
}

/// The text of a key's value; empty when there is none.
pub(super) fn text<'a>(node: &'a Node, key: &str) -> &'a str {
    match get(node, key).map(|node| &node.value) {
        Some(Shape::Text(text)) => text,
        _ => "",
    }
}

/// The documents of a YAML text.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        emit_comments: false,
        with_snippet: false,
        // As text, so that `.inf` in an unrelated document is not an error.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
    };
    serde_saphyr::from_multiple_with_options(text, options)
}

fn bytes(at: Location) -> Option<Range<usize>> {
    let span = at.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start.checked_add(length)?)
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(i64::try_from(value).map_or(Shape::Unsigned(value), Shape::Integer))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Shape, E> {
        Ok(Shape::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Shape::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Shape::Map(map))
    }
}

/// The place of an error in the text: some errors have bytes, some only line and column.
pub(super) fn place(error: &serde_saphyr::Error, text: &str) -> Option<Range<usize>> {
    let at = error.location()?;
    bytes(at).or_else(|| {
        let line = usize::try_from(at.line()).ok()?.checked_sub(1)?;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let column = usize::try_from(at.column()).ok()?.saturating_sub(1);
        let within = text.get(start..)?.chars().take(column).map(char::len_utf8).sum::<usize>();
        Some(start + within..start + within)
    })
}

/// Why a text is not YAML, and how to fix it.
pub(super) fn trouble(error: &serde_saphyr::Error, text: &str) -> (String, String) {
    let said = error.without_snippet().to_string();
    // The place is printed separately.
    let (said, _) = said.rsplit_once(" at line ").unwrap_or((&said, ""));
    let fix = if text.contains("{{") { "render the template first: helm template … | albedo check -" } else { "" };
    (format!("is no YAML: {said}"), fix.to_owned())
}
