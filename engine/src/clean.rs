//! Text as it may be printed. What a manifest, a cluster or AWS says is shown on terminals, in logs of CI and in events; it must not move
//! a cursor, change a colour, turn text around, or speak to the program that runs the job.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Beginnings, behind `##`, of commands that runners of CI look for anywhere in a line: GitHub's older form, Azure Pipelines, `TeamCity`.
const COMMANDS: [&str; 3] = ["[", "vso[", "teamcity["];

/// The text with everything escaped that readers would obey: control characters but line ends and tabs, marks that turn text around, and
/// what begins a command of a runner. An escape is `\u` and four hexadecimal digits, so that JSON stays the same JSON.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_clean(text) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    let mut begins = true;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        if is_obeyed(c) || begins && rest.starts_with("::") || is_command(rest) {
            // Writing to a String cannot fail; all of these have four digits.
            let _ = write!(clean, "\\u{:04x}", u32::from(c));
        } else {
            clean.push(c);
        }
        // Runners pass over white space before a command.
        begins = c == '\n' || begins && c.is_whitespace();
    }
    Cow::Owned(clean)
}

/// The same on one line: for what stands inside of a line of its own.
#[must_use]
pub fn clean_line(text: &str) -> Cow<'_, str> {
    match clean(text) {
        clean if clean.contains('\n') => Cow::Owned(clean.replace('\n', "\\u000a")),
        clean => clean,
    }
}

fn is_clean(text: &str) -> bool {
    !text.contains("::") && !text.contains("##") && !text.chars().any(is_obeyed)
}

fn is_command(rest: &str) -> bool {
    rest.strip_prefix("##").is_some_and(|rest| COMMANDS.iter().any(|start| rest.starts_with(start)))
}

fn is_obeyed(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Direction of text, lines and paragraphs, the mark of byte order.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_escaped() {
        for (text, expected) in [
            ("plain\n\ttext :: é 🦀 ## [x]", "plain\n\ttext :: é 🦀 ## [x]"),
            ("\u{1b}[31mred\u{9b}0m\u{7f}\u{0}", "\\u001b[31mred\\u009b0m\\u007f\\u0000"),
            ("a\rb\r\n", "a\\u000db\\u000d\n"),
            ("::error::x", "\\u003a:error::x"),
            ("a\n  \t::set-env::x", "a\n  \t\\u003a:set-env::x"),
            ("a ::error::x", "a ::error::x"),
            ("a ##[error]x ##vso[task]", "a \\u0023#[error]x \\u0023#vso[task]"),
            ("###[x]", "#\\u0023#[x]"),
            ("\u{202e}txt.exe", "\\u202etxt.exe"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
        assert_eq!(clean_line("a\n::x"), "a\\u000a\\u003a:x");
    }

    /// Texts in which what is escaped is frequent.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec!["\u{1b}", "\u{9b}", "::", "##[", "##", "\n", "\r\n", " ", "\\", "\u{202e}"])
                .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_is_obeyed(text in texts()) {
            let clean = clean(&text).into_owned();
            prop_assert!(clean.chars().all(|c| !is_obeyed(c)));
            prop_assert!(clean.lines().all(|line| !line.trim_start().starts_with("::")));
            let commands = COMMANDS.map(|start| ["##", start].concat());
            prop_assert!(commands.iter().all(|command| !clean.contains(command.as_str())));
            prop_assert_eq!(super::clean(&clean), clean.as_str(), "once is enough");
            prop_assert!(!clean_line(&text).contains('\n'));
        }

        #[test]
        fn json_stays_the_same(text in texts(), key in texts()) {
            let value = serde_json::json!({key: [text]});
            let written = serde_json::to_string_pretty(&value).expect("JSON");
            let read: Value = serde_json::from_str(&clean(&written)).expect("JSON");
            prop_assert_eq!(read, value);
        }
    }
}
