//! Names of objects: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>.

/// Whether a text is a DNS subdomain name (RFC 1123), like the names of most objects.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}
