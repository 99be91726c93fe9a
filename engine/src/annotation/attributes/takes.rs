//! What values an attribute takes, each with its grammar.

use super::Attribute;
use crate::annotation::parse::{ParseError, go_quote, shown};

/// What values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `true` or `false`
    Bool,
    /// `true` alone: it can't be switched off
    True,
    /// A whole number, both ends included
    Number(u32, u32),
    /// Zero, which switches it off, or a whole number, both ends included
    ZeroOr(u32, u32),
    /// `off` or a whole number, both ends included
    OffOr(u32, u32),
    /// One of these
    OneOf(&'static [&'static str]),
    /// The name of a cookie: none that the load balancer uses itself
    Cookie,
    /// The name of a header
    Header,
    /// The value of a response header
    HeaderValue,
    /// `true` or `false`, which a browser reads
    Credentials,
    /// `nosniff`
    NoSniff,
    /// Seconds; -1 switches a browser's cache off
    MaxAge,
    /// Whether and where a page may be framed
    FrameOptions,
    /// Directives of Strict-Transport-Security
    TransportSecurity,
    /// The name of a bucket in S3
    Bucket,
    /// What the keys of a bucket's objects begin with
    Prefix,
}

/// Longest value of an attribute (API reference: `LoadBalancerAttribute`, `ListenerAttribute`: 1 KB).
const LONGEST: usize = 1024;

/// What AWS takes in the value of a response header, beside letters and digits:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/header-modification.html>. A double quote is not among them: "contains
/// invalid characters" (LBC #4097, #3986).
const OF_HEADERS: &str = "_ :;.,\\/'?!(){}[]@<>=-+*#&`|~^%";

/// What no attribute's value may have, whatever the key: quotes and white space round it, control characters, too much of it.
#[must_use]
pub(super) fn text_fault(key: &str, value: &str) -> Option<ParseError> {
    let length = value.chars().count();
    if length > LONGEST {
        let message = format!("attribute {key} has {length} characters, AWS takes {LONGEST}");
        return Some(ParseError::new(message).help("write a shorter value"));
    }
    let trimmed = value.trim();
    if trimmed != value {
        let message = format!("attribute {key} is {}: there is white space round the value", go_quote(&shown(value)));
        return Some(ParseError::new(message).help(format!("write {key}={}", shown(trimmed))));
    }
    if let Some(odd) = value.chars().find(|c| c.is_control()) {
        let message = format!(
            "attribute {key} is {}: the value has the control character {} in it",
            go_quote(&shown(value)),
            go_quote(&odd.to_string())
        );
        return Some(ParseError::new(message).help("write the value on one line, with spaces alone"));
    }
    let single =
        value.len() > 1 && value.starts_with('\'') && value.ends_with('\'') && value.matches('\'').count() == 2;
    if single || value.contains('"') {
        let bare = if single { value.trim_matches('\'').to_owned() } else { value.replace('"', "") };
        let message = format!("attribute {key} is {}: quotes are taken as part of the value", shown(value));
        return Some(ParseError::new(message).help(format!("leave the quotes out: {key}={}", shown(&bare))));
    }
    None
}

impl Attribute {
    /// What is wrong with a value.
    #[must_use]
    pub fn fault(&self, value: &str) -> Option<ParseError> {
        if let Some(fault) = text_fault(self.key, value) {
            return Some(fault);
        }
        if self.takes.fits(value) {
            return None;
        }
        let shown: String = value.chars().take(60).collect();
        let message = format!("attribute {} is `{shown}`: {} belongs there", self.key, self.takes);
        // Nothing says whether AWS minds capitals in words.
        let is_word = matches!(self.takes, Takes::Bool | Takes::True | Takes::OneOf(_));
        let only_case = is_word && self.takes.fits(&value.to_ascii_lowercase());
        Some(if only_case { ParseError::new(message).doubt() } else { ParseError::new(message) })
    }
}

impl Takes {
    /// Whether a value is one of those.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        let within = |min: u32, max: u32| {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            digits && value.parse::<u32>().is_ok_and(|number| (min..=max).contains(&number))
        };
        match self {
            Self::Bool => matches!(value, "true" | "false"),
            Self::True => value == "true",
            Self::Number(min, max) => within(min, max),
            Self::ZeroOr(min, max) => value == "0" || within(min, max),
            Self::OffOr(min, max) => value == "off" || within(min, max),
            Self::OneOf(words) => words.contains(&value),
            Self::Cookie => !value.to_ascii_uppercase().starts_with("AWSALB"),
            Self::Header => {
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }
            // An empty value takes a header out again.
            _ if value.is_empty() && self.is_of_header() => true,
            Self::HeaderValue => value.chars().all(|c| c.is_ascii_alphanumeric() || OF_HEADERS.contains(c)),
            Self::Credentials => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
            Self::NoSniff => value.eq_ignore_ascii_case("nosniff"),
            Self::MaxAge => value == "-1" || is_number(value),
            Self::FrameOptions => is_frame_option(value),
            Self::TransportSecurity => is_transport_security(value),
            Self::Bucket => value.is_empty() || is_bucket(value),
            Self::Prefix => is_prefix(value),
        }
    }
}

impl Takes {
    /// Whether it is the value of a response header.
    const fn is_of_header(self) -> bool {
        matches!(
            self,
            Self::HeaderValue
                | Self::Credentials
                | Self::NoSniff
                | Self::MaxAge
                | Self::FrameOptions
                | Self::TransportSecurity
        )
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// <https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Frame-Options>; `ALLOW-FROM` is obsolete, and AWS's console has it.
fn is_frame_option(value: &str) -> bool {
    let allows = |origin: &str| !origin.trim().is_empty() && origin.starts_with(' ');
    ["DENY", "SAMEORIGIN"].iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.to_ascii_uppercase().strip_prefix("ALLOW-FROM").is_some_and(allows)
}

/// RFC 6797, section 6.1: directives separated by `;`, `max-age` once, and in any order.
fn is_transport_security(value: &str) -> bool {
    let directives = || value.split(';').map(str::trim).filter(|directive| !directive.is_empty());
    let age = |directive: &str| {
        let (name, seconds) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| is_number(seconds.trim()))
    };
    let plain =
        |directive: &str| ["includeSubDomains", "preload"].iter().any(|word| directive.eq_ignore_ascii_case(word));
    directives().filter_map(age).count() == 1
        && directives().all(|directive| age(directive).unwrap_or_else(|| plain(directive)))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>, general purpose buckets.
fn is_bucket(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && !name.contains("..")
        && !is_address
        && !["xn--", "sthree-"].iter().any(|reserved| name.starts_with(reserved))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|reserved| name.ends_with(reserved))
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html>: a prefix must not have `AWSLogs` in it, which
/// the load balancer adds.
fn is_prefix(prefix: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/!-_.*'()&$@=;:+ ,?".contains(&byte);
    prefix.bytes().all(safe) && !prefix.contains("AWSLogs")
}

impl std::fmt::Display for Takes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::True => f.write_str("true, which can't be changed,"),
            Self::Number(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::ZeroOr(min, max) => write!(f, "0 or a whole number from {min} to {max}"),
            Self::OffOr(min, u32::MAX) => write!(f, "off or a whole number from {min}"),
            Self::OffOr(min, max) => write!(f, "off or a whole number from {min} to {max}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Cookie => f.write_str("a cookie's name that doesn't begin with AWSALB"),
            Self::Header => f.write_str("a header's name"),
            Self::HeaderValue => f.write_str("text of at most 1024 characters without double quotes"),
            Self::Credentials => f.write_str("true or false"),
            Self::NoSniff => f.write_str("nosniff"),
            Self::MaxAge => f.write_str("a whole number of seconds or -1"),
            Self::FrameOptions => f.write_str("DENY or SAMEORIGIN"),
            Self::TransportSecurity => f.write_str("max-age=SECONDS, then includeSubDomains and preload if wanted, with `;` between"),
            Self::Bucket => f.write_str(
                "the name of a bucket (3 to 63 lower-case letters, digits, `-` and `.`, a letter or digit at both ends)",
            ),
            Self::Prefix => f.write_str("a prefix of object keys without AWSLogs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(takes: Takes, fitting: &[&str], other: &[&str]) {
        for value in fitting {
            assert!(takes.fits(value), "{takes:?} {value}");
        }
        for value in other {
            assert!(!takes.fits(value), "{takes:?} {value}");
        }
    }

    #[test]
    fn values_of_headers() {
        fits(
            Takes::TransportSecurity,
            &["", "max-age=600", "max-age=31536000; includeSubDomains; preload", "includesubdomains;MAX-AGE=1;"],
            &[
                "600",
                "max-age",
                "max-age=",
                "max-age=1y",
                "max-age=-1",
                "includeSubDomains",
                "max-age=1, preload",
                "max-age=1;max-age=2",
            ],
        );
        fits(Takes::Credentials, &["true", "True", "false", ""], &["yes", "1"]);
        fits(Takes::NoSniff, &["nosniff", "NoSniff", ""], &["sniff", "true"]);
        fits(Takes::MaxAge, &["0", "86400", "-1", ""], &["1h", "-2", "1.5", "99999999999"]);
        fits(
            Takes::FrameOptions,
            &["DENY", "sameorigin", "ALLOW-FROM https://a.b"],
            &["SAME-ORIGIN", "ALLOW-FROM", "no"],
        );
        fits(Takes::HeaderValue, &["*", "https://a.b:8443", "default-src 'self'; img-src *"], &["a$", "é"]);
    }

    #[test]
    fn places_of_logs() {
        fits(
            Takes::Bucket,
            &["", "my-logs", "logs.123456789012", "a1b"],
            &[
                "My-logs",
                "ab",
                "my_logs",
                "-logs",
                "logs-",
                "a..b",
                "192.168.5.4",
                "s3://logs",
                "arn:aws:s3:::logs",
                "xn--logs",
                "logs-s3alias",
            ],
        );
        fits(Takes::Prefix, &["", "shop", "team/shop", "k8s=1"], &["shöp", "AWSLogs", "shop/AWSLogs/x", "a\\b"]);
    }

    #[test]
    fn what_no_value_has() {
        for (value, help) in [
            ("\"max-age=600\"", "leave the quotes out: k=max-age=600"),
            ("max-age=\"31536000;preload\"", "leave the quotes out: k=max-age=31536000;preload"),
            ("'max-age=600'", "leave the quotes out: k=max-age=600"),
            (" a", "write k=a"),
            ("a\n", "write k=a"),
            ("a\nb", "write the value on one line, with spaces alone"),
            ("a\u{1b}[0m", "write the value on one line, with spaces alone"),
        ] {
            assert_eq!(text_fault("k", value).and_then(|error| error.help).as_deref(), Some(help), "{value:?}");
        }
        assert_eq!(
            text_fault("k", &"x".repeat(1025)).map(|error| error.message).as_deref(),
            Some("attribute k has 1025 characters, AWS takes 1024")
        );
        for value in ["", "a b", "default-src 'self' 'unsafe-inline'", "frame-ancestors 'none'"] {
            assert_eq!(text_fault("k", value), None, "{value}");
        }
    }
}
