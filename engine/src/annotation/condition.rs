//! `conditions.<name>`: what a request must be like, beyond the rule's host and path, as JSON.

use serde::Serialize;

use super::decode::{self, object};
use super::parse::ParseError;

/// The values of [`Condition::field`] that mean something.
pub const FIELDS: [&str; 6] =
    ["host-header", "path-pattern", "http-header", "http-request-method", "query-string", "source-ip"];

/// One condition as written; nothing is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which of the configurations counts; see [`FIELDS`]
    pub field: String,
    /// For `host-header`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_header_config: Option<HostHeaderConfig>,
    /// For `path-pattern`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_pattern_config: Option<PathPatternConfig>,
    /// For `http-header`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_header_config: Option<HttpHeaderConfig>,
    /// For `http-request-method`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_request_method_config: Option<HttpRequestMethodConfig>,
    /// For `query-string`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_string_config: Option<QueryStringConfig>,
    /// For `source-ip`
    #[serde(rename = "sourceIPConfig", skip_serializing_if = "Option::is_none")]
    pub source_ip_config: Option<SourceIpConfig>,
}
object!(Condition as "RuleCondition" {
    "field" => field,
    "hostHeaderConfig" => host_header_config,
    "pathPatternConfig" => path_pattern_config,
    "httpHeaderConfig" => http_header_config,
    "httpRequestMethodConfig" => http_request_method_config,
    "queryStringConfig" => query_string_config,
    "sourceIPConfig" => source_ip_config,
});

/// Hosts, of which one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostHeaderConfig {
    /// Patterns with `*` and `?`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Regular expressions
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regex_values: Vec<String>,
}
object!(HostHeaderConfig as "HostHeaderConditionConfig" { "values" => values, "regexValues" => regex_values });

/// Paths, of which one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathPatternConfig {
    /// Patterns with `*` and `?`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Regular expressions
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regex_values: Vec<String>,
}
object!(PathPatternConfig as "PathPatternConditionConfig" { "values" => values, "regexValues" => regex_values });

/// A header, one of whose values must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpHeaderConfig {
    /// The header's name, case-insensitive
    pub http_header_name: String,
    /// Patterns with `*` and `?`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Regular expressions
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regex_values: Vec<String>,
}
object!(HttpHeaderConfig as "HTTPHeaderConditionConfig" {
    "httpHeaderName" => http_header_name,
    "values" => values,
    "regexValues" => regex_values,
});

/// Request methods, of which one must match exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HttpRequestMethodConfig {
    /// Methods, in capitals
    pub values: Vec<String>,
}
object!(HttpRequestMethodConfig as "HTTPRequestMethodConditionConfig" { "values" => values });

/// Parameters of the query, of which one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueryStringConfig {
    /// The parameters
    pub values: Vec<QueryStringKeyValuePair>,
}
object!(QueryStringConfig as "QueryStringConditionConfig" { "values" => values });

/// A query parameter; without a key any parameter with the value matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueryStringKeyValuePair {
    /// Pattern for the key
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Pattern for the value
    pub value: String,
}
object!(QueryStringKeyValuePair as "QueryStringKeyValuePair" { "key" => key, "value" => value });

/// Client addresses, of which one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceIpConfig {
    /// CIDRs
    pub values: Vec<String>,
}
object!(SourceIpConfig as "SourceIPConditionConfig" { "values" => values });

/// Reads the annotation.
///
/// # Errors
/// On malformed JSON and values of the wrong type. The content is [`validate`]'s matter.
pub fn parse(raw: &str) -> Result<Vec<Condition>, ParseError> {
    decode::decode(raw)
}

/// Everything for which LBC refuses the list; its own complaint comes first. An unknown field is none, LBC just
/// drops such a condition.
#[must_use]
pub fn validate(conditions: &[Condition]) -> Vec<ParseError> {
    let faults = conditions.iter().enumerate();
    faults.flat_map(|(index, condition)| condition.faults(&format!("/{index}"))).collect()
}

impl Condition {
    fn faults(&self, at: &str) -> Vec<ParseError> {
        match self.field.as_str() {
            "host-header" => check(self.host_header_config.as_ref(), at, "hostHeaderConfig", |config| {
                exactly_one(&config.values, &config.regex_values)
            }),
            "path-pattern" => check(self.path_pattern_config.as_ref(), at, "pathPatternConfig", |config| {
                exactly_one(&config.values, &config.regex_values)
            }),
            "http-header" => check(self.http_header_config.as_ref(), at, "httpHeaderConfig", |config| {
                exactly_one(&config.values, &config.regex_values)
            }),
            "http-request-method" => {
                check(self.http_request_method_config.as_ref(), at, "httpRequestMethodConfig", |config| {
                    not_empty(&config.values, "values cannot be empty")
                })
            }
            "query-string" => check(self.query_string_config.as_ref(), at, "queryStringConfig", query_string),
            "source-ip" => check(self.source_ip_config.as_ref(), at, "sourceIPConfig", |config| {
                not_empty(&config.values, "values cannot be empty")
            }),
            _ => Vec::new(),
        }
    }
}

/// What is wrong with a configuration: a place below it and the cause.
type Faults = Vec<(String, &'static str)>;

fn check<C>(config: Option<&C>, at: &str, name: &str, faults: impl Fn(&C) -> Faults) -> Vec<ParseError> {
    let Some(config) = config else {
        return vec![ParseError::at_json(format!("missing {name}"), at)];
    };
    let error = |(below, cause): (String, &str)| {
        ParseError::at_json(format!("invalid {name}: {cause}"), format!("{at}/{name}{below}"))
    };
    faults(config).into_iter().map(error).collect()
}

fn exactly_one(values: &[String], regex_values: &[String]) -> Faults {
    match (values.is_empty(), regex_values.is_empty()) {
        (true, true) => vec![(String::new(), "values or regexValues must be specified")],
        (false, false) => vec![(String::new(), "precisely one of values and regexValues can be specified")],
        _ => Vec::new(),
    }
}

fn not_empty<T>(values: &[T], cause: &'static str) -> Faults {
    if values.is_empty() { vec![("/values".to_owned(), cause)] } else { Vec::new() }
}

fn query_string(config: &QueryStringConfig) -> Faults {
    let mut faults = not_empty(&config.values, "Values cannot be empty");
    for (index, pair) in config.values.iter().enumerate() {
        if pair.value.is_empty() {
            faults.push((format!("/values/{index}/value"), "value cannot be empty"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::parse::Pointer;
    use super::*;
    use proptest::prelude::*;

    fn complaints(raw: &str) -> Vec<String> {
        validate(&parse(raw).unwrap()).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn accepts() {
        for raw in [
            "[]",
            "null",
            r#"[{"field":"host-header","hostHeaderConfig":{"values":["a.example.com"]}}]"#,
            r#"[{"field":"path-pattern","pathPatternConfig":{"regexValues":["^/a$"]}}]"#,
            r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"","values":["x"]}}]"#,
            r#"[{"field":"http-request-method","httpRequestMethodConfig":{"Values":["GET"]}}]"#,
            r#"[{"field":"query-string","queryStringConfig":{"values":[{"value":"x"},{"key":"k","value":"y"}]}}]"#,
            r#"[{"field":"source-ip","sourceIPConfig":{"values":["not checked here"]}}]"#,
            r#"[{"Field":"source-ip","SourceIpConfig":{"Values":["192.168.0.0/16"]}}]"#,
        ] {
            assert_eq!(complaints(raw), Vec::<String>::new(), "{raw}");
        }
    }

    #[test]
    fn refuses() {
        let table = [
            (r#"[{"field":"host-header"}]"#, "missing hostHeaderConfig", "/0"),
            (r#"[{"field":"path-pattern"}]"#, "missing pathPatternConfig", "/0"),
            (r#"[{"field":"http-header"}]"#, "missing httpHeaderConfig", "/0"),
            (r#"[{"field":"http-request-method"}]"#, "missing httpRequestMethodConfig", "/0"),
            (r#"[{"field":"query-string"}]"#, "missing queryStringConfig", "/0"),
            (r#"[{"field":"source-ip"}]"#, "missing sourceIPConfig", "/0"),
            (
                r#"[{"field":"host-header","hostHeaderConfig":{}}]"#,
                "invalid hostHeaderConfig: values or regexValues must be specified",
                "/0/hostHeaderConfig",
            ),
            (
                r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a"],"regexValues":["b"]}}]"#,
                "invalid pathPatternConfig: precisely one of values and regexValues can be specified",
                "/0/pathPatternConfig",
            ),
            (
                r#"[{"field":"source-ip","sourceIPConfig":{"values":null}}]"#,
                "invalid sourceIPConfig: values cannot be empty",
                "/0/sourceIPConfig/values",
            ),
            (
                r#"[{"field":"query-string","queryStringConfig":{}}]"#,
                "invalid queryStringConfig: Values cannot be empty",
                "/0/queryStringConfig/values",
            ),
            (
                r#"[{"field":"source-ip","sourceIPConfig":{"values":["::/0"]}},
                    {"field":"query-string","queryStringConfig":{"values":[{"value":"a"},{"key":"k"}]}}]"#,
                "invalid queryStringConfig: value cannot be empty",
                "/1/queryStringConfig/values/1/value",
            ),
        ];
        for (raw, message, pointer) in table {
            let expected = ParseError::at_json(message, pointer);
            assert_eq!(validate(&parse(raw).unwrap()), [expected], "{raw}");
        }
    }

    #[test]
    fn unknown_fields_pass() {
        let conditions = parse(r#"[{"field":"hostheader"},{"field":"source-ip"},{}]"#).unwrap();
        assert_eq!(validate(&conditions).len(), 1);
    }

    #[test]
    fn shapes_are_strict() {
        let error = parse("[{field: host-header}]").unwrap_err();
        assert_eq!(error.at, Some(Pointer::Byte(2)));
        assert_eq!(error.message, "invalid character 'f' looking for beginning of object key string");
        for bad in ["", "{}", "[[]]", r#"[{"field":"source-ip","sourceIPConfig":{"values":"10.0.0.0/8"}}]"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let action = r#"{"type":"fixed-response"}"#;
        assert_eq!(
            parse(action).unwrap_err().message,
            "json: cannot unmarshal object into Go value of type []ingress.RuleCondition"
        );
    }

    #[test]
    fn serialises_as_documented() {
        let raw = r#"[{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.0/8"]}}]"#;
        assert_eq!(serde_json::to_string(&parse(raw).unwrap()).unwrap(), raw);
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            if let Ok(conditions) = parse(&raw) {
                let _ = validate(&conditions);
            }
        }
    }
}
