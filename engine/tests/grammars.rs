//! Every grammar against values that are nearly right: examples of the catalogue, cut, joined, doubled, with the
//! characters and words that each grammar minds. `make fuzz` does it a million times.

#![expect(clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

use albedo_engine::annotation::{Scope, SettingRow, check, every_row, nearest, parse, place};
use albedo_engine::finding::Finding;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What is put into a value: what some grammar has a meaning for, and what none has.
const PIECES: [&str; 44] = [
    ",",
    "=",
    "\\",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ":",
    " ",
    "\n",
    "\t",
    "\u{a0}",
    "é",
    "\u{1f600}",
    "\0",
    "-",
    "/",
    ".",
    "*",
    "?",
    "#{host}",
    "${x}",
    "null",
    "true",
    "0",
    "-1",
    "65536",
    "99999999999999999999",
    "1e3",
    "0x1",
    "+5",
    "arn:",
    "aws:",
    "https://",
    "none",
    "(",
    "(?=",
    "\\u00",
    "\\ud83d",
    "CapacityUnits=",
    "traffic-port",
    "10.0.0.0/33",
];

/// One change of a value.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, &'static str),
    Remove(Index, Index),
    Double(Index, Index),
    Case(Index),
    Append(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Remove(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Double(from, to)),
        any::<Index>().prop_map(Edit::Case),
        (0_usize..4).prop_map(Edit::Append),
    ]
}

fn apply(edits: &[Edit], of: &str, rows: &[&'static SettingRow]) -> String {
    let mut chars: Vec<char> = of.chars().collect();
    for edit in edits {
        let length = chars.len();
        match edit {
            Edit::Insert(at, piece) => {
                let at = at.index(length + 1);
                chars.splice(at..at, piece.chars());
            }
            Edit::Remove(from, to) | Edit::Double(from, to) => {
                let (from, to) = (from.index(length + 1), to.index(length + 1));
                let range = from.min(to)..from.max(to);
                let cut: Vec<char> = chars[range.clone()].to_vec();
                match edit {
                    Edit::Remove(..) => drop(chars.drain(range)),
                    _ => drop(chars.splice(range.start..range.start, cut)),
                }
            }
            Edit::Case(at) if length > 0 => {
                let at = at.index(length);
                chars[at] = if chars[at].is_lowercase() {
                    chars[at].to_ascii_uppercase()
                } else {
                    chars[at].to_ascii_lowercase()
                };
            }
            Edit::Case(_) => {}
            // Another row's example behind a comma.
            Edit::Append(other) => {
                chars.push(',');
                chars.extend(rows[*other % rows.len()].example.chars());
            }
        }
        chars.truncate(4096);
    }
    chars.into_iter().collect()
}

fn readable() -> Vec<&'static SettingRow> {
    every_row().filter(|row| row.scope != Scope::Output).collect()
}

/// JSON with the names that are read somewhere, in any case, and values of any kind.
#[expect(clippy::too_many_lines, reason = "a grammar is a table")]
fn json() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "type",
            "field",
            "Type",
            "targetGroups",
            "forwardConfig",
            "redirectConfig",
            "fixedResponseConfig",
            "statusCode",
            "weight",
            "serviceName",
            "servicePort",
            "values",
            "regexValues",
            "hostHeaderConfig",
            "queryStringConfig",
            "key",
            "value",
            "port",
            "mode",
            "trustStore",
            "HTTP",
            "HTTPS",
            "issuer",
            "jwksEndpoint",
            "additionalClaims",
            "rewrites",
            "urlRewriteConfig",
            "regex",
            "replace",
            "no such name",
            "STATUSCODE",
            "\u{17f}tatusCode",
        ][..],
    );
    let leaf = select(
        &[
            "null",
            "true",
            "80",
            "-1",
            "1.5",
            "1e9",
            "\"\"",
            "\"forward\"",
            "\"redirect\"",
            "\"host-header\"",
            "\"url-rewrite\"",
            "\"HTTP_301\"",
            "\"verify\"",
            "\"443\"",
            "\"(\"",
            "\"https://a\"",
            "\"\\ud800\"",
            "\"\\u0041\"",
        ][..],
    );
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(4, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

/// What every answer has to be, whatever was asked.
fn holds(row: &SettingRow, raw: &str) -> Result<(), TestCaseError> {
    let found = check(row, raw);
    prop_assert_eq!(&found, &check(row, raw), "{}: another answer the second time", row.key);
    for error in &found {
        prop_assert!(!error.message.is_empty(), "{}", row.key);
        // A message shows the beginning of a value, or some of its parts, and never grows with it.
        prop_assert!(error.message.chars().count() <= 4 * Finding::MESSAGE_LIMIT, "{}: {}", row.key, error.message);
        if let Some(at) = &error.at {
            let place = place(raw, at);
            prop_assert!(raw.get(place.offset..place.offset + place.length).is_some(), "{}: {:?}", row.key, place);
            prop_assert!(place.line >= 1 && place.column >= 1);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn nearly_right_values(number in any::<Index>(), edits in prop::collection::vec(edit(), 0..6)) {
        let rows = readable();
        let row = rows[number.index(rows.len())];
        holds(row, &apply(&edits, row.example, &rows))?;
    }

    #[test]
    fn json_of_any_shape(number in any::<Index>(), raw in json(), edits in prop::collection::vec(edit(), 0..2)) {
        let rows: Vec<_> = readable().into_iter().filter(|row| row.example.starts_with(['[', '{'])).collect();
        let row = rows[number.index(rows.len())];
        holds(row, &raw)?;
        holds(row, &apply(&edits, &raw, &rows))?;
    }

    #[test]
    fn keys_that_nobody_has(number in any::<Index>(), edits in prop::collection::vec(edit(), 1..4)) {
        let rows = readable();
        let key = apply(&edits, rows[number.index(rows.len())].key, &rows);
        if let Some(near) = nearest(&key) {
            prop_assert!(!near.to_string().is_empty());
        }
    }

    // Lists: white space and empty items change nothing.
    #[test]
    fn lists_are_lenient(items in prop::collection::vec("[a-z]{1,5}", 0..5), spaces in "[ \t\n]{0,3}") {
        let loose = items.iter().map(|item| format!("{spaces}{item}{spaces},")).collect::<String>();
        prop_assert_eq!(parse::string_list(&loose), items.clone());
        for (item, expected) in parse::items(&loose).zip(&items) {
            prop_assert_eq!(loose.get(item.offset..item.offset + item.text.len()), Some(expected.as_str()));
        }
    }

    // Pairs: what is printed is read back, and every pair's place holds its key.
    #[test]
    fn pairs_have_their_places(of in prop::collection::vec(("[a-z.]{1,8}", "[a-z0-9]{0,6}"), 1..6), spaces in " {0,2}") {
        let written: Vec<String> = of.iter().map(|(key, value)| format!("{spaces}{key}={value}")).collect();
        let raw = written.join(",");
        let read = parse::pairs(&raw).expect("pairs");
        prop_assert_eq!(read.len(), of.len());
        for (pair, (key, value)) in read.iter().zip(&of) {
            prop_assert_eq!((&pair.key, &pair.value), (key, value));
            let place = place(&raw, &pair.place);
            let expected = format!("{key}={value}");
            prop_assert_eq!(raw.get(place.offset..place.offset + place.length), Some(expected.as_str()));
        }
    }
}
