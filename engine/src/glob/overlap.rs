//! Whether two patterns have a text in common.

use std::collections::BTreeSet;

use super::{Budget, Glob, Token};

impl Glob {
    /// Whether some text fits both. When the budget is used up the answer is no.
    pub(crate) fn meets(&self, other: &Self, budget: &Budget) -> bool {
        // Most pairs differ in the first letters.
        let shared = self.literal.len().min(other.literal.len());
        if self.literal.as_bytes().get(..shared) != other.literal.as_bytes().get(..shared) {
            return false;
        }
        let mut pending = vec![(0, 0)];
        let mut seen = BTreeSet::new();
        while let Some((here, there)) = pending.pop() {
            if !seen.insert((here, there)) {
                continue;
            }
            if !budget.spend(1) {
                return false;
            }
            match (self.tokens.get(here), other.tokens.get(there)) {
                (None, None) => return true,
                (Some(Token::Many), _) => {
                    pending.push((here + 1, there));
                    if there < other.tokens.len() {
                        pending.push((here, there + 1));
                    }
                }
                (_, Some(Token::Many)) => {
                    pending.push((here, there + 1));
                    if here < self.tokens.len() {
                        pending.push((here + 1, there));
                    }
                }
                (Some(Token::Char(one)), Some(Token::Char(another))) if one != another => {}
                (Some(_), Some(_)) => pending.push((here + 1, there + 1)),
                (None, Some(_)) | (Some(_), None) => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Escapes, Syntax};
    use super::*;

    const PLAIN: Syntax = Syntax { fold_case: false, escapes: Escapes::Nothing };

    /// All texts of up to seven characters of two that patterns name and one that none does: short patterns that have a text in
    /// common have one of these.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..7 {
            last = last.iter().flat_map(|text| ['a', 'b', 'z'].map(|char| format!("{text}{char}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn they_meet_where_a_text_fits_both(one in "[ab*?]{0,4}", other in "[ab*?]{0,3}") {
            let (one, other) = (Glob::new(&one, PLAIN), Glob::new(&other, PLAIN));
            let common = texts().iter().any(|text| one.matches(text) && other.matches(text));
            prop_assert_eq!(one.meets(&other, &Budget::default()), common);
            prop_assert_eq!(other.meets(&one, &Budget::default()), common);
        }
    }

    #[test]
    fn a_used_up_budget_says_no() {
        let glob = Glob::new("*a*a*a*", PLAIN);
        assert!(glob.meets(&glob, &Budget::default()));
        assert!(!glob.meets(&glob, &Budget::new(3)));
    }
}
