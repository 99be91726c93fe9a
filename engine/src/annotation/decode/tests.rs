//! JSON as Go reads it; and what tests of its readers ask of the outcome.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Default, PartialEq, Clone)]
struct Inner {
    code: String,
    count: Option<i32>,
    on: bool,
}
object!(Inner { "statusCode" => code, "count" => count, "on" => on });

#[derive(Debug, Default, PartialEq, Clone)]
struct Outer {
    inner: Option<Inner>,
    list: Vec<Inner>,
    map: IndexMap<String, String>,
}
object!(Outer { "innerConfig" => inner, "list" => list, "map/x" => map });

fn outer(raw: &str) -> Outer {
    decode(raw).unwrap()
}

#[test]
fn names_match_in_any_case() {
    let lower = outer(r#"{"innerConfig":{"statusCode":"x","count":3}}"#);
    assert_eq!(outer(r#"{"InnerConfig":{"STATUSCODE":"x","Count":3}}"#), lower);
    assert_eq!(outer("{\"INNERCONFIG\":{\"\u{17f}tatu\u{17f}code\":\"x\",\"count\":3}}"), lower);
    assert_eq!(outer(r#"{"inner-config":{"statusCode":1},"other":[]}"#), Outer::default());
}

#[test]
fn the_later_of_duplicates_wins_and_structs_merge() {
    let value = outer(r#"{"innerConfig":{"statusCode":"a","on":true},"INNERconfig":{"StatusCode":"b"}}"#);
    let inner = value.inner.unwrap();
    assert_eq!((inner.code.as_str(), inner.on), ("b", true));
    let value = outer(r#"{"INNERconfig":{"STATUSCODE":"b"},"innerConfig":{"statusCode":"a"}}"#);
    assert_eq!(value.inner.unwrap().code, "a");
    assert_eq!(outer(r#"{"list":[{},{}],"list":[{"on":true}]}"#).list.len(), 1);
    assert_eq!(outer(r#"{"map/x":{"a":"1"},"map/x":{"b":"2"}}"#).map.len(), 2);
}

#[test]
fn null_leaves_things_untouched() {
    assert_eq!(outer("null"), Outer::default());
    assert_eq!(outer(r#"{"innerConfig":{"on":true},"innerConfig":null}"#).inner, None);
    let inner = outer(r#"{"innerConfig":{"on":true,"on":null,"statusCode":null,"count":null}}"#).inner.unwrap();
    assert_eq!(inner, Inner { on: true, ..Inner::default() });
    assert_eq!(outer(r#"{"list":[null]}"#).list, [Inner::default()]);
}

#[test]
fn mismatches_say_where() {
    let table = [
        ("[]", "array", "a JSON object", ""),
        (r#"{"InnerConfig":{"StatusCode":503}}"#, "number", "a string", "/InnerConfig/StatusCode"),
        (r#"{"list":[{},{"count":1.0}]}"#, "number 1.0", "a whole number", "/list/1/count"),
        (r#"{"list":[{"count":"1"}]}"#, "string", "a whole number", "/list/0/count"),
        (r#"{"map/x":{"a~b":true}}"#, "bool", "a string", "/map~1x/a~0b"),
        (r#"{"list":{}}"#, "object", "a JSON list", "/list"),
    ];
    for (raw, found, wanted, pointer) in table {
        let error = decode::<Outer>(raw).unwrap_err();
        assert_eq!(error.message, format!("found {found} where {wanted} belongs"), "{raw}");
        assert_eq!(error.at, Some(Pointer::Json(pointer.to_owned())), "{raw}");
    }
    let all = read(r#"{"innerConfig":{"statusCode":1,"on":2},"list":3}"#, |given| Some(Outer::from_json(given)));
    assert_eq!((all.refused.len(), all.value), (3, None));
    assert_eq!(decode::<Outer>("{} x").unwrap_err().at, Some(Pointer::Byte(3)));
}

#[test]
fn unknown_members_are_reported_once() {
    let unknown = decode_all::<Outer>(r#"{"inner":{},"innerConfig":{"cout":1},"innerConfig":{"on":true}}"#).1;
    let unknown: Vec<_> = unknown.into_iter().map(|stray| (stray.message, stray.unfamiliar)).collect();
    let told = |text: &str| (text.to_owned(), true);
    assert_eq!(
        unknown,
        [
            told("unknown field `cout`; did you mean `count`?"),
            told("unknown field `inner`; known fields: `innerConfig`, `list`, `map/x`"),
        ]
    );
}

#[test]
fn integers_have_their_range() {
    assert_eq!(decode::<Vec<i32>>("[2147483647,-2147483648,-0]"), Ok(vec![i32::MAX, i32::MIN, 0]));
    assert!(decode::<Vec<i32>>("[2147483648]").is_err());
    assert!(decode::<Vec<i32>>("[1e2]").is_err());
}

proptest! {
    #[test]
    fn never_panics(raw in any::<String>()) {
        let _ = decode::<Outer>(&raw);
    }
}

/// For the tests of all readers of JSON.
impl<T> Decoded<T> {
    /// The value, if LBC takes it.
    ///
    /// # Errors
    /// Everything for which LBC refuses it.
    pub fn accepted(self) -> Result<T, Vec<ParseError>> {
        match self.value {
            Some(value) if self.refused.is_empty() => Ok(value),
            _ => Err(self.refused),
        }
    }

    /// The messages of what is doubtful, each of which has a fix or is only unfamiliar.
    pub(in crate::annotation) fn doubts(self) -> Vec<String> {
        let Self { doubtful, .. } = self;
        assert!(doubtful.iter().all(|error| error.help.is_some() || error.unfamiliar), "{doubtful:?}");
        doubtful.into_iter().map(|error| error.message).collect()
    }

    /// Everything that is wrong with it, LBC's complaints first.
    pub fn faults(self) -> Vec<ParseError> {
        [self.refused, self.doubtful].concat()
    }
}
