//! `group.name` and `group.order`: which group an Ingress is in, and its place there.

use super::parse::{ParseError, go_int32};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 63;

/// The ends of `group.order`, both inclusive.
pub const ORDER: std::ops::RangeInclusive<i32> = -1000..=1000;

/// Checks a group's name: lower case letters and digits, between them also `-` and `.`, at most 63 bytes.
///
/// # Errors
/// As LBC's events put it, characters before length. An empty name is a wrong one.
pub fn name(raw: &str) -> Result<&str, ParseError> {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = raw.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    if !ends.is_some_and(|(first, last)| is_end(*first) && is_end(*last))
        || !bytes.iter().all(|byte| is_end(*byte) || matches!(byte, b'-' | b'.'))
    {
        return Err(ParseError::new(
            "groupName must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
             alphanumeric character",
        ));
    }
    if bytes.len() > MAX_NAME {
        return Err(ParseError::new("groupName must be no more than 63 characters"));
    }
    Ok(raw)
}

/// Reads a place in the group; `ingress` is namespace/name, for the message.
///
/// # Errors
/// When it is no number or none from -1000 to 1000.
pub fn order(raw: &str, ingress: &str) -> Result<i32, ParseError> {
    let order = go_int32(raw)?;
    if !ORDER.contains(&order) {
        return Err(ParseError::new(format!(
            "explicit Ingress group order must be within [-1000:1000], Ingress: {ingress}, order: {order}"
        )));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names() {
        for good in ["a", "0", "a.b-c", "team-1", "a--b..c", &"x".repeat(63)] {
            assert_eq!(name(good), Ok(good));
        }
        for bad in ["", "-a", "a-", ".a", "a.", "A", "a_b", "a b", "a\n", "ä", &format!("{}-", "x".repeat(80))] {
            assert!(name(bad).unwrap_err().message.starts_with("groupName must consist of"), "{bad}");
        }
        assert_eq!(name(&"x".repeat(64)).unwrap_err().message, "groupName must be no more than 63 characters");
    }

    #[test]
    fn orders() {
        for (raw, expected) in [("0", 0), ("-1000", -1000), ("1000", 1000), ("+5", 5)] {
            assert_eq!(order(raw, "a/b"), Ok(expected));
        }
        assert_eq!(
            order("1001", "a/b").unwrap_err().message,
            "explicit Ingress group order must be within [-1000:1000], Ingress: a/b, order: 1001"
        );
        assert!(order("1.5", "a/b").unwrap_err().message.ends_with("invalid syntax"));
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = (name(&raw), order(&raw, ""));
        }
    }
}
