//! HTTPS endpoints of identity providers, as the `ELBv2` API wants them: "a full URL, including the HTTPS protocol, the
//! domain, and the path" (API reference: `AuthenticateOidcActionConfig`, `JwtValidationActionConfig`).

use super::parse::ParseError;

/// What is wrong with a member that holds a URL, if it holds anything. `shown`: the text is no secret.
#[must_use]
pub fn fault(field: &str, text: &str, shown: bool) -> Option<ParseError> {
    let cause = https_fault(text).filter(|_| !text.is_empty())?;
    let value = if shown { format!(" `{text}`") } else { String::new() };
    let error = ParseError::new(format!("{field}{value} {cause}"));
    Some(error.help(format!("write {field} as a full URL: https://HOST/PATH")))
}

/// What keeps a text from being an HTTPS URL, if anything. The answer never repeats the text: it may hold a secret.
#[must_use]
fn https_fault(text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("has white space in it");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("must be a URL that starts with https://");
    };
    if !scheme.eq_ignore_ascii_case("https") {
        return Some("must be a URL that starts with https://");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("must not hold a user name or password");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|number| number > 0)) {
        return Some("has a port that is none");
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.is_empty() {
        return Some("names no host");
    }
    if !host.split('.').all(is_label) {
        return Some("names a host that can't be one");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls() {
        for good in ["https://id.example.com", "https://id.example.com:8443/a?b=c", "HTTPS://a.b/", "https://x/y"] {
            assert_eq!(https_fault(good), None, "{good}");
        }
        for (bad, cause) in [
            ("", "must be a URL that starts with https://"),
            ("id.example.com", "must be a URL that starts with https://"),
            ("http://id.example.com", "must be a URL that starts with https://"),
            ("https://", "names no host"),
            ("https:///path", "names no host"),
            ("https://<tenant>.example.com", "names a host that can't be one"),
            ("https://a..b", "names a host that can't be one"),
            ("https://a b", "has white space in it"),
            ("https://a\n", "has white space in it"),
            ("https://u:p@a/", "must not hold a user name or password"),
            ("https://a:0/", "has a port that is none"),
        ] {
            assert_eq!(https_fault(bad), Some(cause), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = https_fault(&text);
        }
    }
}
