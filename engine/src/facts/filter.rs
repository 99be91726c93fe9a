//! Values of filters as EC2 reads them: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>.

/// Whether a tag's value passes a filter's: `*` stands for no or more characters, `?` for one, and a backslash takes the
/// next character as it is. Case counts.
#[must_use]
pub fn passes(filter: &str, value: &str) -> bool {
    let (parts, value) = (parts(filter), value.chars().collect::<Vec<_>>());
    // Behind the last `*` so far: where the filter goes on, and the next place in the value to try it from.
    let mut again: Option<(usize, usize)> = None;
    let (mut part, mut place) = (0, 0);
    loop {
        let fits = match (parts.get(part), value.get(place)) {
            (None, None) => return true,
            (Some(Part::Many), _) => {
                part += 1;
                again = Some((part, place + 1));
                continue;
            }
            (Some(Part::One), Some(_)) => true,
            (Some(Part::Char(wanted)), Some(found)) => wanted == found,
            _ => false,
        };
        (part, place) = match again {
            _ if fits => (part + 1, place + 1),
            Some((part, place)) if place <= value.len() => {
                again = Some((part, place + 1));
                (part, place)
            }
            _ => return false,
        };
    }
}

enum Part {
    Many,
    One,
    Char(char),
}

fn parts(filter: &str) -> Vec<Part> {
    let mut chars = filter.chars();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Many,
            '?' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or(c)),
            c => Part::Char(c),
        });
    }
    parts
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
