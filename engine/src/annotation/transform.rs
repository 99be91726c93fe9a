//! `transforms.<name>`: how a request is rewritten on its way to the backend, as JSON.

use serde::Serialize;

use super::decode::{self, object};
use super::nearest::did_you_mean;
use super::parse::ParseError;
use super::regex;

/// The values of a [`Transform`]'s type.
pub const TYPES: [&str; 2] = ["host-header-rewrite", "url-rewrite"];

/// Longest expression and longest replacement, in characters.
const LONGEST: usize = 1024;

/// One transform as written; nothing is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transform {
    /// `host-header-rewrite` or `url-rewrite`
    pub r#type: String,
    /// For `host-header-rewrite`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_header_rewrite_config: Option<RewriteConfigs>,
    /// For `url-rewrite`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_rewrite_config: Option<RewriteConfigs>,
}
object!(Transform as "Transform" {
    "type" => r#type,
    "hostHeaderRewriteConfig" => host_header_rewrite_config,
    "urlRewriteConfig" => url_rewrite_config,
});

/// The rewrites of one transform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RewriteConfigs {
    /// AWS takes exactly one
    pub rewrites: Vec<RewriteConfig>,
}
object!(RewriteConfigs as "RewriteConfigObject" { "rewrites" => rewrites });

/// A pattern and what takes its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RewriteConfig {
    /// Regular expression, at most 1,024 characters
    pub regex: String,
    /// Replacement, may refer to groups as `$1`
    pub replace: String,
}
object!(RewriteConfig as "RewriteConfig" { "regex" => regex, "replace" => replace });

/// Reads the annotation.
///
/// # Errors
/// On malformed JSON and values of the wrong type. The content is [`validate`]'s matter.
pub fn parse(raw: &str) -> Result<Vec<Transform>, ParseError> {
    decode::decode(raw)
}

/// Everything for which LBC refuses the list.
#[must_use]
pub fn validate(transforms: &[Transform]) -> Vec<ParseError> {
    let faults = transforms.iter().enumerate();
    faults.filter_map(|(index, transform)| transform.fault(&format!("/{index}"))).collect()
}

/// Everything else that AWS would refuse (API reference: `RuleTransform`, `RewriteConfig`; ALB user guide, "Transforms for
/// listener rules").
#[must_use]
pub fn limits(transforms: &[Transform]) -> Vec<ParseError> {
    let mut found = Vec::new();
    for (index, transform) in transforms.iter().enumerate() {
        if transforms.iter().take(index).any(|earlier| earlier.r#type == transform.r#type) {
            let message = format!("a rule takes one {} transform, this is another", transform.r#type);
            found.push(ParseError::at_json(message, format!("/{index}/type")));
        }
        let config = if transform.r#type == "url-rewrite" { "urlRewriteConfig" } else { "hostHeaderRewriteConfig" };
        let rewrites = transform.rewrites().map(|config| config.rewrites.as_slice()).unwrap_or_default();
        if rewrites.len() > 1 {
            let message = format!("a transform has one rewrite, this has {}", rewrites.len());
            found.push(ParseError::at_json(message, format!("/{index}/{config}/rewrites")).doubt());
        }
        for (place, rewrite) in rewrites.iter().enumerate() {
            let at = |field: &str| format!("/{index}/{config}/rewrites/{place}/{field}");
            if let Some(cause) = regex::fault(&rewrite.regex) {
                let message = format!("regular expression `{}`: {cause}", rewrite.regex);
                found.push(ParseError::at_json(message, at("regex")));
            }
            for (field, text) in [("regex", &rewrite.regex), ("replace", &rewrite.replace)] {
                let length = text.chars().count();
                if length > LONGEST {
                    let message = format!("{field} has {length} characters, AWS takes {LONGEST}");
                    found.push(ParseError::at_json(message, at(field)));
                }
            }
        }
    }
    found
}

impl Transform {
    /// The configuration that belongs to the type, if it is there.
    #[must_use]
    pub fn rewrites(&self) -> Option<&RewriteConfigs> {
        match self.r#type.as_str() {
            "host-header-rewrite" => self.host_header_rewrite_config.as_ref(),
            "url-rewrite" => self.url_rewrite_config.as_ref(),
            _ => None,
        }
    }

    fn fault(&self, at: &str) -> Option<ParseError> {
        let name = match self.r#type.as_str() {
            "host-header-rewrite" => "hostHeaderRewriteConfig",
            "url-rewrite" => "urlRewriteConfig",
            other => {
                let near = did_you_mean(other, TYPES);
                return Some(ParseError::at_json(
                    format!("unknown transform type: {other}{near}"),
                    format!("{at}/type"),
                ));
            }
        };
        match self.rewrites() {
            None => Some(ParseError::at_json(format!("missing {name}"), at)),
            Some(config) if config.rewrites.is_empty() => {
                let message = format!("invalid {name}: rewrites cannot be empty");
                Some(ParseError::at_json(message, format!("{at}/{name}/rewrites")))
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaints(raw: &str) -> Vec<String> {
        validate(&parse(raw).unwrap()).into_iter().map(|error| error.message).collect()
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
        assert!(parse("{}").is_err());
    }

    #[test]
    fn limits_of_aws() {
        let rewrite = |regex: &str, replace: &str| {
            let raw = format!(
                r#"[{{"type":"url-rewrite","urlRewriteConfig":{{"rewrites":[{{"regex":"{regex}","replace":"{replace}"}}]}}}}]"#
            );
            limits(&parse(&raw).unwrap()).into_iter().map(|error| error.message).collect::<Vec<_>>()
        };
        assert_eq!(rewrite("^/a/(.*)$", "/$1"), Vec::<String>::new());
        assert_eq!(
            rewrite("^/a/(?!b)", "/"),
            ["regular expression `^/a/(?!b)`: `(?!`: lookaheads are not supported by ALBs"]
        );
        assert_eq!(rewrite("a", &"x".repeat(1025)), ["replace has 1025 characters, AWS takes 1024"]);
        let two = r#"[{"type":"url-rewrite"},{"type":"url-rewrite"}]"#;
        assert_eq!(limits(&parse(two).unwrap())[0].message, "a rule takes one url-rewrite transform, this is another");
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            if let Ok(transforms) = parse(&raw) {
                let _ = (validate(&transforms), limits(&transforms));
            }
        }
    }
}
