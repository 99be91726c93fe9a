//! `group.name`: which group an Ingress is in.

use super::parse::ParseError;

/// The longest name, in bytes.
pub const MAX_NAME: usize = 63;

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

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = name(&raw);
        }
    }
}
