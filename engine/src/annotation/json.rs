//! Reads JSON text as Go's `encoding/json` scans it: same complaints, duplicate members kept, in the order written.

use super::parse::{ParseError, push_go_escaped};

/// Go stops at 10,000 levels. Nothing that a load balancer takes is deeper than ten, and this bounds our recursion.
const MAX_DEPTH: usize = 200;
/// Values in one text. No load balancer takes a tenth of them, and each takes some hundred bytes until it is refused.
const MAX_VALUES: usize = 10_000;

/// A JSON value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Offset in bytes from the start of the text.
    pub offset: usize,
    /// Offset of what comes after it.
    pub end: usize,
    /// What stands there.
    pub value: Value,
}

/// A JSON value that hides nothing of the text: numbers stay text, members keep order and duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written
    Number(String),
    /// A string, its escapes resolved
    String(String),
    /// An array
    Array(Vec<Node>),
    /// An object's members
    Object(Vec<(String, Node)>),
}

impl Value {
    /// Go's word for the kind of value.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// Reads one JSON value and nothing after it.
///
/// # Errors
/// With Go's text and the byte where the syntax breaks; also for what nests deeper than 200 levels or has more than 10,000 values.
pub fn read(text: &str) -> Result<Node, ParseError> {
    let mut scanner = Scanner { text, at: 0, depth: 0, values: 0 };
    let node = scanner.value()?;
    scanner.skip_space();
    match scanner.peek() {
        None => Ok(node),
        Some(_) => Err(scanner.unexpected("after top-level value")),
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The complaint about the byte under the cursor, or about the text's end.
    fn unexpected(&self, context: &str) -> ParseError {
        match self.peek() {
            Some(byte) => self.complain(byte, context),
            None => ParseError::at_byte("unexpected end of JSON input", self.text.len()),
        }
    }

    /// Within a literal, a number or an escape Go feeds a space at the end of the text and complains of that.
    fn unexpected_within(&self, context: &str) -> ParseError {
        self.complain(self.peek().unwrap_or(b' '), context)
    }

    fn complain(&self, byte: u8, context: &str) -> ParseError {
        let mut shown = String::new();
        match byte {
            b'\'' => shown.push_str("\\'"),
            // Go takes the byte for a Latin-1 character, also when it is one of several of a UTF-8 sequence.
            _ => push_go_escaped(&mut shown, char::from(byte)),
        }
        ParseError::at_byte(format!("invalid character '{shown}' {context}"), self.at)
    }

    fn value(&mut self) -> Result<Node, ParseError> {
        self.skip_space();
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(ParseError::at_byte(format!("more than {MAX_VALUES} values"), self.at));
        }
        let offset = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true", Value::Bool(true))?,
            Some(b'f') => self.literal("false", Value::Bool(false))?,
            Some(b'n') => self.literal("null", Value::Null)?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Node { offset, end: self.at, value })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, ParseError>) -> Result<Value, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(ParseError::at_byte("exceeded max depth", self.at));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn object(&mut self) -> Result<Value, ParseError> {
        let mut members = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            members.push((name, self.value()?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, ParseError> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(self.unexpected_within(&context));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        // A leading zero ends the integer part; a digit after it is then complained of as trailing text.
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(Value::Number(self.since(start).to_owned()))
    }

    fn digits(&mut self, context: &str) -> Result<(), ParseError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected_within(context));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn since(&self, start: usize) -> &str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Reads a string, the cursor on its opening quotation mark.
    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut read = String::new();
        let mut start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    read.push_str(self.since(start));
                    self.at += 1;
                    return Ok(read);
                }
                Some(b'\\') => {
                    read.push_str(self.since(start));
                    self.at += 1;
                    read.push(self.escape()?);
                    start = self.at;
                }
                None | Some(0..=0x1f) => return Err(self.unexpected("in string literal")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let c = match self.peek() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected_within("in string escape code")),
        };
        self.at += 1;
        Ok(c)
    }

    /// Reads the digits of a `\u` escape, and of a second one when the first is half of a surrogate pair.
    fn unicode(&mut self) -> Result<char, ParseError> {
        let first = self.hex4()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let after = self.at;
        if first < 0xdc00 && self.peek() == Some(b'\\') {
            self.at += 1;
            if self.peek() == Some(b'u') {
                self.at += 1;
                let second = self.hex4()?;
                if (0xdc00..0xe000).contains(&second) {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
            }
            self.at = after;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, ParseError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected_within("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaint(text: &str) -> String {
        read(text).unwrap_err().message
    }

    #[test]
    fn values_are_counted() {
        let list = |items: usize| format!("[{}]", vec!["{}"; items].join(","));
        assert!(read(&list(MAX_VALUES - 1)).is_ok());
        assert_eq!(complaint(&list(MAX_VALUES)), "more than 10000 values");
    }

    #[test]
    fn complaints_are_gos() {
        let table = [
            ("", "unexpected end of JSON input"),
            ("[", "unexpected end of JSON input"),
            ("\"a", "unexpected end of JSON input"),
            ("{\"a\":1", "unexpected end of JSON input"),
            ("'[]'", "invalid character '\\'' looking for beginning of value"),
            ("[]'", "invalid character '\\'' after top-level value"),
            ("{field: 1}", "invalid character 'f' looking for beginning of object key string"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("[{\"HTTP\": 80}, \"{\"HTTPS\": 443}]", "invalid character 'H' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("01", "invalid character '1' after top-level value"),
            ("-", "invalid character ' ' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1e", "invalid character ' ' in exponent of numeric literal"),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("\u{201c}a\u{201d}", "invalid character 'â' looking for beginning of value"),
        ];
        for (text, expected) in table {
            assert_eq!(complaint(text), expected, "{text}");
        }
    }

    #[test]
    fn strings_are_unescaped() {
        let string = |text: &str| match read(text).unwrap().value {
            Value::String(string) => string,
            other => panic!("{other:?}"),
        };
        assert_eq!(string(r#""a\/\"\\\n\u00e9 é""#), "a/\"\\\né é");
        assert_eq!(string(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(string(r#""\ud83dx\ude00""#), "\u{fffd}x\u{fffd}");
        assert_eq!(string(r#""\ud83d\u0041""#), "\u{fffd}A");
    }

    #[test]
    fn members_keep_order_and_duplicates() {
        let node = read(" {\"b\":1,\"a\":2,\"b\":3} ").unwrap();
        assert_eq!(node.offset, 1);
        let Value::Object(members) = node.value else { panic!() };
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a", "b"]);
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_ok());
        assert_eq!(complaint(&"[".repeat(201)), "exceeded max depth");
        assert_eq!(complaint(&"{\"a\":".repeat(1_000_000)), "exceeded max depth");
    }

    proptest! {
        #[test]
        fn agrees_with_serde_on_what_is_json(text in r#"[\[\]{}",:0-9eE.+\-truefalsn\\ \n]{0,16}"#) {
            let ours = read(&text).is_ok();
            let lone_surrogate = text.contains("\\u");
            prop_assume!(!lone_surrogate);
            prop_assert_eq!(ours, serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = read(&text);
        }
    }
}
