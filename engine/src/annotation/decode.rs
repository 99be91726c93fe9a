//! From JSON to typed values with the leniency of Go's `encoding/json`: names match in any case, unknown ones are skipped,
//! `null` changes nothing, of duplicates the last wins and objects among them are merged.

use std::cell::RefCell;

use indexmap::IndexMap;

use super::json::{self, Node, Value};
use super::parse::{ParseError, Pointer, shown};
use super::similar::did_you_mean;
use crate::stack::ServicePort;

/// The value of a JSON annotation, and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<T> {
    /// The value; `None` if it cannot be built.
    pub value: Option<T>,
    /// What LBC refuses. Then nothing is built from the annotation.
    pub refused: Vec<ParseError>,
    /// What AWS is known to refuse, and unknown members.
    pub doubtful: Vec<ParseError>,
}

/// Reads a whole annotation value. If a value in it has the wrong type, only such faults are reported.
pub fn read<T>(raw: &str, read: impl FnOnce(&[Spot<'_>]) -> Option<T>) -> Decoded<T> {
    let root = match json::read(raw) {
        Ok(root) => root,
        Err(error) => return Decoded { value: None, refused: vec![error], doubtful: Vec::new() },
    };
    let log = Log::default();
    let value = read(&[Spot { node: &root, step: None, log: &log }]);
    let Log { mismatches, refused, doubtful, unknown } = log;
    let mismatches = mismatches.into_inner();
    if mismatches.is_empty() {
        let doubtful = [doubtful.into_inner(), unknown.into_inner()].concat();
        return Decoded { value, refused: refused.into_inner(), doubtful };
    }
    Decoded { value: None, refused: mismatches, doubtful: unknown.into_inner() }
}

/// Reads a whole annotation value and checks its types only.
///
/// # Errors
/// On malformed JSON (with a byte offset) and on the first value of the wrong type (with a JSON pointer).
pub fn decode<T: FromJson>(raw: &str) -> Result<T, ParseError> {
    decode_all(raw).0
}

/// The same, and a doubt for each unknown member: Go skips it silently.
pub fn decode_all<T: FromJson>(raw: &str) -> (Result<T, ParseError>, Vec<ParseError>) {
    let Decoded { value, refused, doubtful } = read(raw, |given| Some(T::from_json(given)));
    (value.ok_or_else(|| refused.into_iter().next().unwrap_or_else(|| ParseError::new("no value"))), doubtful)
}

/// What a JSON value can be read into.
pub trait FromJson: Sized {
    /// Reads the values of one member: none if the member is absent, several if it is written several times.
    fn from_json(given: &[Spot<'_>]) -> Self;
}

/// The faults found so far.
#[derive(Debug, Default)]
struct Log {
    mismatches: RefCell<Vec<ParseError>>,
    refused: RefCell<Vec<ParseError>>,
    doubtful: RefCell<Vec<ParseError>>,
    unknown: RefCell<Vec<ParseError>>,
}

/// A value and its path from the root. The path is a chain on the stack; only an error writes it out.
#[derive(Clone, Copy, Debug)]
pub struct Spot<'a> {
    node: &'a Node,
    step: Option<(&'a Spot<'a>, Step<'a>)>,
    log: &'a Log,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Member(&'a str),
    Index(usize),
}

impl<'a> Spot<'a> {
    fn below(&'a self, step: Step<'a>, node: &'a Node) -> Self {
        Self { node, step: Some((self, step)), log: self.log }
    }

    /// The name of the member that it is, as written.
    fn name(&self) -> &'a str {
        match self.step {
            Some((_, Step::Member(name))) => name,
            _ => "",
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// RFC 6901, with the members' names as the user wrote them.
    fn pointer(&self) -> String {
        let Some((parent, step)) = self.step else { return String::new() };
        let mut pointer = parent.pointer();
        match step {
            Step::Member(name) => push_token(&mut pointer, name),
            Step::Index(index) => push_token(&mut pointer, &index.to_string()),
        }
        pointer
    }

    /// Reports a value of the wrong type.
    fn mismatch(&self, wanted: &str) {
        let found = match &self.node.value {
            Value::Number(number) if wanted == WHOLE_NUMBER => format!("number {number}"),
            other => other.kind().to_owned(),
        };
        let error = ParseError::at_json(format!("found {found} where {wanted} belongs"), self.pointer());
        // What belongs there instead of the whole value is known to the annotation's code.
        let error = if self.step.is_some() { error.help(format!("write {wanted}")) } else { error };
        self.log.mismatches.borrow_mut().push(error);
    }
}

/// Appends one reference token to a JSON pointer.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// Equal in any case, by Go's folding: ASCII, and the two letters elsewhere in Unicode that fold to ASCII ones.
pub(super) fn folds_equal(a: &str, b: &str) -> bool {
    let fold = |c: char| match c {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        _ => c.to_ascii_lowercase(),
    };
    a.chars().map(fold).eq(b.chars().map(fold))
}

/// The members of an object, those of its duplicates merged.
#[derive(Debug)]
pub struct Members<'a> {
    given: &'a [Spot<'a>],
    /// Names that `read` asked for.
    known: RefCell<Known>,
}

/// The values of one name. A name is written once as a rule, which needs no allocation.
enum Matching<'a> {
    None,
    One([Spot<'a>; 1]),
    Several(Vec<Spot<'a>>),
}

impl<'a> Matching<'a> {
    fn spots(&self) -> &[Spot<'a>] {
        match self {
            Self::None => &[],
            Self::One(one) => one,
            Self::Several(several) => several,
        }
    }
}

/// Names of members: as many as an object has at most, kept without an allocation.
#[derive(Debug, Default)]
struct Known {
    names: [&'static str; 8],
    count: usize,
}

impl Known {
    fn push(&mut self, name: &'static str) {
        if let Some(slot) = self.names.get_mut(self.count) {
            *slot = name;
            self.count += 1;
        }
    }

    fn names(&self) -> &[&'static str] {
        self.names.get(..self.count).unwrap_or_default()
    }
}

/// Reads an object. Members that `read` does not ask for are reported as unknown.
pub fn members<'a, T>(given: &'a [Spot<'a>], read: impl FnOnce(&Members<'a>) -> T) -> T {
    for spot in given.iter().filter(|spot| !matches!(spot.node.value, Value::Null | Value::Object(_))) {
        spot.mismatch("a JSON object");
    }
    let members = Members { given, known: RefCell::default() };
    let value = read(&members);
    members.report_unknown();
    value
}

impl<'a> Members<'a> {
    /// The value of a member.
    pub fn get<T: FromJson>(&self, name: &'static str) -> T {
        T::from_json(self.matching(name).spots())
    }

    /// What a function reads of a member; `None` if it is absent or `null`.
    pub fn option<T>(&self, name: &'static str, read: impl Fn(&[Spot<'_>]) -> T) -> Option<T> {
        option(self.matching(name).spots(), read)
    }

    /// All members as written.
    fn written(&self) -> impl Iterator<Item = Spot<'a>> {
        self.given.iter().flat_map(|spot| {
            let members = match &spot.node.value {
                Value::Object(members) => members.as_slice(),
                _ => &[],
            };
            members.iter().map(move |(name, node)| spot.below(Step::Member(name), node))
        })
    }

    fn matching(&self, name: &'static str) -> Matching<'a> {
        self.known.borrow_mut().push(name);
        let mut matching = self.written().filter(|spot| folds_equal(spot.name(), name));
        match (matching.next(), matching.next()) {
            (None, _) => Matching::None,
            (Some(one), None) => Matching::One([one]),
            (Some(one), Some(other)) => Matching::Several([one, other].into_iter().chain(matching).collect()),
        }
    }

    fn report_unknown(&self) {
        let known = self.known.borrow();
        let known = known.names();
        for spot in self.written() {
            let written = spot.name();
            if known.iter().any(|name| folds_equal(name, written)) {
                continue;
            }
            let near = did_you_mean(written, known.iter().copied());
            let near = if near.is_empty() { format!("; known fields: `{}`", known.join("`, `")) } else { near };
            let message = format!("unknown field `{}`{near}", shown(written));
            spot.log.unknown.borrow_mut().push(ParseError::at_json(message, spot.pointer()).doubt());
        }
    }

    /// Reports what LBC refuses. `below`: a JSON pointer that starts at this object.
    pub fn refuse(&self, below: &str, error: ParseError) {
        self.report(|log| &log.refused, below, error);
    }

    /// Reports what AWS is known to refuse. `below`: as for [`Self::refuse`].
    pub fn doubt(&self, below: &str, error: ParseError) {
        self.report(|log| &log.doubtful, below, error);
    }

    fn report(&self, list: impl Fn(&Log) -> &RefCell<Vec<ParseError>>, below: &str, error: ParseError) {
        let Some(spot) = self.given.last() else { return };
        let at = Some(Pointer::Json(spot.pointer() + below));
        list(spot.log).borrow_mut().push(ParseError { at, ..error });
    }
}

/// `null` removes the values before it.
fn option<T>(given: &[Spot<'_>], read: impl Fn(&[Spot<'_>]) -> T) -> Option<T> {
    let parts = given.split(Spot::is_null);
    parts.map(|part| (!part.is_empty()).then(|| read(part))).last().flatten()
}

/// Reads a list item by item; of several lists the last counts.
pub fn list<T>(given: &[Spot<'_>], mut read: impl FnMut(&[Spot<'_>]) -> T) -> Vec<T> {
    let mut list = Vec::new();
    for spot in given {
        match &spot.node.value {
            Value::Null => list.clear(),
            Value::Array(items) => {
                let item = |(index, node)| read(&[spot.below(Step::Index(index), node)]);
                list = items.iter().enumerate().map(item).collect();
            }
            _ => spot.mismatch("a JSON list"),
        }
    }
    list
}

/// Ties a struct to the JSON names of its fields.
macro_rules! object {
    ($type:ident { $($json:literal => $field:ident),+ $(,)? }) => {
        impl $crate::annotation::decode::FromJson for $type {
            fn from_json(given: &[$crate::annotation::decode::Spot<'_>]) -> Self {
                $crate::annotation::decode::members(given, |members| Self { $($field: members.get($json)),+ })
            }
        }
    };
}
pub(super) use object;

const WHOLE_NUMBER: &str = "a whole number";

/// The last value that is not `null`.
fn last<T>(given: &[Spot<'_>], wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let mut last = None;
    for spot in given.iter().filter(|spot| !spot.is_null()) {
        match read(&spot.node.value) {
            Some(value) => last = Some(value),
            None => spot.mismatch(wanted),
        }
    }
    last
}

impl FromJson for String {
    fn from_json(given: &[Spot<'_>]) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        last(given, "a string", text).unwrap_or_default()
    }
}

impl FromJson for bool {
    fn from_json(given: &[Spot<'_>]) -> Self {
        let bool = |value: &Value| match value {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        };
        last(given, "true or false", bool).unwrap_or_default()
    }
}

impl FromJson for i32 {
    fn from_json(given: &[Spot<'_>]) -> Self {
        let number = |value: &Value| match value {
            // `1.0` and `1e2` are no integers to Go either.
            Value::Number(number) => number.parse().ok(),
            _ => None,
        };
        last(given, WHOLE_NUMBER, number).unwrap_or_default()
    }
}

impl FromJson for ServicePort {
    fn from_json(given: &[Spot<'_>]) -> Self {
        let port = |value: &Value| match value {
            Value::Number(number) => number.parse().ok().map(Self::Number),
            Value::String(name) => Some(Self::Name(name.clone())),
            _ => None,
        };
        last(given, "the number or the name of a port", port).unwrap_or(Self::Number(0))
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(given: &[Spot<'_>]) -> Self {
        option(given, T::from_json)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(given: &[Spot<'_>]) -> Self {
        list(given, T::from_json)
    }
}

impl<T: FromJson> FromJson for IndexMap<String, T> {
    fn from_json(given: &[Spot<'_>]) -> Self {
        let mut map = Self::new();
        for spot in given {
            match &spot.node.value {
                Value::Null => map.clear(),
                Value::Object(members) => map.extend(
                    members
                        .iter()
                        .map(|(key, node)| (key.clone(), T::from_json(&[spot.below(Step::Member(key), node)]))),
                ),
                _ => spot.mismatch("a JSON object"),
            }
        }
        map
    }
}

#[cfg(test)]
mod tests;
