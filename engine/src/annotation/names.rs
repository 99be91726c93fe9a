//! Labels as Kubernetes takes them: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>.

use super::parse::shown;
use crate::kinds::is_subdomain;

/// What keeps a text from being a label's key, if anything.
#[must_use]
pub fn label_key(key: &str) -> Option<String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Some(format!("label `{}`: what stands before the slash must be a DNS name in lower case", shown(key)));
    }
    (name.is_empty() || !is_label_text(name)).then(|| format!("`{}` can't be a label's key: {LABEL_TEXT}", shown(key)))
}

/// What keeps a text from being a label's value, if anything.
#[must_use]
pub fn label_value(value: &str) -> Option<String> {
    (!is_label_text(value)).then(|| format!("`{}` can't be a label's value: {LABEL_TEXT}", shown(value)))
}

const LABEL_TEXT: &str = "at most 63 letters, digits, `-`, `_` and `.` make one, with a letter or digit at both ends";

fn is_label_text(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels() {
        for (text, expected) in [
            ("oidc", true),
            ("a.b-c.1", true),
            ("", false),
            ("a/b", false),
            ("../x", false),
            ("a%2fb", false),
            ("a?b", false),
            ("Oidc", false),
            ("-a", false),
            ("a..b", false),
            ("a\n", false),
            ("a_b", false),
        ] {
            assert_eq!(is_subdomain(text), expected, "{text}");
        }
        assert!(!is_subdomain(&"a".repeat(254)));
        for key in ["role", "node.kubernetes.io/instance-type", "A_b.c"] {
            assert_eq!(label_key(key), None, "{key}");
        }
        for key in ["", "/a", "a/", "A/b", "a b", "-a", "a/b/c"] {
            assert!(label_key(key).is_some(), "{key}");
        }
        assert_eq!(label_value(""), None);
        assert!(label_value("a b").is_some());
    }
}
