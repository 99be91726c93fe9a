//! `transforms.<name>`: how a request is rewritten on its way to the backend, as JSON.

use serde::Serialize;

use super::decode::{self, object};
use super::nearest::did_you_mean;
use super::parse::ParseError;

/// The values of a [`Transform`]'s type.
pub const TYPES: [&str; 2] = ["host-header-rewrite", "url-rewrite"];

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

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            if let Ok(transforms) = parse(&raw) {
                let _ = validate(&transforms);
            }
        }
    }
}
