//! What the `ELBv2` API refuses in a condition though LBC lets it pass.
//!
//! Source: `ELBv2` API reference, `RuleCondition` and the configurations below it
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>).

use super::cidr::Cidr;
use super::condition::{Condition, FIELDS};
use super::nearest::did_you_mean;
use super::parse::{ParseError, Pointer, go_quote, shown};
use super::regex;

/// Longest value of any condition, in characters.
pub const LONGEST: usize = 128;
/// Longest name of a header or method, in characters.
const LONGEST_NAME: usize = 40;

/// Everything in the list that AWS would refuse, and conditions that would be dropped without a word.
#[must_use]
pub fn limits(conditions: &[Condition]) -> Vec<ParseError> {
    let mut found = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        one(condition, &format!("/{index}"), &mut found);
    }
    found
}

fn one(condition: &Condition, at: &str, found: &mut Vec<ParseError>) {
    match condition.field.as_str() {
        "host-header" => {
            let Some(config) = &condition.host_header_config else { return };
            texts(&config.values, &format!("{at}/hostHeaderConfig/values"), host, found);
            texts(&config.regex_values, &format!("{at}/hostHeaderConfig/regexValues"), expression, found);
        }
        "path-pattern" => {
            let Some(config) = &condition.path_pattern_config else { return };
            texts(&config.values, &format!("{at}/pathPatternConfig/values"), path, found);
            texts(&config.regex_values, &format!("{at}/pathPatternConfig/regexValues"), expression, found);
        }
        "http-header" => {
            let Some(config) = &condition.http_header_config else { return };
            if let Some(fault) = header_name(&config.http_header_name) {
                found.push(ParseError::at_json(fault, format!("{at}/httpHeaderConfig/httpHeaderName")));
            }
            texts(&config.values, &format!("{at}/httpHeaderConfig/values"), |_| None, found);
            texts(&config.regex_values, &format!("{at}/httpHeaderConfig/regexValues"), expression, found);
        }
        "http-request-method" => {
            let Some(config) = &condition.http_request_method_config else { return };
            texts(&config.values, &format!("{at}/httpRequestMethodConfig/values"), method, found);
        }
        "query-string" => {
            let Some(config) = &condition.query_string_config else { return };
            for (index, pair) in config.values.iter().enumerate() {
                for (field, text) in [("key", pair.key.as_deref().unwrap_or_default()), ("value", &pair.value)] {
                    let place = format!("{at}/queryStringConfig/values/{index}/{field}");
                    found.extend(too_long(text, LONGEST, field).map(|message| ParseError::at_json(message, place)));
                }
            }
        }
        "source-ip" => {
            let Some(config) = &condition.source_ip_config else { return };
            let cidr = |value: &str| Cidr::parse(value).err();
            texts(&config.values, &format!("{at}/sourceIPConfig/values"), cidr, found);
        }
        // LBC drops such a condition, and the rule then matches more than its author wanted.
        field => {
            let near = did_you_mean(field, FIELDS);
            let message = format!("field `{field}` must be one of {}{near}", FIELDS.join(", "));
            found.push(ParseError::at_json(message, format!("{at}/field")));
        }
    }
}

fn texts(values: &[String], at: &str, fault: impl Fn(&str) -> Option<ParseError>, found: &mut Vec<ParseError>) {
    for (index, value) in values.iter().enumerate() {
        let error = match value.as_str() {
            "" => Some(ParseError::new("a value must not be empty")),
            value => too_long(value, LONGEST, "value").map(ParseError::new).or_else(|| fault(value)),
        };
        let here = || Some(Pointer::Json(format!("{at}/{index}")));
        found.extend(error.map(|error| ParseError { at: here(), ..error }));
    }
}

fn too_long(text: &str, limit: usize, what: &str) -> Option<String> {
    let length = text.chars().count();
    (length > limit).then(|| format!("{what} has {length} characters, AWS takes {limit}"))
}

/// What AWS refuses of a host, in a rule's `host` and in a host-header condition alike (API reference: `HostHeaderConditionConfig`): at
/// most 128 of letters, digits, `-`, `_`, `.` and the wildcards `*` and `?`; at least one dot, and letters alone behind the last one. A wildcard
/// there is doubted only: the reference names wildcards and letters in different sentences.
#[must_use]
pub fn host(value: &str) -> Option<ParseError> {
    let name = shown(value);
    if let Some(message) = too_long(value, LONGEST, "the host") {
        return Some(ParseError::new(message).help("use a shorter host, or one with a wildcard"));
    }
    if let Some((_, rest)) = value.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return Some(
            ParseError::new(format!("host `{name}` has a protocol in it; leave the protocol out"))
                .help(format!("write {}", shown(host))),
        );
    }
    if let Some((host, path)) = value.split_once('/') {
        return Some(ParseError::new(format!("host `{name}` has `/` in it")).help(format!(
            "write {}, and /{} as a path",
            shown(host),
            shown(path)
        )));
    }
    if let Some((host, _)) = value.split_once(':') {
        let help = format!("write {}: hosts are compared without their port, or by regexValues", shown(host));
        return Some(ParseError::new(format!("host `{name}` has a port in it")).help(help));
    }
    if let Some(odd) = value.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.*?".contains(*c))) {
        return Some(
            ParseError::new(format!("host `{name}` has {} in it", go_quote(&odd.to_string())))
                .help("write a host of letters, digits, `-`, `_`, `.` and the wildcards `*` and `?`"),
        );
    }
    let Some((stem, last)) = value.rsplit_once('.') else {
        let help = match value {
            "*" => "leave the host out: the rule then takes every host".to_owned(),
            _ => format!("write the full name of the host, such as {name}.example.com"),
        };
        return Some(ParseError::new(format!("host `{name}` has no dot, and AWS asks for one")).help(help));
    };
    if last.is_empty() {
        let message = format!("host `{name}` ends with a dot");
        return Some(ParseError::new(message).help(format!("write {}", shown(stem))));
    }
    let odd = last.chars().find(|c| !c.is_ascii_alphabetic())?;
    let message = format!("host `{name}` has `{odd}` behind its last dot, where AWS takes letters alone");
    let error = ParseError::new(message).help("write a host that ends with a domain of letters, such as .com");
    Some(if matches!(odd, '*' | '?') { error.doubt() } else { error })
}

/// What AWS does not take in a path's pattern. Of signs of regular expressions it is known to refuse them ("contains a character
/// that is not valid"); others are not among those that the API reference (`PathPatternConditionConfig`) names.
#[must_use]
pub fn path(value: &str) -> Option<ParseError> {
    let is_named = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
    let has = |odd: char| format!("path `{}` has `{odd}` in it, which AWS does not take in patterns", shown(value));
    if let Some(sign) = value.chars().find(|c| "^()[]{}|\\".contains(*c)) {
        let message = format!("{}; regular expressions need use-regex-path-match or regexValues", has(sign));
        return Some(ParseError::new(message));
    }
    value.chars().find(|c| !is_named(*c)).map(|odd| ParseError::new(has(odd)).doubt())
}

fn expression(value: &str) -> Option<ParseError> {
    regex::fault(value).map(|cause| ParseError::new(format!("regular expression `{value}`: {cause}")))
}

/// RFC 9110, section 5.6.2: tokens.
fn header_name(name: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() {
        return Some("httpHeaderName must be set".to_owned());
    }
    if name.eq_ignore_ascii_case("host") {
        return Some("the header Host can't be asked for, a host-header condition does that".to_owned());
    }
    if !name.bytes().all(is_token) {
        return Some(format!("`{name}` can't be a header's name"));
    }
    too_long(name, LONGEST_NAME, "httpHeaderName")
}

fn method(value: &str) -> Option<ParseError> {
    if let Some(message) = too_long(value, LONGEST_NAME, "method") {
        return Some(ParseError::new(message));
    }
    let is_method =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte));
    if is_method(value) {
        return None;
    }
    let upper = value.to_ascii_uppercase();
    let near = if is_method(&upper) { format!("; did you mean `{upper}`?") } else { String::new() };
    let message = format!("`{value}` is no request method: capitals, hyphens and underscores make one{near}");
    Some(ParseError::new(message))
}

#[cfg(test)]
mod tests {
    use super::super::condition::parse;
    use super::*;

    fn messages(raw: &str) -> Vec<String> {
        limits(&parse(raw).unwrap()).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn what_aws_takes() {
        for raw in [
            "[]",
            r#"[{"field":"host-header","hostHeaderConfig":{"values":["*.example.com","a?.example.com"]}}]"#,
            r#"[{"field":"path-pattern","pathPatternConfig":{"regexValues":["^/v[0-9]+/.*$"]}}]"#,
            r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-Canary","values":["a*"]}}]"#,
            r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET","MY-METHOD_"]}}]"#,
            r#"[{"field":"query-string","queryStringConfig":{"values":[{"key":"a","value":"b"}]}}]"#,
            r#"[{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.0/8","::/0"]}}]"#,
        ] {
            assert_eq!(messages(raw), Vec::<String>::new(), "{raw}");
        }
    }

    #[test]
    fn hosts() {
        for good in ["a.example.com", "*.example.com", "a?.b_c.EXAMPLE.com", "*.com", "my-service.*.terraform.io"] {
            assert_eq!(host(good), None, "{good}");
        }
        for (bad, message, help) in [
            ("app", "has no dot", "such as app.example.com"),
            ("*", "has no dot", "leave the host out"),
            ("foo-bar", "has no dot", "such as foo-bar.example.com"),
            ("a.b:80", "has a port in it", "write a.b: "),
            ("https://a.b/c", "has a protocol in it", "write a.b"),
            ("a.b/c", "has `/` in it", "write a.b, and /c as a path"),
            ("a b.com", "has \" \" in it", "letters, digits"),
            ("é.com", "has \"é\" in it", "letters, digits"),
            ("10.0.0.1", "has `1` behind its last dot", "such as .com"),
            ("a.c0m", "has `0` behind its last dot", "such as .com"),
            ("a.com.", "ends with a dot", "write a.com"),
        ] {
            let error = host(bad).expect(bad);
            assert!(error.message.contains(message) && !error.unfamiliar, "{bad}: {error:?}");
            assert!(error.help.is_some_and(|said| said.contains(help)), "{bad}");
        }
        assert!(host("app.*").is_some_and(|error| error.unfamiliar));
        assert!(host(&format!("{}.com", "a".repeat(125))).is_some());
    }

    #[test]
    fn what_aws_refuses() {
        let long = "x".repeat(129);
        for (raw, expected) in [
            (
                format!(r#"[{{"field":"path-pattern","pathPatternConfig":{{"values":["/{long}"]}}}}]"#),
                "value has 130 characters, AWS takes 128",
            ),
            (
                r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a(/|$)(.*)"]}}]"#.into(),
                "has `(` in it, which AWS does not take in patterns; regular expressions need",
            ),
            (r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a,b"]}}]"#.into(), "has `,` in it"),
            (r#"[{"field":"host-header","hostHeaderConfig":{"values":[""]}}]"#.into(), "a value must not be empty"),
            (
                r#"[{"field":"host-header","hostHeaderConfig":{"regexValues":["*.a.com"]}}]"#.into(),
                "nothing before `*`",
            ),
            (
                r#"[{"field":"host-header","hostHeaderConfig":{"values":["https://a.com"]}}]"#.into(),
                "leave the protocol out",
            ),
            (
                r#"[{"field":"host-header","hostHeaderConfig":{"values":["a.com:8443"]}}]"#.into(),
                "host `a.com:8443` has a port in it",
            ),
            (r#"[{"field":"http-header","httpHeaderConfig":{"values":["a"]}}]"#.into(), "httpHeaderName must be set"),
            (
                r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"HOST","values":["a"]}}]"#.into(),
                "a host-header condition does that",
            ),
            (
                r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"a b","values":["a"]}}]"#.into(),
                "`a b` can't be a header's name",
            ),
            (
                r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["get"]}}]"#.into(),
                "did you mean `GET`?",
            ),
            (
                r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["*"]}}]"#.into(),
                "`*` is no request method",
            ),
            (
                r#"[{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.7"]}}]"#.into(),
                "did you mean `10.0.0.7/32`?",
            ),
            (r#"[{"field":"host_header"}]"#.into(), "did you mean `host-header`?"),
        ] {
            let found = messages(&raw);
            assert!(found.len() == 1 && found[0].contains(expected), "{raw}: {found:?}");
        }
    }
}
