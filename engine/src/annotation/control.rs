//! Control characters in values: no resource of AWS or Kubernetes takes them, and terminals obey them.

use super::decode::push_token;
use super::json::{self, Node, Value};
use super::parse::{self, ParseError, Pointer, go_quote};
use super::read::Shape;
use super::row::Grammar;

/// Every control character of a value that is not white space between its parts.
#[must_use]
pub fn faults(grammar: Grammar, raw: &str) -> Vec<ParseError> {
    if let Some((at, odd)) = raw.char_indices().find(|(_, c)| c.is_control() && !is_break(*c)) {
        return vec![fault(odd, Pointer::Byte(at))];
    }
    match grammar {
        Grammar::Json(shape) => in_json(shape, raw),
        // A list's items and a map's pairs are trimmed; what is left stands inside of one.
        Grammar::IdsOrNames(_) | Grammar::Ids(_) => {
            let odd = |text: &str| text.chars().find(|c| c.is_control());
            parse::items(raw).filter_map(|item| Some(fault(odd(item.text)?, item.place()))).collect()
        }
        _ => Vec::new(),
    }
}

/// What is wrong with a text that is taken as it is: a control character anywhere in it.
#[must_use]
pub fn text_fault(text: &str) -> Option<ParseError> {
    let odd = text.chars().find(|c| c.is_control())?;
    Some(ParseError { at: None, ..fault(odd, Pointer::Byte(0)) })
}

/// The same with an eye for what nothing can be built of: a value that has other control characters than white space.
#[must_use]
pub fn is_unusable(raw: &str) -> bool {
    let escaped = || raw.contains("\\u") && json::read(raw).is_ok_and(|root| holds(&root));
    raw.chars().any(|c| c.is_control() && !is_break(c)) || escaped()
}

/// Whether a string somewhere in JSON has control characters other than white space, by escapes.
fn holds(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => text.chars().any(|c| c.is_control() && !is_break(c)),
        Value::Array(items) => items.iter().any(holds),
        Value::Object(members) => members.iter().any(|(_, value)| holds(value)),
        _ => false,
    }
}

const fn is_break(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r')
}

fn fault(odd: char, at: Pointer) -> ParseError {
    let shown = go_quote(&odd.to_string());
    let help = match odd {
        '\n' | '\r' => "write the value on one line",
        '\t' => "write a space instead",
        _ => "remove it: it comes of copying or of an escape such as `\\u0000`",
    };
    let error = ParseError::at_place(format!("the value has the control character {shown} in it"), at).help(help);
    if is_break(odd) { error.left_to_aws() } else { error }
}

/// Strings of JSON, escapes resolved. Only the body of an answer may have several lines.
fn in_json(shape: &Shape, raw: &str) -> Vec<ParseError> {
    // Unescaped they are no JSON, which is told elsewhere.
    let Some(root) = Some(raw).filter(|raw| raw.contains('\\')).and_then(|raw| json::read(raw).ok()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    walk(shape, &root, "", false, &mut found);
    found
}

fn walk(shape: &Shape, node: &Node, pointer: &str, is_body: bool, found: &mut Vec<ParseError>) {
    match &node.value {
        Value::String(text) => {
            let odd = text.chars().find(|c| c.is_control() && !(is_body && is_break(*c)));
            found.extend(odd.map(|odd| fault(odd, Pointer::Json(pointer.to_owned()))));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(shape, item, &format!("{pointer}/{index}"), false, found);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let mut below = pointer.to_owned();
                push_token(&mut below, name);
                let is_body = shape.multiline.is_some_and(|member| name.eq_ignore_ascii_case(member));
                walk(shape, value, &below, is_body, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::action;

    #[test]
    fn where_they_are_found() {
        let json = Grammar::Json(&action::SHAPE);
        for (grammar, raw, count) in [
            (Grammar::Text, "openid", 0),
            (Grammar::Text, "open\u{1b}[31mid", 1),
            (Grammar::Text, "a\u{9b}b", 1),
            (Grammar::Text, "a\u{7f}", 1),
            (Grammar::Ids("pl-"), "pl-0a,\n pl-0b\n", 0),
            (Grammar::IdsOrNames("subnet-"), "public\na, public-b", 1),
            (json, "{\n\t\"type\": \"redirect\"\n}", 0),
            (json, r#"{"fixedResponseConfig": {"messageBody": "<p>\n</p>\r\n"}}"#, 0),
            (json, r#"{"FixedResponseConfig": {"MessageBody": "\u0000"}}"#, 1),
            (json, r#"{"redirectConfig": {"host": "a.b\n", "path": "/\u001b"}}"#, 2),
        ] {
            assert_eq!(faults(grammar, raw).len(), count, "{raw:?}");
        }
    }

    #[test]
    fn what_nothing_can_be_built_of() {
        for (raw, expected) in [
            ("a\nb", false),
            (r#"{"a": "\n"}"#, false),
            (r#"{"a": "\u0041"}"#, false),
            ("a\u{0}b", true),
            (r#"[{"values": ["a", "\u0007"]}]"#, true),
        ] {
            assert_eq!(is_unusable(raw), expected, "{raw:?}");
        }
    }
}
