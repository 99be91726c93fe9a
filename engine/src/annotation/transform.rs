//! `transforms.<name>`: how a request is rewritten on its way to the backend, as JSON.

use super::condition_limits::{expression, too_long};
use super::decode::{self, Decoded, Members, Spot, members, object};
use super::parse::ParseError;
use super::read::{Read, Shape};
use super::similar::did_you_mean;
use super::value::JsonValue;
use crate::stack::{Rewrite, Transform};

/// Longest expression and longest replacement, in characters.
const LONGEST: usize = 1024;

/// A type of transform: its name, the member that has its rewrites, and what is made of them.
type SettingRow = (&'static str, &'static str, fn(Vec<Rewrite>) -> Transform);

const ROWS: [SettingRow; 2] = [
    ("host-header-rewrite", "hostHeaderRewriteConfig", Transform::HostHeaderRewrite),
    ("url-rewrite", "urlRewriteConfig", Transform::UrlRewrite),
];

object!(Rewrite { "regex" => regex, "replace" => replace });

/// This kind of JSON.
pub static SHAPE: Shape = Shape {
    takes: "a list of objects with type and the configuration that belongs to it",
    read: |raw| Read::typed(read(raw)),
    multiline: None,
};

impl JsonValue for Vec<Transform> {}

/// Reads the annotation.
#[must_use]
pub fn read(raw: &str) -> Decoded<Vec<Transform>> {
    decode::read(raw, |given| {
        let mut kinds = Vec::new();
        Some(decode::list(given, |item| members(item, |of| transform(of, &mut kinds))).into_iter().flatten().collect())
    })
}

/// `kinds`: the types of those before it.
fn transform(of: &Members<'_>, kinds: &mut Vec<String>) -> Option<Transform> {
    let kind: String = of.get("type");
    let rewrites = |config: &[Spot<'_>]| members(config, |config| config.get::<Vec<Rewrite>>("rewrites"));
    // LBC reads both configurations and uses the type's own.
    let configs = ROWS.map(|(_, member, _)| of.option(member, rewrites));
    if kinds.contains(&kind) {
        let error = ParseError::new(format!("a rule takes one {kind} transform, this is another"));
        of.doubt("/type", error.help("put both rewrites into one regular expression, or remove one of them"));
    }
    kinds.push(kind.clone());
    let Some(((_, member, make), config)) = ROWS.iter().zip(configs).find(|((name, ..), _)| *name == kind) else {
        let names = ROWS.map(|(name, ..)| name);
        let error = ParseError::new(format!("unknown transform type: {kind}{}", did_you_mean(&kind, names)));
        of.refuse("/type", error.help(format!("write {}", names.join(" or "))));
        return None;
    };
    match config {
        None => {
            of.refuse("", ParseError::new(format!("missing {member}")).help(format!("add {member} with one rewrite")));
        }
        Some(rewrites) if rewrites.is_empty() => {
            let error = ParseError::new(format!("invalid {member}: rewrites cannot be empty"));
            of.refuse(&format!("/{member}/rewrites"), error.help("write one rewrite with regex and replace"));
        }
        Some(rewrites) => {
            limits(of, member, &rewrites);
            return Some(make(rewrites));
        }
    }
    None
}

/// What AWS refuses though LBC accepts it (API reference: `RuleTransform`, `RewriteConfig`; ALB user guide, "Transforms for
/// listener rules").
fn limits(of: &Members<'_>, member: &str, rewrites: &[Rewrite]) {
    let at = format!("/{member}/rewrites");
    if rewrites.len() > 1 {
        let message = format!("a transform has one rewrite, this has {}", rewrites.len());
        of.doubt(&at, ParseError::new(message).doubt());
    }
    for (place, Rewrite { regex, replace }) in rewrites.iter().enumerate() {
        if let Some(error) = expression(regex) {
            of.doubt(&format!("{at}/{place}/regex"), error);
        }
        for (field, text) in [("regex", regex), ("replace", replace)] {
            let error = too_long(text, LONGEST, field);
            if let Some(error) = error {
                of.doubt(&format!("{at}/{place}/{field}"), error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaints(raw: &str) -> Vec<String> {
        let refused = read(raw).refused;
        assert!(refused.iter().all(|error| error.help.is_some()), "{refused:?}");
        refused.into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn accepts() {
        for raw in [
            "[]",
            r#"[{"type":"url-rewrite","urlRewriteConfig":{"rewrites":[{"regex":"^/a/(.*)$","replace":"/$1"}]}}]"#,
            r#"[{"Type":"host-header-rewrite","HostHeaderRewriteConfig":{"Rewrites":[{"Regex":"a","Replace":"b"}]}}]"#,
        ] {
            assert_eq!(complaints(raw), Vec::<String>::new(), "{raw}");
        }
    }

    #[test]
    fn refuses() {
        let table = [
            (r#"[{"type":"x"}]"#, "unknown transform type: x"),
            (r#"[{"type":"url_rewrite"}]"#, "unknown transform type: url_rewrite; did you mean `url-rewrite`?"),
            (r#"[{"type":"url-rewrite","hostHeaderRewriteConfig":{"rewrites":[{}]}}]"#, "missing urlRewriteConfig"),
            (r#"[{"type":"host-header-rewrite"}]"#, "missing hostHeaderRewriteConfig"),
            (
                r#"[{"type":"url-rewrite","urlRewriteConfig":{"rewrites":[]}}]"#,
                "invalid urlRewriteConfig: rewrites cannot be empty",
            ),
        ];
        for (raw, expected) in table {
            assert_eq!(complaints(raw), [expected], "{raw}");
        }
        assert_eq!(complaints(r#"[{},{"type":"url-rewrite"}]"#).len(), 2);
        assert!(read("{}").accepted().is_err());
    }

    #[test]
    fn limits_of_aws() {
        let rewrite = |regex: &str, replace: &str| {
            let raw = format!(
                r#"[{{"type":"url-rewrite","urlRewriteConfig":{{"rewrites":[{{"regex":"{regex}","replace":"{replace}"}}]}}}}]"#
            );
            read(&raw).doubtful.into_iter().map(|error| error.message).collect::<Vec<_>>()
        };
        assert_eq!(rewrite("^/a/(.*)$", "/$1"), Vec::<String>::new());
        assert_eq!(
            rewrite("^/a/(?!b)", "/"),
            ["regular expression `^/a/(?!b)`: `(?!`: lookaheads are not supported by ALBs"]
        );
        assert_eq!(rewrite("a", &"x".repeat(1025)), ["replace has 1025 characters, AWS takes 1024"]);
        let two = r#"[{"type":"url-rewrite"},{"type":"url-rewrite"}]"#;
        assert_eq!(read(two).doubtful[0].message, "a rule takes one url-rewrite transform, this is another");
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = read(&raw).faults();
        }
    }
}
