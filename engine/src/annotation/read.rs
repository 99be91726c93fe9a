//! What a value says, and what is wrong with it.

use super::decode::Decoded;
use super::parse::{self, ParseError};
use super::value::{JsonValue, Value};
use crate::stack::Protocol;

/// What a value says, and all that is wrong with it.
#[derive(Debug, Default)]
pub struct Read<'r> {
    pub(super) parsed: Option<Parsed<'r>>,
    /// All that is wrong with it, in the order in which it stands there.
    pub faults: Vec<ParseError>,
}

/// What a value says, before it takes memory of its own: most are read to be checked alone.
#[derive(Debug)]
pub(super) enum Parsed<'r> {
    Text(&'r str),
    Items(&'r str),
    Pairs(Vec<parse::Pair>),
    Listeners(Vec<(Protocol, u16)>),
    Value(Value),
}

impl<'r> Read<'r> {
    pub(super) fn of(parsed: Parsed<'r>, faults: impl IntoIterator<Item = ParseError>) -> Self {
        Self { parsed: Some(parsed), faults: faults.into_iter().collect() }
    }

    pub(super) fn unreadable(error: ParseError) -> Self {
        Self { parsed: None, faults: vec![error] }
    }

    /// Whether nothing can be built of it.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.parsed.is_none() && self.faults.iter().any(ParseError::is_fatal)
    }

    /// What it says; `None`: nothing, or it cannot be read.
    #[must_use]
    pub fn value(self) -> Option<Value> {
        Some(match self.parsed? {
            Parsed::Text(text) => Value::Text(text.to_owned()),
            Parsed::Items(raw) => Value::List(parse::string_list(raw)),
            Parsed::Pairs(pairs) => Value::Map(pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()),
            Parsed::Listeners(pairs) => {
                let pairs = pairs.into_iter().map(|(protocol, port)| (port, Value::Text(protocol.to_string())));
                Value::ByPort(pairs.collect())
            }
            Parsed::Value(value) => value,
        })
    }
}

impl From<Result<Value, ParseError>> for Read<'_> {
    fn from(read: Result<Value, ParseError>) -> Self {
        read.map_or_else(Self::unreadable, |value| Self::of(Parsed::Value(value), None))
    }
}

impl Read<'static> {
    /// Of JSON: nothing is built of what LBC refuses; the rest is left to AWS.
    pub(super) fn decoded<T>(given: Decoded<T>, parsed: impl FnOnce(T) -> Parsed<'static>) -> Self {
        let Decoded { value, refused, doubtful } = given;
        let parsed = value.filter(|_| refused.is_empty()).map(parsed);
        Self { parsed, faults: refused.into_iter().chain(doubtful.into_iter().map(ParseError::left_to_aws)).collect() }
    }

    /// The same of a type that JSON is read into.
    pub(super) fn typed<T: JsonValue>(given: Decoded<T>) -> Self {
        Self::decoded(given, |value| Parsed::Value(Value::typed(value)))
    }
}

/// A kind of JSON: each module that reads one has it.
#[derive(Debug)]
pub struct Shape {
    /// What it holds, in a few words.
    pub takes: &'static str,
    /// Reads it.
    pub read: fn(&str) -> Read<'static>,
    /// The member whose text may have several lines.
    pub multiline: Option<&'static str>,
}

/// Shapes are the same if they are one.
impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Shape {}
