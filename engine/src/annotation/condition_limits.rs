//! What the `ELBv2` API refuses of a condition's values though LBC lets it pass.
//!
//! Source: `ELBv2` API reference, `RuleCondition` and the configurations below it
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>).

use super::parse::{ParseError, go_quote, shown};
use super::regex;

/// Longest value of any condition, in characters.
pub const LONGEST: usize = 128;
/// Longest name of a header or method, in characters.
const LONGEST_NAME: usize = 40;

/// AWS counts characters, not bytes.
pub(super) fn too_long(text: &str, limit: usize, what: &str) -> Option<ParseError> {
    let length = text.chars().count();
    let error = || ParseError::new(format!("{what} has {length} characters, AWS takes {limit}"));
    (length > limit).then(|| error().help(format!("shorten it to {limit} characters")))
}

/// What AWS refuses of a host, in a rule's `host` and in a host-header condition alike (API reference: `HostHeaderConditionConfig`): at
/// most 128 of letters, digits, `-`, `_`, `.` and the wildcards `*` and `?`; at least one dot, and letters alone behind the last one. A wildcard
/// there is doubted only: the reference names wildcards and letters in different sentences.
#[must_use]
pub fn host(value: &str) -> Option<ParseError> {
    let name = shown(value);
    if let Some(error) = too_long(value, LONGEST, "the host") {
        return Some(error.help("use a shorter host, or one with a wildcard"));
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
            "*" => "remove the host: the rule then matches every host".to_owned(),
            _ => format!("write the full name of the host, such as {name}.example.com"),
        };
        return Some(ParseError::new(format!("host `{name}` has no dot, but AWS requires one")).help(help));
    };
    if last.is_empty() {
        let message = format!("host `{name}` ends with a dot");
        return Some(ParseError::new(message).help(format!("write {}", shown(stem))));
    }
    let odd = last.chars().find(|c| !c.is_ascii_alphabetic())?;
    let message = format!("host `{name}` has `{odd}` after its last dot, where AWS allows only letters");
    let error = ParseError::new(message).help("write a host that ends with a domain of letters, such as .com");
    Some(if matches!(odd, '*' | '?') { error.doubt() } else { error })
}

/// What AWS does not take in a path's pattern. Of signs of regular expressions it is known to refuse them ("contains a character
/// that is not valid"); others are not among those that the API reference (`PathPatternConditionConfig`) names.
#[must_use]
pub fn path(value: &str) -> Option<ParseError> {
    let is_named = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
    let has = |odd: char| format!("path `{}` has `{odd}` in it, which AWS does not allow in patterns", shown(value));
    if let Some(sign) = value.chars().find(|c| "^()[]{}|\\".contains(*c)) {
        let message = format!("{}; regular expressions need use-regex-path-match or regexValues", has(sign));
        return Some(ParseError::new(message).help("write the path with `*` and `?` alone"));
    }
    value.chars().find(|c| !is_named(*c)).map(|odd| ParseError::new(has(odd)).doubt())
}

/// What every dialect of regular expressions refuses, or the load balancer's dialect lacks.
pub(super) fn expression(value: &str) -> Option<ParseError> {
    let error = |cause| ParseError::new(format!("regular expression `{value}`: {cause}"));
    regex::fault(value).map(|cause| error(cause).help("correct the regular expression"))
}

/// RFC 9110, section 5.6.2: tokens.
pub(super) fn header_name(name: &str) -> Option<ParseError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let (message, help) = if name.is_empty() {
        ("httpHeaderName must be set".to_owned(), "write the name of the header in httpHeaderName")
    } else if name.eq_ignore_ascii_case("host") {
        let message = "httpHeaderName must not be Host: use a host-header condition".to_owned();
        (message, "write a condition with field host-header and hostHeaderConfig")
    } else if !name.bytes().all(is_token) {
        (format!("`{name}` is not a valid header name"), "write a name of letters, digits, hyphens and underscores")
    } else {
        return too_long(name, LONGEST_NAME, "httpHeaderName");
    };
    Some(ParseError::new(message).help(help))
}

/// A method, which AWS compares with regard to case.
pub(super) fn method(value: &str) -> Option<ParseError> {
    if let Some(error) = too_long(value, LONGEST_NAME, "method") {
        return Some(error);
    }
    let is_method =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte));
    if is_method(value) {
        return None;
    }
    let upper = value.to_ascii_uppercase();
    let near = if is_method(&upper) { format!("; did you mean `{upper}`?") } else { String::new() };
    let message =
        format!("`{value}` is not a valid request method: only capitals, hyphens and underscores are allowed{near}");
    Some(ParseError::new(message).help("write the method in capitals, such as GET"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["a.example.com", "*.example.com", "a?.b_c.EXAMPLE.com", "*.com", "my-service.*.terraform.io"] {
            assert_eq!(host(good), None, "{good}");
        }
        for (bad, message, help) in [
            ("app", "has no dot", "such as app.example.com"),
            ("*", "has no dot", "remove the host"),
            ("foo-bar", "has no dot", "such as foo-bar.example.com"),
            ("a.b:80", "has a port in it", "write a.b: "),
            ("https://a.b/c", "has a protocol in it", "write a.b"),
            ("a.b/c", "has `/` in it", "write a.b, and /c as a path"),
            ("a b.com", "has \" \" in it", "letters, digits"),
            ("é.com", "has \"é\" in it", "letters, digits"),
            ("10.0.0.1", "has `1` after its last dot", "such as .com"),
            ("a.c0m", "has `0` after its last dot", "such as .com"),
            ("a.com.", "ends with a dot", "write a.com"),
        ] {
            let error = host(bad).expect(bad);
            assert!(error.message.contains(message) && !error.unfamiliar, "{bad}: {error:?}");
            assert!(error.help.is_some_and(|said| said.contains(help)), "{bad}");
        }
        assert!(host("app.*").is_some_and(|error| error.unfamiliar));
        assert!(host(&format!("{}.com", "a".repeat(125))).is_some());
    }
}
