//! From JSON to structs with the leniency of Go's `encoding/json`: names match in any case, unknown ones are skipped,
//! `null` changes nothing, of duplicates the last wins.

use std::cell::RefCell;
use std::fmt::Write as _;

use indexmap::IndexMap;

use super::json::{self, Node, Value};
use super::nearest::did_you_mean;
use super::parse::{ParseError, shown};

/// Reads a whole annotation value.
///
/// # Errors
/// On malformed JSON (with a byte offset) and on a value of the wrong type (with a JSON pointer).
pub fn decode<T: Decode + Default>(raw: &str) -> Result<T, ParseError> {
    let node = json::read(raw)?;
    let mut value = T::default();
    value.decode(&node, &Path::ROOT)?;
    Ok(value)
}

/// The same, and a doubt for each member that nothing reads: Go skips it without a word.
pub fn decode_all<T: Decode + Default>(raw: &str) -> (Result<T, ParseError>, Vec<ParseError>) {
    let strays = RefCell::new(Vec::new());
    let read = json::read(raw).and_then(|node| {
        let mut value = T::default();
        value.decode(&node, &Path { strays: Some(&strays), ..Path::ROOT })?;
        Ok(value)
    });
    (read, strays.into_inner())
}

/// What a JSON value can be read into. It updates in place, because Go merges duplicate members into one struct.
pub trait Decode {
    /// Go's name for the type, as its error texts show it.
    fn go_type() -> String;

    /// Takes over what `node` says.
    ///
    /// # Errors
    /// When `node` is of another type.
    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError>;
}

/// The way from the root to a value, kept on the stack and written out only for an error.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    last: Option<(&'a Path<'a>, Step<'a>)>,
    /// Where members are told that nothing reads.
    strays: Option<&'a RefCell<Vec<ParseError>>>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field { of: &'static str, name: &'static str, written: &'a str },
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    const ROOT: Path<'static> = Path { last: None, strays: None };

    const fn then(&'a self, step: Step<'a>) -> Self {
        Self { last: Some((self, step)), strays: self.strays }
    }

    fn steps(&self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut here = self.last;
        while let Some((parent, step)) = here {
            steps.push(step);
            here = parent.last;
        }
        steps.reverse();
        steps
    }

    fn stray(&self, written: &str, names: &[&'static str]) {
        let Some(strays) = self.strays else { return };
        let near = did_you_mean(written, names.iter().copied());
        let near = if near.is_empty() { format!("; {} are read here", names.join(", ")) } else { near };
        let pointer = self.then(Step::Key(written)).pointer();
        strays
            .borrow_mut()
            .push(ParseError::at_json(format!("nothing reads `{}`{near}", shown(written)), pointer).doubt());
    }

    /// RFC 6901, with the members' names as the user wrote them.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in self.steps() {
            match step {
                Step::Field { written: name, .. } | Step::Key(name) => push_token(&mut pointer, name),
                Step::Index(index) => push_token(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }

    /// What Go says of the place: the innermost struct and the field names from the root, without indices.
    fn go_target(&self, go_type: &str) -> String {
        let mut innermost = None;
        let mut dotted = String::new();
        for step in self.steps() {
            if let Step::Field { of, name, .. } = step {
                innermost = Some(of);
                let _ = write!(dotted, ".{name}");
            }
        }
        match innermost {
            Some(of) => format!("Go struct field {of}{dotted} of type {go_type}"),
            None => format!("Go value of type {go_type}"),
        }
    }
}

/// Appends one reference token to a JSON pointer.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// The error for a value that is of another type than `T`.
pub(super) fn mismatch<T: Decode>(given: &str, at: &Path<'_>) -> ParseError {
    let target = at.go_target(&T::go_type());
    ParseError::at_json(format!("json: cannot unmarshal {given} into {target}"), at.pointer())
}

/// Reads an object's members into the fields that they name. The closure gets the field's canonical name.
pub(super) fn decode_members<T: Decode>(
    node: &Node,
    at: &Path<'_>,
    of: &'static str,
    names: &[&'static str],
    mut field: impl FnMut(&'static str, &Node, &Path<'_>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let members = match &node.value {
        Value::Null => return Ok(()),
        Value::Object(members) => members,
        other => return Err(mismatch::<T>(other.kind(), at)),
    };
    for (written, member) in members {
        let exact = names.iter().find(|name| *name == written);
        let name = exact.or_else(|| names.iter().find(|name| folds_equal(name, written)));
        match name {
            Some(&name) => field(name, member, &at.then(Step::Field { of, name, written }))?,
            None => at.stray(written, names),
        }
    }
    Ok(())
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

/// Ties a struct to the JSON names of its fields and to the name that Go's errors give it.
macro_rules! object {
    ($type:ident as $go:literal { $($json:literal => $field:ident),+ $(,)? }) => {
        impl $crate::annotation::decode::Decode for $type {
            fn go_type() -> String {
                concat!("ingress.", $go).to_owned()
            }

            fn decode(
                &mut self,
                node: &$crate::annotation::json::Node,
                at: &$crate::annotation::decode::Path<'_>,
            ) -> Result<(), $crate::annotation::parse::ParseError> {
                $crate::annotation::decode::decode_members::<Self>(node, at, $go, &[$($json),+], |name, node, at| {
                    match name {
                        $($json => self.$field.decode(node, at),)+
                        _ => Ok(()),
                    }
                })
            }
        }
    };
}
pub(super) use object;

impl Decode for String {
    fn go_type() -> String {
        "string".to_owned()
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        match &node.value {
            Value::Null => {}
            Value::String(string) => self.clone_from(string),
            other => return Err(mismatch::<Self>(other.kind(), at)),
        }
        Ok(())
    }
}

impl Decode for bool {
    fn go_type() -> String {
        "bool".to_owned()
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        match &node.value {
            Value::Null => {}
            Value::Bool(bool) => *self = *bool,
            other => return Err(mismatch::<Self>(other.kind(), at)),
        }
        Ok(())
    }
}

impl Decode for i32 {
    fn go_type() -> String {
        "int32".to_owned()
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        match &node.value {
            Value::Null => {}
            // `1.0` and `1e2` are no integers to Go either.
            Value::Number(number) => match number.parse() {
                Ok(integer) => *self = integer,
                Err(_) => return Err(mismatch::<Self>(&format!("number {number}"), at)),
            },
            other => return Err(mismatch::<Self>(other.kind(), at)),
        }
        Ok(())
    }
}

impl<T: Decode + Default> Decode for Option<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        if node.value == Value::Null {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().decode(node, at)
    }
}

impl<T: Decode + Default> Decode for Vec<T> {
    fn go_type() -> String {
        format!("[]{}", T::go_type())
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        let items = match &node.value {
            Value::Null => &[],
            Value::Array(items) => items.as_slice(),
            other => return Err(mismatch::<Self>(other.kind(), at)),
        };
        self.clear();
        for (index, item) in items.iter().enumerate() {
            let mut value = T::default();
            value.decode(item, &at.then(Step::Index(index)))?;
            self.push(value);
        }
        Ok(())
    }
}

impl<T: Decode + Default> Decode for IndexMap<String, T> {
    fn go_type() -> String {
        format!("map[string]{}", T::go_type())
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        let members = match &node.value {
            Value::Null => {
                self.clear();
                return Ok(());
            }
            Value::Object(members) => members,
            other => return Err(mismatch::<Self>(other.kind(), at)),
        };
        for (key, member) in members {
            let mut value = T::default();
            value.decode(member, &at.then(Step::Key(key)))?;
            self.insert(key.clone(), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::Pointer;
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default, PartialEq, Clone)]
    struct Inner {
        code: String,
        count: Option<i32>,
        on: bool,
    }
    object!(Inner as "InnerConfig" { "statusCode" => code, "count" => count, "on" => on });

    #[derive(Debug, Default, PartialEq, Clone)]
    struct Outer {
        inner: Option<Inner>,
        list: Vec<Inner>,
        map: IndexMap<String, String>,
    }
    object!(Outer as "Outer" { "innerConfig" => inner, "list" => list, "map/x" => map });

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
            ("[]", "array into Go value of type ingress.Outer", ""),
            (
                r#"{"InnerConfig":{"StatusCode":503}}"#,
                "number into Go struct field InnerConfig.innerConfig.statusCode of type string",
                "/InnerConfig/StatusCode",
            ),
            (
                r#"{"list":[{},{"count":1.0}]}"#,
                "number 1.0 into Go struct field InnerConfig.list.count of type int32",
                "/list/1/count",
            ),
            (
                r#"{"list":[{"count":"1"}]}"#,
                "string into Go struct field InnerConfig.list.count of type int32",
                "/list/0/count",
            ),
            (r#"{"map/x":{"a~b":true}}"#, "bool into Go struct field Outer.map/x of type string", "/map~1x/a~0b"),
            (r#"{"list":{}}"#, "object into Go struct field Outer.list of type []ingress.InnerConfig", "/list"),
        ];
        for (raw, message, pointer) in table {
            let error = decode::<Outer>(raw).unwrap_err();
            assert_eq!(error.message, format!("json: cannot unmarshal {message}"), "{raw}");
            assert_eq!(error.at, Some(Pointer::Json(pointer.to_owned())), "{raw}");
        }
        assert_eq!(decode::<Outer>("{} x").unwrap_err().at, Some(Pointer::Byte(3)));
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
}
