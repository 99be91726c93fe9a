//! The scalar grammars of annotation values, as Go's `strconv` and the controller's own scanners read them.

use std::num::IntErrorKind;

use indexmap::IndexMap;
use serde::Serialize;

use crate::finding::Code;

/// Most faults that are looked for in one value: nobody reads more, and each takes time and memory.
pub const FAULTS: usize = 1_000;

/// A place inside an annotation's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Pointer {
    /// One character, by its offset in bytes from the start of the value, or the value's end.
    Byte(usize),
    /// A stretch, by offsets in bytes: its start and what comes after it.
    Bytes(usize, usize),
    /// JSON pointer (RFC 6901) from the root of the value; empty for the root itself.
    Json(String),
}

/// Why a value can't be read, or what is wrong with what was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// The cause alone, in lower case, without the annotation's key.
    pub message: String,
    /// Where in the value, when that is narrower than all of it.
    pub at: Option<Pointer>,
    /// It is not known to this version, which AWS may have left behind: no reason to refuse anything.
    pub unfamiliar: bool,
    /// What to write instead, where that is known better than the fault's code knows it.
    pub help: Option<String>,
    /// The value can be read all the same; AWS refuses the call that carries it.
    #[serde(skip)]
    pub left_to_aws: bool,
    /// Instead of its row's code.
    #[serde(skip)]
    pub code: Option<Code>,
    /// What would be accepted, where that can be listed.
    #[serde(skip)]
    pub allowed: &'static [&'static str],
}

impl ParseError {
    /// An error about the whole value.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at: None,
            unfamiliar: false,
            help: None,
            left_to_aws: false,
            code: None,
            allowed: &[],
        }
    }

    /// An error at a byte offset of the value.
    #[must_use]
    pub fn at_byte(message: impl Into<String>, offset: usize) -> Self {
        Self { at: Some(Pointer::Byte(offset)), ..Self::new(message) }
    }

    /// An error at a JSON pointer into the value.
    #[must_use]
    pub fn at_json(message: impl Into<String>, pointer: impl Into<String>) -> Self {
        Self { at: Some(Pointer::Json(pointer.into())), ..Self::new(message) }
    }

    /// An error about a stretch of the value.
    #[must_use]
    pub fn at_place(message: impl Into<String>, place: Pointer) -> Self {
        Self { at: Some(place), ..Self::new(message) }
    }

    /// The same as a doubt: what is meant may be newer than this version.
    #[must_use]
    pub fn doubt(mut self) -> Self {
        self.unfamiliar = true;
        self
    }

    /// The same as something that only AWS refuses.
    #[must_use]
    pub fn left_to_aws(mut self) -> Self {
        self.left_to_aws = true;
        self
    }

    /// Whether nothing can be built of the value.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !self.left_to_aws && !self.unfamiliar
    }

    /// The same with another code than its row's.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error at one item of a list, which was read by itself.
    #[must_use]
    pub fn within(mut self, item: &Item<'_>) -> Self {
        self.at = Some(item.place());
        self
    }
}

/// What `strconv.ParseBool` reads as true: <https://pkg.go.dev/strconv#ParseBool>.
pub const GO_TRUE: [&str; 6] = ["1", "t", "T", "TRUE", "true", "True"];
/// What it reads as false.
pub const GO_FALSE: [&str; 6] = ["0", "f", "F", "FALSE", "false", "False"];

/// Reads what `strconv.ParseBool` reads: [`GO_TRUE`] and [`GO_FALSE`].
///
/// # Errors
/// For every other text, surrounding spaces included.
pub fn go_bool(raw: &str) -> Result<bool, ParseError> {
    match (GO_TRUE.contains(&raw), GO_FALSE.contains(&raw)) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(strconv_error("ParseBool", raw, "invalid syntax")),
    }
}

/// Reads what `strconv.ParseInt(raw, 10, 32)` reads: an optional sign and digits, nothing around them.
///
/// # Errors
/// When it isn't such a number or doesn't fit.
pub fn go_int32(raw: &str) -> Result<i32, ParseError> {
    raw.parse::<i32>().map_err(|error| int_error(raw, *error.kind()))
}

/// Reads what `strconv.ParseInt(raw, 10, 64)` reads.
///
/// # Errors
/// When it isn't such a number or doesn't fit.
pub fn go_int64(raw: &str) -> Result<i64, ParseError> {
    raw.parse::<i64>().map_err(|error| int_error(raw, *error.kind()))
}

fn int_error(raw: &str, kind: IntErrorKind) -> ParseError {
    let cause = match kind {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    strconv_error("ParseInt", raw, cause)
}

fn strconv_error(function: &str, raw: &str, cause: &str) -> ParseError {
    ParseError::new(format!("strconv.{function}: parsing {}: {cause}", go_quote(raw)))
}

/// One item of a list, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Offset in bytes from the start of the value.
    pub offset: usize,
    /// The item, white space around it removed.
    pub text: &'a str,
}

impl Item<'_> {
    /// Its place in the value.
    #[must_use]
    pub const fn place(&self) -> Pointer {
        Pointer::Bytes(self.offset, self.offset + self.text.len())
    }
}

/// Splits at commas, trims each item and drops the empty ones, so that trailing commas do no harm. Never fails.
pub fn items(raw: &str) -> impl Iterator<Item = Item<'_>> {
    let mut start = 0;
    let parts = raw.split(',').map(move |part| {
        let offset = start + (part.len() - part.trim_start().len());
        start += part.len() + 1;
        Item { offset, text: part.trim() }
    });
    parts.filter(|item| !item.text.is_empty())
}

/// The texts of [`items`].
#[must_use]
pub fn string_list(raw: &str) -> Vec<String> {
    items(raw).map(|item| item.text.to_owned()).collect()
}

/// Reads `key=value` pairs separated by commas. A backslash takes the next character as it is; a comma after which
/// no `=` follows belongs to the last value; of equal keys the last wins.
///
/// # Errors
/// When an item has no `=` or nothing before it.
pub fn string_map(raw: &str) -> Result<IndexMap<String, String>, ParseError> {
    Ok(pairs(raw)?.into_iter().map(|pair| (pair.key, pair.value)).collect())
}

/// One item of a string map, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What stands before the first `=`, white space around it removed.
    pub key: String,
    /// What stands after it, likewise.
    pub value: String,
    /// The whole item in the value.
    pub place: Pointer,
}

/// The pairs of a string map in the order written, duplicates too.
///
/// # Errors
/// As [`string_map`].
pub fn pairs(raw: &str) -> Result<Vec<Pair>, ParseError> {
    let split = split_pairs(raw);
    let mut pairs = Vec::with_capacity(split.len());
    for (index, (offset, item)) in split.iter().enumerate() {
        let next = split.get(index + 1).map_or(raw.len(), |(next, _)| next.saturating_sub(1));
        let written = raw.get(*offset..next).unwrap_or_default();
        let start = offset + (written.len() - written.trim_start().len());
        let place = Pointer::Bytes(start, start + written.trim().len());
        let Some((key, value)) = item.split_once('=') else {
            let message = format!("item {} has no `=`, key=value belongs here", go_quote(item.trim()));
            return Err(ParseError::at_place(message, place).help(missing_equals(pairs.last(), item.trim())));
        };
        let key = key.trim();
        if key.is_empty() {
            let message = format!("item {} has no key before its `=`", go_quote(item.trim()));
            return Err(ParseError::at_place(message, place));
        }
        pairs.push(Pair { key: key.to_owned(), value: value.trim().to_owned(), place });
    }
    Ok(pairs)
}

/// What to write for an item without `=`: behind a pair it is most often the rest of that pair's value.
fn missing_equals(before: Option<&Pair>, item: &str) -> String {
    match before {
        Some(Pair { key, value, .. }) => format!(
            "if it belongs to the value of {key}, write the comma before it as `\\,`: {key}={}\\,{}",
            shown(value),
            shown(item)
        ),
        None => "write key=value pairs, separated by commas".to_owned(),
    }
}

/// The items of a string map with the offset where each starts, backslashes resolved.
fn split_pairs(raw: &str) -> Vec<(usize, String)> {
    // Nearly always one item more than commas.
    let mut items = Vec::with_capacity(raw.bytes().filter(|byte| *byte == b',').count() + 1);
    let mut current = String::new();
    let mut start = 0;
    // Looked up once: scanning the remainder at every comma would make a hostile value cost its length squared.
    let last_equals = raw.rfind('=');
    let trimmed_end = raw.trim_end().len();
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            // A backslash at the very end has nothing to escape and vanishes.
            '\\' => current.extend(chars.next().map(|(_, escaped)| escaped)),
            ',' => {
                if last_equals > Some(at) {
                    items.push((start, std::mem::take(&mut current)));
                    start = at + 1;
                } else if trimmed_end <= at + 1 {
                    current.push(',');
                } else {
                    // What follows can't be a pair. It becomes an item of its own, so that the error names it.
                    items.push((start, std::mem::take(&mut current)));
                    items.push((at + 1, chars.as_str().trim().to_owned()));
                    return items;
                }
            }
            _ => current.push(c),
        }
    }
    if !current.is_empty() {
        items.push((start, current));
    }
    items
}

/// A value for a message: all of it, or its beginning when it is long.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Quotes as `strconv.Quote` does, so that hidden characters in a value can be seen.
#[must_use]
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if c == '"' {
            quoted.push_str("\\\"");
        } else {
            push_go_escaped(&mut quoted, c);
        }
    }
    quoted.push('"');
    quoted
}

/// Appends one character in Go's escaping, quotation marks left alone.
pub(super) fn push_go_escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    let escaped = match c {
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        // std's notion of what prints is Go's: no control, format, private or unassigned character, no odd space.
        _ if matches!(c, '"' | '\'') || c.escape_debug().len() == 1 => return out.push(c),
        _ if code < 0x80 => &format!("\\x{code:02x}"),
        _ if code <= 0xffff => &format!("\\u{code:04x}"),
        _ => &format!("\\U{code:08x}"),
    };
    out.push_str(escaped);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(raw: &str) -> Vec<(String, String)> {
        string_map(raw).unwrap().into_iter().collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn bools_are_gos() {
        for yes in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(go_bool(yes), Ok(true), "{yes}");
        }
        for no in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(go_bool(no), Ok(false), "{no}");
        }
        for bad in ["", "yes", "on", " true", "true\n", "tRUE", "2"] {
            assert!(go_bool(bad).is_err(), "{bad}");
        }
        assert_eq!(go_bool("foo").unwrap_err().message, "strconv.ParseBool: parsing \"foo\": invalid syntax");
    }

    #[test]
    fn integers_are_gos() {
        assert_eq!(go_int32("+7"), Ok(7));
        assert_eq!(go_int32("-007"), Ok(-7));
        assert_eq!(go_int32("2147483647"), Ok(i32::MAX));
        assert_eq!(go_int64("9223372036854775807"), Ok(i64::MAX));
        for bad in ["", "+", "-", " 1", "1 ", "1_000", "0x10", "1.0", "true"] {
            assert!(go_int32(bad).unwrap_err().message.ends_with("invalid syntax"), "{bad}");
        }
        assert_eq!(
            go_int32("2147483648").unwrap_err().message,
            "strconv.ParseInt: parsing \"2147483648\": value out of range"
        );
        assert!(go_int64("-9223372036854775809").unwrap_err().message.ends_with("value out of range"));
        assert_eq!(go_int32("true").unwrap_err().message, "strconv.ParseInt: parsing \"true\": invalid syntax");
    }

    #[test]
    fn lists_drop_what_is_empty() {
        assert_eq!(string_list(" a, b ,,c,\n"), ["a", "b", "c"]);
        assert!(string_list("").is_empty());
        assert!(string_list(" , ").is_empty());
    }

    #[test]
    fn maps_of_the_golden_vectors() {
        assert_eq!(
            map("key1=value1, key2=value2, key3/with-slash=value3, key4/empty-value="),
            pairs(&[("key1", "value1"), ("key2", "value2"), ("key3/with-slash", "value3"), ("key4/empty-value", "")])
        );
        assert_eq!(
            map("key1=value1\\,valueOne, key2= value2"),
            pairs(&[("key1", "value1,valueOne"), ("key2", "value2")])
        );
        assert_eq!(
            map("key1=Mjk5NzkyNDU4Cg==, foo=ZGF=0=ZQo=, res=value_:/=+-@"),
            pairs(&[("key1", "Mjk5NzkyNDU4Cg=="), ("foo", "ZGF=0=ZQo="), ("res", "value_:/=+-@")])
        );
        let error = string_map("key1,key2").unwrap_err();
        assert_eq!(error.at, Some(Pointer::Bytes(0, 4)));
        assert!(string_map("=value").is_err());
    }

    #[test]
    fn maps_at_the_edges() {
        assert!(map("").is_empty());
        assert_eq!(map("a=b,"), pairs(&[("a", "b,")]));
        assert_eq!(map("a=b, "), pairs(&[("a", "b,")]));
        assert_eq!(map("a=1,a=2"), pairs(&[("a", "2")]));
        assert_eq!(map("a=b\\"), pairs(&[("a", "b")]));
        assert_eq!(map("a\\=b"), pairs(&[("a", "b")]));
        assert_eq!(string_map("a=b,c").unwrap_err().at, Some(Pointer::Bytes(4, 5)));
        assert_eq!(string_map("a=b, =c").unwrap_err().at, Some(Pointer::Bytes(5, 7)));
        for bad in ["  ", ",", "a", "a=b,c,d", "a=1 b"] {
            assert_eq!(string_map(bad).is_err(), bad != "a=1 b", "{bad}");
        }
    }

    #[test]
    fn quoting_is_gos() {
        assert_eq!(go_quote("a\n\"b\"\\ é\u{a0}\u{1}"), "\"a\\n\\\"b\\\"\\\\ é\\u00a0\\x01\"");
        assert_eq!(go_quote("'"), "\"'\"");
    }

    proptest! {
        #[test]
        fn nothing_panics(raw in any::<String>()) {
            let _ = (go_bool(&raw), go_int32(&raw), go_int64(&raw), string_list(&raw), string_map(&raw));
            let _ = go_quote(&raw);
        }
    }
}
