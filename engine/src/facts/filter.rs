//! Values of filters as EC2 reads them: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>.

use crate::glob::{Escapes, Glob, Syntax};

/// Whether the value of a tag matches the value of a filter: `*` matches any number of characters, `?` matches one, and a backslash takes the
/// next character literally. It is case-sensitive.
#[must_use]
pub fn passes(filter: &str, value: &str) -> bool {
    Glob::new(filter, Syntax { fold_case: false, escapes: Escapes::All }).matches(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (filter, value, expected) in [
            ("web", "web", true),
            ("web", "Web", false),
            ("web", "web1", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("web-*", "web-", true),
            ("web-*", "web-a-b", true),
            ("*-b", "web-a-b", true),
            ("*-b*", "a-ab-bc", true),
            ("*-b", "web-b-a", false),
            ("a*b*c", "abbbc", true),
            ("a*b*c", "acb", false),
            ("w?b", "wéb", true),
            ("w?b", "wb", false),
            (r"w\*b", "w*b", true),
            (r"w\*b", "wxb", false),
            (r"w\\", r"w\", true),
        ] {
            assert_eq!(passes(filter, value), expected, "{filter} {value}");
        }
    }
}
