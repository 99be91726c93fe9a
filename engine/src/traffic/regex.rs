//! Regular expressions of conditions, as far as every reading of them says the same.
//!
//! AWS names what its dialect lacks (look-around, backreferences, atomic groups, possessive quantifiers, subroutines,
//! recursion, Unicode classes: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>),
//! but neither the engine, nor whether an expression has to fit the whole text, nor where case counts. So an expression is
//! evaluated in all four readings, and only if it is written in what all common engines share; where the readings differ,
//! or it uses anything else, the answer is that it isn't known.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

/// Largest compiled expression, in bytes.
const LARGEST: usize = 1 << 18;

/// An expression, compiled when it is first needed.
#[derive(Debug)]
pub(super) struct Expression<'l> {
    pub(super) text: &'l str,
    readings: OnceLock<Option<[Regex; 4]>>,
}

impl<'l> Expression<'l> {
    pub(super) fn new(text: &'l str) -> Self {
        Self { text, readings: OnceLock::new() }
    }

    /// Whether a text fits; `None`: not known.
    pub(super) fn matches(&self, text: &str) -> Option<bool> {
        let readings = self.readings.get_or_init(|| readings(self.text)).as_ref()?;
        // "Rules apply only to visible ASCII characters."
        if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return None;
        }
        let [first, others @ ..] = readings;
        let fits = first.is_match(text.as_bytes());
        others.iter().all(|other| other.is_match(text.as_bytes()) == fits).then_some(fits)
    }
}

fn readings(text: &str) -> Option<[Regex; 4]> {
    if !is_common(text) {
        return None;
    }
    let build = |pattern: &str, fold_case: bool| {
        // Bytes and no Unicode: `.`, `\w` and `\b` mean ASCII, as elsewhere.
        let mut builder = RegexBuilder::new(pattern);
        builder.unicode(false).case_insensitive(fold_case).size_limit(LARGEST).nest_limit(50).build().ok()
    };
    let whole = format!("^(?:{text})$");
    Some([build(text, false)?, build(text, true)?, build(&whole, false)?, build(&whole, true)?])
}

/// Whether an expression keeps to what all common engines read alike: literals, `.`, `^`, `$`, `|`, groups, classes without
/// nested ones, repetitions, and the escapes of classes, boundaries and punctuation.
fn is_common(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    let mut in_class = false;
    let mut repeated = false;
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        let repeats = !in_class && matches!(char, '*' | '+' | '?' | '{');
        let common = match char {
            '\\' => {
                chars.next();
                next.is_some_and(|next| {
                    matches!(next, 'd' | 'D' | 'w' | 'W' | 's' | 'S')
                        || !in_class && matches!(next, 'b' | 'B')
                        || next.is_ascii_punctuation() && !matches!(next, '<' | '>')
                }) && !(matches!(next, Some('b')) && chars.peek() == Some(&'{'))
            }
            // Inside, some engines read a bracket, `&&`, `--` and `~~` as operations on classes.
            '[' if in_class => false,
            '&' | '-' | '~' if in_class => next != Some(char),
            ']' if in_class => {
                in_class = false;
                true
            }
            '[' => {
                in_class = true;
                chars.next_if_eq(&'^');
                // `[]` and `[^]` are read in two ways.
                chars.peek() != Some(&']')
            }
            '(' if next == Some('?') => {
                chars.next();
                chars.next() == Some(':')
            }
            // A second one makes the first lazy (`?`) or possessive (`+`); laziness doesn't change what fits.
            '+' | '*' | '{' if repeated => false,
            '{' if !in_class => next.is_some_and(|next| next.is_ascii_digit()),
            char => char.is_ascii_graphic() || char == ' ',
        };
        if !common {
            return false;
        }
        repeated = repeats || !in_class && char == '}';
    }
    !in_class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_all_readings_say_is_said() {
        let rows = [
            ("^/api/v[0-9]+/.*$", "/api/v1/users", Some(true)),
            ("^/api/v[0-9]+/.*$", "/api/vx/users", Some(false)),
            // Whether it has to fit the whole text is not known.
            ("/api", "/api/x", None),
            ("/api", "/api", Some(true)),
            ("/api", "/shop", Some(false)),
            // Nor whether case counts.
            ("^/api$", "/API", None),
            ("^/api$", "/apj", Some(false)),
            (r"^/a\.b$", "/axb", Some(false)),
            (r"^/(?:a|b)/\d{2,3}$", "/b/123", Some(true)),
            (r"^/[^/]+$", "/a/b", Some(false)),
            ("^/a.*?b$", "/axxb", Some(true)),
            ("^/[a-z_-]+$", "/a-b_c", Some(true)),
            // Beyond what all engines share.
            (r"^/a(?=b)", "/ab", None),
            (r"^(/a)\1$", "/a/a", None),
            (r"^/a++$", "/a", None),
            (r"^/\p{L}$", "/a", None),
            (r"^/[[:alpha:]]$", "/a", None),
            (r"^/[a&&b]$", "/a", None),
            (r"^/\Qa\E$", "/a", None),
            (r"^/a{,2}$", "/a", None),
            ("(?i)^/a$", "/a", None),
            ("^/(a", "/(a", None),
            ("^/[]a]$", "/a", None),
            ("^/[a", "/[a", None),
            // Too large when compiled.
            ("(((a{100}){100}){100}){100}", "a", None),
            ("^/.$", "/ä", None),
            ("^a b$", "a b", Some(true)),
        ];
        for (expression, text, expected) in rows {
            assert_eq!(Expression::new(expression).matches(text), expected, "{expression} {text}");
        }
    }
}
