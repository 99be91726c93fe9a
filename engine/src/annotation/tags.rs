//! AWS tags: how many, how long, of which characters.
//!
//! Source: `ELBv2` API, Tag (key 1 to 128, value 0 to 256 characters, letters, spaces, numbers and `_.:/=+-@`) and
//! <https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html> (50 a resource, `aws:` reserved).

use std::collections::BTreeSet;

use super::parse::{self, Pair, ParseError};

/// Tags that a resource can have.
pub const MOST: usize = 50;

/// Tags that every resource carries so that it is found again; a user's of the same key is overridden.
pub const TRACKING: [&str; 3] = ["elbv2.k8s.aws/cluster", "ingress.k8s.aws/stack", "ingress.k8s.aws/resource"];

/// Everything about tags that AWS refuses.
#[must_use]
pub fn of_pairs(pairs: &[Pair]) -> Vec<ParseError> {
    let mut found = Vec::new();
    for pair in pairs {
        for fault in faults(&pair.key, &pair.value) {
            found.push(ParseError::at_place(fault, pair.place.clone()));
        }
    }
    let keys: BTreeSet<&str> = pairs.iter().map(|pair| pair.key.as_str()).collect();
    found.extend(too_many(&keys).map(ParseError::new));
    found
}

/// A complaint about the number of tags, if there are too many beside those that Albedo sets.
#[must_use]
pub fn too_many(keys: &BTreeSet<&str>) -> Option<String> {
    let own = keys.iter().filter(|key| !TRACKING.contains(key)).count();
    let most = MOST - TRACKING.len();
    (own > most).then(|| {
        format!("{own} tags are too many: AWS takes {MOST} a resource, {} of them are Albedo's", TRACKING.len())
    })
}

/// What AWS refuses in one tag.
#[must_use]
pub fn faults(key: &str, value: &str) -> Vec<String> {
    let mut found = Vec::new();
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        found.push(format!("tag key {key} begins with aws:, which is reserved for AWS"));
    }
    let length = key.chars().count();
    if length > 128 {
        found.push(format!("tag key {} has {length} characters, AWS takes 128", start_of(key)));
    }
    let length = value.chars().count();
    if length > 256 {
        found.push(format!("the value of tag {} has {length} characters, AWS takes 256", start_of(key)));
    }
    for (what, text) in [("key", key), ("value", value)] {
        if let Some(odd) = text.chars().find(|c| !is_taken(*c)) {
            let quoted = parse::go_quote(&odd.to_string());
            let message = format!(
                "the {what} of tag {} has {quoted} in it: AWS takes letters, digits, spaces and _.:/=+-@",
                start_of(key)
            );
            found.push(message);
        }
    }
    found
}

fn start_of(key: &str) -> String {
    if key.chars().count() <= 40 { key.to_owned() } else { format!("{}…", key.chars().take(40).collect::<String>()) }
}

/// Letters, numbers and separators of Unicode, and some punctuation.
fn is_taken(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str) -> Vec<ParseError> {
        parse::pairs(raw).map_or_else(|error| vec![error], |pairs| of_pairs(&pairs))
    }

    fn messages(raw: &str) -> Vec<String> {
        check(raw).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn what_aws_takes() {
        for good in ["", "a=b", "Straße = größer 5, x=", "team/web=a:b_c.d+e@f", "elbv2.k8s.aws/cluster=x"] {
            assert_eq!(messages(good), Vec::<String>::new(), "{good}");
        }
        let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(messages(&many(47)), Vec::<String>::new());
        assert_eq!(messages(&many(48)), ["48 tags are too many: AWS takes 50 a resource, 3 of them are Albedo's"]);
    }

    #[test]
    fn what_aws_refuses() {
        for (raw, expected) in [
            ("aws:x=1", "tag key aws:x begins with aws:, which is reserved for AWS"),
            ("AWS:x=1", "tag key AWS:x begins with aws:, which is reserved for AWS"),
            ("a=b;c", "the value of tag a has \";\" in it: AWS takes letters, digits, spaces and _.:/=+-@"),
            ("a\\,b=c", "the key of tag a,b has \",\" in it: AWS takes letters, digits, spaces and _.:/=+-@"),
            ("a=b,", "the value of tag a has \",\" in it: AWS takes letters, digits, spaces and _.:/=+-@"),
        ] {
            assert_eq!(messages(raw), [expected], "{raw}");
        }
        assert_eq!(messages(&format!("{}=v", "k".repeat(129))).len(), 1);
        assert_eq!(
            messages(&format!("k={}", "v".repeat(257))),
            ["the value of tag k has 257 characters, AWS takes 256"]
        );
        let found = check("ok=1, aws:bad=2");
        assert_eq!(found[0].at, Some(parse::Pointer::Bytes(6, 15)));
    }
}
