//! Where in a value an error is: from a pointer to the stretch of text that is to be underlined.

use super::decode::{folds_equal, push_token};
use super::json::{self, Node, Value};
use super::parse::Pointer;
use crate::finding::Place;

/// The place that a pointer means in the value that it was made for. A member that is missing is shown as the object
/// that lacks it.
#[must_use]
pub fn place(raw: &str, at: &Pointer) -> Place {
    match at {
        Pointer::Byte(offset) => {
            let start = floor(raw, *offset);
            let length = raw.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            stretch(raw, start, start + length, String::new())
        }
        Pointer::Bytes(start, end) => stretch(raw, floor(raw, *start), floor(raw, *end), String::new()),
        Pointer::Json(pointer) => match json::read(raw) {
            Ok(root) => {
                let (node, written) = resolve(&root, pointer);
                stretch(raw, node.offset, node.end, written)
            }
            Err(_) => stretch(raw, 0, raw.len(), pointer.clone()),
        },
    }
}

fn stretch(raw: &str, start: usize, end: usize, pointer: String) -> Place {
    let before = raw.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        pointer,
        offset: start,
        length: end.saturating_sub(start),
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}

/// The nearest boundary of a character at or before `offset`.
fn floor(raw: &str, offset: usize) -> usize {
    let end = offset.min(raw.len());
    (0..=end).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or_default()
}

/// The deepest node on the way that exists, and the pointer with the members' names as they are written.
fn resolve<'a>(root: &'a Node, pointer: &str) -> (&'a Node, String) {
    let mut node = root;
    let mut written = String::new();
    let mut missing = false;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        match child(node, &name).filter(|_| !missing) {
            Some((spelling, below)) => {
                push_token(&mut written, spelling.unwrap_or(&name));
                node = below;
            }
            None => {
                missing = true;
                push_token(&mut written, &name);
            }
        }
    }
    (node, written)
}

/// A member or an item. Of members that mean the same the last counts, as it does when they are read.
fn child<'a>(node: &'a Node, name: &str) -> Option<(Option<&'a str>, &'a Node)> {
    match &node.value {
        Value::Array(items) => Some((None, items.get(name.parse::<usize>().ok()?)?)),
        Value::Object(members) => {
            let exact = members.iter().rev().find(|(written, _)| written == name);
            let found = exact.or_else(|| members.iter().rev().find(|(written, _)| folds_equal(written, name)));
            found.map(|(written, below)| (Some(written.as_str()), below))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(raw: &str, at: &Pointer) -> (String, String, usize, usize) {
        let place = place(raw, at);
        let text = raw.get(place.offset..place.offset + place.length).unwrap().to_owned();
        (place.pointer, text, place.line, place.column)
    }

    #[test]
    fn pointers_lead_to_what_is_written() {
        let raw = "{\"Type\": \"redirect\",\n  \"RedirectConfig\": {\"é\": 1, \"statusCode\": \"301\"}}";
        let at = |pointer: &str| Pointer::Json(pointer.to_owned());
        assert_eq!(shown(raw, &at("/type")), ("/Type".into(), "\"redirect\"".into(), 1, 10));
        assert_eq!(
            shown(raw, &at("/redirectConfig/statusCode")),
            ("/RedirectConfig/statusCode".into(), "\"301\"".into(), 2, 44)
        );
        // What is missing is shown as what lacks it.
        let (pointer, text, line, column) = shown(raw, &at("/redirectConfig/port/deep"));
        assert_eq!((pointer.as_str(), line, column), ("/RedirectConfig/port/deep", 2, 21));
        assert!(text.starts_with('{') && text.ends_with('}'));
        assert_eq!(shown("[1, [2, 3]]", &at("/1/0")).1, "2");
        assert_eq!(shown("[{\"a/b\": 7}]", &at("/0/a~1b")).1, "7");
        assert_eq!(shown("{\"a\": 1, \"a\": 2}", &at("/a")).1, "2");
        assert_eq!(shown("not JSON", &at("/a")), ("/a".into(), "not JSON".into(), 1, 1));
    }

    #[test]
    fn bytes_are_whole_characters() {
        assert_eq!(shown("aé\nb", &Pointer::Byte(2)), (String::new(), "é".into(), 1, 2));
        assert_eq!(shown("aé\nb", &Pointer::Byte(4)), (String::new(), "b".into(), 2, 1));
        assert_eq!(shown("ab", &Pointer::Byte(9)), (String::new(), String::new(), 1, 3));
        assert_eq!(shown("a, bc", &Pointer::Bytes(3, 5)), (String::new(), "bc".into(), 1, 4));
    }

    proptest! {
        #[test]
        fn every_place_is_in_the_value(raw in any::<String>(), from in 0_usize..40, to in 0_usize..40, pointer in "(/[a-c0-2]{0,2}){0,3}") {
            for at in [Pointer::Byte(from), Pointer::Bytes(from, to), Pointer::Json(pointer)] {
                let place = place(&raw, &at);
                prop_assert!(raw.get(place.offset..place.offset + place.length).is_some(), "{:?}", place);
            }
        }
    }
}
