//! Regular expressions of rules: what every dialect refuses, and what the ALB's lacks.
//!
//! Source: ALB user guide, "Listener rules" (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html>):
//! no lookaheads, lookbehinds, backreferences, atomic groups, possessive quantifiers, subroutines, recursion and no
//! Unicode character classes.

/// What is wrong with an expression, if anything that can be told without knowing the dialect in full.
#[must_use]
pub fn fault(text: &str) -> Option<String> {
    let mut scanner = Scanner { chars: text.chars().collect(), at: 0, open: 0 };
    scanner.alternatives().err()
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    open: usize,
}

impl Scanner {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn rest_starts(&self, with: &str) -> bool {
        with.chars().enumerate().all(|(index, c)| self.chars.get(self.at + index) == Some(&c))
    }

    fn alternatives(&mut self) -> Result<(), String> {
        // Whether something stands before the cursor that a quantifier can repeat.
        let mut repeatable = false;
        while let Some(c) = self.peek() {
            self.at += 1;
            repeatable = match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => {
                    self.group()?;
                    false
                }
                ')' => {
                    self.open = self.open.checked_sub(1).ok_or("it has a `)` without its `(`")?;
                    true
                }
                '|' | '^' => false,
                '*' | '+' | '?' if !repeatable => {
                    return Err(format!("there is nothing before `{c}` that it could repeat"));
                }
                '*' | '+' | '?' => self.quantifier()?,
                _ => true,
            };
        }
        if self.open == 0 { Ok(()) } else { Err("it has a `(` without its `)`".to_owned()) }
    }

    fn escape(&mut self) -> Result<bool, String> {
        let Some(c) = self.peek() else { return Err("it ends in a backslash".to_owned()) };
        self.at += 1;
        match c {
            '1'..='9' | 'k' => Err(format!("the backreference `\\{c}` is not supported by ALBs")),
            'p' | 'P' => Err(format!("the Unicode character class `\\{c}` is not supported by ALBs")),
            'g' => Err("the subroutine `\\g` is not supported by ALBs".to_owned()),
            // Assertions repeat in some dialects and not in others.
            _ => Ok(true),
        }
    }

    fn class(&mut self) -> Result<bool, String> {
        if self.peek() == Some('^') {
            self.at += 1;
        }
        // A bracket in the first place is a member.
        if self.peek() == Some(']') {
            self.at += 1;
        }
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                ']' => return Ok(true),
                '\\' => {
                    if matches!(self.peek(), Some('p' | 'P')) {
                        return Err("Unicode character classes such as `\\p` are not supported by ALBs".to_owned());
                    }
                    self.at += 1;
                }
                _ => {}
            }
        }
        Err("it has a `[` without its `]`".to_owned())
    }

    fn group(&mut self) -> Result<(), String> {
        self.open += 1;
        if self.peek() != Some('?') {
            return Ok(());
        }
        for (start, what) in [
            ("?<=", "lookbehinds"),
            ("?<!", "lookbehinds"),
            ("?=", "lookaheads"),
            ("?!", "lookaheads"),
            ("?>", "atomic groups"),
            ("?R", "recursions"),
            ("?&", "subroutines"),
            ("?P>", "subroutines"),
            ("?P=", "backreferences"),
        ] {
            if self.rest_starts(start) {
                return Err(format!("`({start}`: {what} are not supported by ALBs"));
            }
        }
        // `(?:`, `(?i)`, `(?P<name>`: up to here it repeats nothing.
        while self.peek().is_some_and(|c| c == '?' || c.is_ascii_alphabetic() || c == '-') {
            self.at += 1;
        }
        if self.peek() == Some(':') {
            self.at += 1;
        }
        Ok(())
    }

    /// After a quantifier: `?` makes it lazy, `+` possessive.
    fn quantifier(&mut self) -> Result<bool, String> {
        match self.peek() {
            Some('?') => {
                self.at += 1;
                Ok(false)
            }
            Some('+') => Err("possessive quantifiers are not supported by ALBs".to_owned()),
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_albs_take() {
        for good in [
            "",
            "^/api/(v[0-9]+)/.*$",
            "a|b",
            "(?i)^/x",
            "(?:a|b)+?c",
            "(?P<name>a)",
            "(?<name>a)*",
            r"\d{2,3}\.[]a]\w[^]]",
            r"[\]\\]+",
            "a{2}",
            "()",
            "(a)+b*c?d??",
            "^$",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
    }

    #[test]
    fn what_they_refuse() {
        for (bad, cause) in [
            ("(a", "it has a `(` without its `)`"),
            ("a)", "it has a `)` without its `(`"),
            ("[a", "it has a `[` without its `]`"),
            ("[]", "it has a `[` without its `]`"),
            ("a\\", "it ends in a backslash"),
            ("*.example.com", "there is nothing before `*` that it could repeat"),
            ("a|+", "there is nothing before `+` that it could repeat"),
            ("(*a)", "there is nothing before `*` that it could repeat"),
            ("a**", "there is nothing before `*` that it could repeat"),
            ("(?=a)", "`(?=`: lookaheads are not supported by ALBs"),
            ("(?!a)", "`(?!`: lookaheads are not supported by ALBs"),
            ("(?<=a)b", "`(?<=`: lookbehinds are not supported by ALBs"),
            ("(?>a)", "`(?>`: atomic groups are not supported by ALBs"),
            (r"(a)\1", "the backreference `\\1` is not supported by ALBs"),
            (r"\p{L}", "the Unicode character class `\\p` is not supported by ALBs"),
            ("a++", "possessive quantifiers are not supported by ALBs"),
        ] {
            assert_eq!(fault(bad).as_deref(), Some(cause), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), near in r"[()\[\]?*+|\\a1pk<=!^-]{0,12}") {
            let _ = (fault(&text), fault(&near));
        }

        // Literals that are escaped are always an expression.
        #[test]
        fn escaped_text_is_taken(text in "[a-z./*+?()\\[\\]|^$-]{0,20}") {
            let escaped: String = text.chars().flat_map(|c| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect();
            prop_assert_eq!(fault(&escaped), None, "{}", escaped);
        }
    }
}
