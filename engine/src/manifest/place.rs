//! From a field of an object to the place in the text that is underlined.

use std::ops::Range;

use super::node::{Name, Node, Shape, entry};

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line it begins in, from 1.
    pub line: usize,
    /// Its first character in that line, from 1.
    pub column: usize,
    /// The line of its last character.
    pub end_line: usize,
    /// The character after it in that line.
    pub end_column: usize,
    /// Its bytes in the text.
    pub bytes: Range<usize>,
}

/// The starts of the lines of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect())
    }

    /// The place of these bytes in `text`, moved to the boundaries of characters.
    pub(super) fn place(&self, text: &str, bytes: Range<usize>) -> Place {
        let start = text.floor_char_boundary(bytes.start);
        let end = text.ceil_char_boundary(bytes.end).max(start);
        let (line, column) = self.position(text, start);
        let (end_line, end_column) = self.position(text, end);
        Place { line, column, end_line, end_column, bytes: start..end }
    }

    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= offset);
        let begin = line.checked_sub(1).and_then(|index| self.0.get(index)).copied().unwrap_or_default();
        (line, text.get(begin..offset).unwrap_or_default().chars().count() + 1)
    }
}

/// The part of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Its key.
    Key,
    /// Its whole value.
    Value,
    /// Some bytes of its value.
    Bytes(usize, usize),
    /// The first occurrence of this text in its value.
    Words(&'a str),
}

/// The place of a field: `text` is the parsed text, `path` is in the form of findings. For a field that does not exist,
/// the nearest existing one.
pub(super) fn locate(text: &str, root: &Node, path: &str, part: Part<'_>) -> Option<Range<usize>> {
    let mut node = root;
    let mut name: Option<&Name> = None;
    let mut whole = true;
    for step in steps(path) {
        let next = match (&step, &node.value) {
            (Step::Index(index), Shape::List(items)) => items.get(*index).map(|item| (None, item)),
            (Step::Key(key), _) => entry(node, key).map(|(name, value)| (Some(name), value)),
            _ => None,
        };
        let Some((key, value)) = next else {
            whole = false;
            break;
        };
        // An item of a list has no key: the item itself is shown, not the key of the list.
        name = key;
        node = value;
    }
    let of_key = name.map(Name::bytes);
    match (part, &node.value) {
        (Part::Key, _) => of_key.or_else(|| first_line(text, node)),
        _ if !whole => of_key.or_else(|| first_line(text, node)),
        (_, Shape::Text(value)) => in_text(text, node, value, part).or(of_key),
        (_, Shape::List(_) | Shape::Map(_)) => of_key.or_else(|| first_line(text, node)),
        _ => first_line(text, node).or(of_key),
    }
}

fn first_line(text: &str, node: &Node) -> Option<Range<usize>> {
    let range = node.bytes();
    let line = text.get(range.start..)?.lines().next().unwrap_or_default();
    let end = match &node.value {
        // The parser gives a mapping in block style no length.
        Shape::Map(entries) if range.is_empty() && !entries.is_empty() => range.start + line.trim_end().len(),
        _ => range.end.min(range.start + line.len()),
    };
    Some(range.start..end.max(range.start))
}

/// A stretch of a scalar's value, in its source.
fn in_text(text: &str, node: &Node, value: &str, part: Part<'_>) -> Option<Range<usize>> {
    let scalar = node.bytes();
    let raw = text.get(scalar.clone())?;
    let (from, length) = match part {
        Part::Bytes(from, length) => (from, length),
        Part::Words(words) if !words.is_empty() && words.len() < value.len() => {
            value.find(words).map_or((0, value.len()), |at| (at, words.len()))
        }
        _ => return first_line(text, node),
    };
    if from == 0 && length >= value.len() {
        return first_line(text, node);
    }
    let from = value.floor_char_boundary(from);
    let to = value.ceil_char_boundary(from.saturating_add(length));
    let solid = |text: &str| text.chars().filter(|one| !one.is_whitespace()).count();
    let before = solid(value.get(..from)?);
    let inside = solid(value.get(from..to)?);
    let units = Units::new(raw, value);
    let mut solids = units.filter(|unit| !unit.white).map(|unit| unit.bytes);
    let range = if inside == 0 {
        // Something is missing: the point behind what stands before it.
        let end = before.checked_sub(1).and_then(|last| solids.nth(last)).map_or(0, |unit| unit.end);
        end..end
    } else {
        let first = solids.nth(before)?;
        let end = inside.checked_sub(2).and_then(|more| solids.nth(more)).map_or(first.end, |unit| unit.end);
        first.start..end
    };
    Some(scalar.start + range.start..scalar.start + range.end)
}

/// One character of a scalar's value as it is written.
struct Unit {
    bytes: Range<usize>,
    white: bool,
}

/// The characters of a scalar in its source. White space is what folding and indentation change, so that only
/// the other characters are counted: they are the same, in the same order, in every style.
struct Units<'a> {
    raw: &'a str,
    at: usize,
    end: usize,
    quote: Option<u8>,
}

impl<'a> Units<'a> {
    fn new(raw: &'a str, value: &str) -> Self {
        let quote = raw.bytes().next().filter(|first| match first {
            b'"' => !value.starts_with('"') || raw.starts_with("\"\\"),
            b'\'' => !value.starts_with('\'') || raw.starts_with("'''"),
            _ => false,
        });
        let trimmed = raw.trim_end();
        match quote {
            Some(_) => Self { raw, at: 1, end: trimmed.len().saturating_sub(1).max(1), quote },
            None => Self { raw, at: 0, end: raw.len(), quote },
        }
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let rest = self.raw.get(self.at..self.end)?;
        let first = rest.chars().next()?;
        let (length, white) = match (self.quote, first) {
            (Some(b'"'), '\\') => escape(rest),
            (Some(b'\''), '\'') => (2, false),
            _ => (first.len_utf8(), first.is_whitespace()),
        };
        let start = self.at;
        self.at = self.at.saturating_add(length).min(self.end.max(start + 1));
        Some(Unit { bytes: start..self.at, white })
    }
}

/// The length of an escape of a double-quoted scalar, and whether it stands for white space:
/// <https://yaml.org/spec/1.2.2/#57-escaped-characters>.
fn escape(rest: &str) -> (usize, bool) {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b't' | b'n' | b'v' | b'f' | b'r' | b' ' | b'N' | b'_' | b'L' | b'P' | b'\t' | b'\n' | b'\r') => {
            return (2, true);
        }
        _ => return (2, false),
    };
    let code = rest.get(2..2 + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    (2 + digits, code.and_then(char::from_u32).is_some_and(char::is_whitespace))
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `spec.rules[0].host` and `metadata.annotations[alb.ingress.kubernetes.io/scheme]`, step by step.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (name, behind) = inside.split_once(']').unwrap_or((inside, ""));
            steps.push(name.parse().map_or(Step::Key(name), Step::Index));
            rest = behind;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if !name.is_empty() {
                steps.push(Step::Key(name));
            }
            rest = behind.strip_prefix('.').unwrap_or(behind);
        }
    }
    steps
}
