//! Patterns with `*` (no or more characters) and `?` (exactly one): what they match, and which holds all of another.

mod overlap;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::str::Chars;

/// How a pattern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// ASCII case means nothing.
    pub fold_case: bool,
    /// What a backslash does.
    pub escapes: Escapes,
}

/// What a backslash takes as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// Nothing: it is a character as others.
    Nothing,
    /// A wildcard or another backslash.
    Wildcards,
    /// Whatever comes next.
    All,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
    fold_case: bool,
    /// What stands before the first wildcard, folded: most texts differ there, and bytes are cheap to compare.
    literal: String,
    /// Where the last wildcard ends.
    behind: usize,
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// `*`.
    Many,
    /// `?`.
    One,
    Char(char),
}

/// What the texts are that two patterns are compared on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// All.
    Any,
    /// Those that begin with `/`.
    Paths,
}

/// A character for a walk through two patterns; `None` stands for all those that the outer one does not name.
type Symbol = Option<char>;

/// How much work comparisons may still do, in places looked at. When it is used up they say no, so that nobody keeps a
/// webhook busy with a pattern; patterns of AWS's size (128 characters, five wildcards) need a few hundred.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    pub(crate) fn new(work: usize) -> Self {
        Self(Cell::new(work))
    }

    pub(crate) fn left(&self) -> usize {
        self.0.get()
    }

    /// Whether there was enough left.
    pub(crate) fn spend(&self, work: usize) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(work));
        work <= left
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(50_000)
    }
}

impl Glob {
    pub(crate) fn new(text: &str, syntax: Syntax) -> Self {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let token = match (char, syntax.escapes) {
                ('*', _) => Token::Many,
                ('?', _) => Token::One,
                ('\\', Escapes::Wildcards) => {
                    Token::Char(chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'))
                }
                ('\\', Escapes::All) => Token::Char(fold(chars.next().unwrap_or('\\'), syntax.fold_case)),
                (char, _) => Token::Char(fold(char, syntax.fold_case)),
            };
            if token != Token::Many || tokens.last() != Some(&Token::Many) {
                tokens.push(token);
            }
        }
        let char = |token: &Token| match token {
            Token::Char(char) => Some(*char),
            Token::Many | Token::One => None,
        };
        let literal = tokens.iter().map_while(char).collect();
        let behind = tokens.iter().rposition(|token| char(token).is_none()).map_or(0, |place| place + 1);
        Self { literal, behind, tokens, fold_case: syntax.fold_case }
    }

    /// The part at a place; `None` behind the last.
    pub(crate) fn token(&self, place: usize) -> Option<Token> {
        self.tokens.get(place).copied()
    }

    /// The characters that it names.
    pub(crate) fn characters(&self) -> impl Iterator<Item = char> + '_ {
        self.tokens.iter().filter_map(|token| match token {
            Token::Char(char) => Some(*char),
            Token::Many | Token::One => None,
        })
    }

    /// What every text that fits begins with, folded.
    pub(crate) fn literal(&self) -> &str {
        &self.literal
    }

    /// Whether it has no wildcard: only its literal fits.
    pub(crate) fn is_literal(&self) -> bool {
        self.behind == 0
    }

    /// What stands behind the last wildcard.
    fn tail(&self) -> &[Token] {
        self.tokens.get(self.behind..).unwrap_or_default()
    }

    /// Whether a text fits, in time bound by the length of the text times that of the pattern: a `*` that has been passed
    /// needs no second thought, so only the last one is ever taken further.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let begins = text.as_bytes().get(..self.literal.len()).is_some_and(|start| {
            if self.fold_case {
                start.eq_ignore_ascii_case(self.literal.as_bytes())
            } else {
                start == self.literal.as_bytes()
            }
        });
        let Some(rest) = text.get(self.literal.len()..).filter(|_| begins) else { return false };
        let mut place = self.tokens.iter().take_while(|token| matches!(token, Token::Char(_))).count();
        let mut chars = rest.chars();
        // Behind the last `*`, and the text that it has not taken yet.
        let mut retry: Option<(usize, Chars<'_>)> = None;
        loop {
            let here = chars.clone();
            match (self.tokens.get(place), chars.next()) {
                (Some(Token::Many), _) => {
                    place += 1;
                    retry = Some((place, here.clone()));
                    chars = here;
                    // Nothing behind it: it takes all that is left.
                    if place == self.tokens.len() {
                        return true;
                    }
                }
                (None, None) => return true,
                (Some(Token::One), Some(_)) => place += 1,
                (Some(Token::Char(wanted)), Some(char)) if *wanted == fold(char, self.fold_case) => place += 1,
                _ => {
                    let Some((behind, mut left)) = retry else { return false };
                    if left.next().is_none() {
                        return false;
                    }
                    place = behind;
                    chars = left.clone();
                    retry = Some((behind, left));
                }
            }
        }
    }

    /// Whether every text of the domain fits.
    pub(crate) fn holds_all(&self, domain: Domain) -> bool {
        use Token::{Char, Many, One};
        let of_paths =
            || matches!(self.tokens.as_slice(), [Char('/') | One, Many] | [Many, Char('/') | One, Many] | [Many, One]);
        self.tokens == [Many] || domain == Domain::Paths && of_paths()
    }

    /// Whether every text of the domain that fits `other` fits this one too. A "yes" is always right.
    ///
    /// Both are automata whose states are the places in the pattern. The walk follows `other` through one place at a time
    /// and this one through the set of all places it can be at; a text that gets `other` to its end while this one can't be
    /// at its own is a counterexample. Without any, `other` is covered.
    pub(crate) fn covers(&self, other: &Self, domain: Domain, budget: &Budget) -> bool {
        // Most pairs of a listener's rules differ in the first letters or the last, and the rest of this is dear.
        if !budget.spend(1) {
            return false;
        }
        let shared = self.literal.len().min(other.literal.len());
        if self.literal.as_bytes().get(..shared) != other.literal.as_bytes().get(..shared) {
            return false;
        }
        if !other.tail().ends_with(self.tail()) {
            return false;
        }
        if other.is_literal() {
            return (domain == Domain::Any || other.literal.starts_with('/')) && self.matches(&other.literal);
        }
        let mut symbols: BTreeSet<Symbol> = BTreeSet::from([None]);
        symbols.extend(self.tokens.iter().filter_map(|token| match token {
            Token::Char(char) => Some(Some(*char)),
            Token::Many | Token::One => None,
        }));
        let mut pending = vec![(0, self.start())];
        let mut seen = BTreeSet::new();
        if domain == Domain::Paths {
            let first = Some('/');
            let next = other.moves(0, first);
            let states = self.step(&self.start(), first);
            pending = next.into_iter().map(|place| (place, states.clone())).collect();
            if pending.is_empty() {
                // It fits no path at all: not covered, but wrong in itself.
                return false;
            }
        }
        while let Some((place, states)) = pending.pop() {
            if !seen.insert((place, states.clone())) {
                continue;
            }
            let branches = if matches!(other.tokens.get(place), Some(Token::Char(_))) { 1 } else { symbols.len() };
            if !budget.spend(branches * (states.len() + 1)) {
                return false;
            }
            match other.tokens.get(place) {
                None if !self.accepts(&states) => return false,
                None => {}
                Some(Token::Char(char)) => pending.push((place + 1, self.step(&states, Some(*char)))),
                Some(Token::One) => {
                    pending.extend(symbols.iter().map(|symbol| (place + 1, self.step(&states, *symbol))));
                }
                Some(Token::Many) => {
                    pending.extend(symbols.iter().map(|symbol| (place, self.step(&states, *symbol))));
                    pending.push((place + 1, states));
                }
            }
        }
        true
    }

    /// The places after one character from a place.
    fn moves(&self, place: usize, symbol: Symbol) -> Vec<usize> {
        match self.tokens.get(place) {
            Some(Token::Many) => {
                let mut places = vec![place];
                // Many are never neighbours, so this goes down one step at most.
                places.extend(self.moves(place + 1, symbol));
                places
            }
            Some(Token::One) => vec![place + 1],
            Some(Token::Char(char)) if symbol == Some(*char) => vec![place + 1],
            Some(Token::Char(_)) | None => Vec::new(),
        }
    }

    /// Where a walk can be before the first character.
    fn start(&self) -> Vec<usize> {
        self.settle(vec![0])
    }

    fn step(&self, states: &[usize], symbol: Symbol) -> Vec<usize> {
        let mut next = Vec::with_capacity(states.len() + 1);
        for place in states {
            match self.tokens.get(*place) {
                Some(Token::Many) => next.push(*place),
                Some(Token::One) => next.push(place + 1),
                Some(Token::Char(char)) if symbol == Some(*char) => next.push(place + 1),
                Some(Token::Char(_)) | None => {}
            }
        }
        self.settle(next)
    }

    /// A `*` may stand for nothing: whoever is before it is behind it too. Sorted, each place once.
    fn settle(&self, mut states: Vec<usize>) -> Vec<usize> {
        let many = |place: &usize| self.tokens.get(*place) == Some(&Token::Many);
        let behind: Vec<usize> = states.iter().copied().filter(many).map(|place| place + 1).collect();
        states.extend(behind);
        states.sort_unstable();
        states.dedup();
        states
    }

    fn accepts(&self, states: &[usize]) -> bool {
        states.last() == Some(&self.tokens.len())
    }
}

fn fold(char: char, fold_case: bool) -> char {
    if fold_case { char.to_ascii_lowercase() } else { char }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Syntax = Syntax { fold_case: false, escapes: Escapes::Nothing };
    const FOLDED: Syntax = Syntax { fold_case: true, escapes: Escapes::Nothing };
    const ESCAPED: Syntax = Syntax { fold_case: true, escapes: Escapes::Wildcards };

    #[test]
    fn matching() {
        let rows = [
            ("/a", "/a", PLAIN, true),
            ("/a", "/A", PLAIN, false),
            ("/a", "/a/", PLAIN, false),
            ("/a/*", "/a/", PLAIN, true),
            ("/a/*", "/a", PLAIN, false),
            ("/a/*", "/a/b/c", PLAIN, true),
            ("*", "", PLAIN, true),
            ("", "", PLAIN, true),
            ("", "a", PLAIN, false),
            ("?", "", PLAIN, false),
            ("?", "ä", PLAIN, true),
            ("a**b", "axxb", PLAIN, true),
            ("*a*b*", "xxaxxbxx", PLAIN, true),
            ("*a*b*", "xxbxxaxx", PLAIN, false),
            ("*.Example.com", "WWW.example.COM", FOLDED, true),
            ("*.example.com", "a.b.example.com", FOLDED, true),
            ("*.example.com", "example.com", FOLDED, false),
            (r"\*", "*", ESCAPED, true),
            (r"\*", "a", ESCAPED, false),
            (r"\?x\\", r"?X\", ESCAPED, true),
            (r"a\b", r"a\b", ESCAPED, true),
            (r"a\", r"a\", ESCAPED, true),
            (r"\*", r"\ab", PLAIN, true),
        ];
        for (pattern, text, syntax, fits) in rows {
            assert_eq!(Glob::new(pattern, syntax).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn covering() {
        let rows = [
            ("/*", "/a", Domain::Any, true),
            ("/*", "/a/*", Domain::Any, true),
            ("/a/*", "/*", Domain::Any, false),
            ("/*", "*", Domain::Any, false),
            ("/*", "*", Domain::Paths, true),
            ("*", "/*", Domain::Paths, true),
            ("/?*", "*", Domain::Paths, false),
            ("/*", "a", Domain::Paths, false),
            ("/a*", "/a/*", Domain::Any, true),
            ("/a/*", "/a*", Domain::Any, false),
            ("*a*", "*ab*", Domain::Any, true),
            ("*a*b*", "*b*a*b*", Domain::Any, true),
            ("*a*b*", "*b*a*", Domain::Any, false),
            ("?*", "*?", Domain::Any, true),
            ("??*", "?", Domain::Any, false),
            ("*??", "?*?", Domain::Any, true),
            ("*", "", Domain::Any, true),
            ("a", "?", Domain::Any, false),
        ];
        for (outer, inner, domain, covered) in rows {
            let (outer_glob, inner_glob) = (Glob::new(outer, PLAIN), Glob::new(inner, PLAIN));
            assert_eq!(outer_glob.covers(&inner_glob, domain, &Budget::default()), covered, "{outer} {inner}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_given_up() {
        let glob = Glob::new(&format!("*a{}", "?".repeat(100)), PLAIN);
        let budget = Budget::default();
        assert!(!glob.covers(&glob, Domain::Any, &budget));
        assert_eq!(budget.left(), 0);
    }

    /// All texts of up to six characters of an alphabet with one that no pattern names.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..6 {
            last = last.iter().flat_map(|text| ['a', '/', 'z'].map(|char| format!("{text}{char}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_the_inner_matches_the_outer_matches(outer in "[ab/*?]{0,7}", inner in "[ab/*?]{0,7}", text in "[ab/z]{0,9}") {
            let (outer, inner) = (Glob::new(&outer, PLAIN), Glob::new(&inner, PLAIN));
            if inner.matches(&text) && outer.covers(&inner, Domain::Any, &Budget::default()) {
                prop_assert!(outer.matches(&text));
            }
            let path = format!("/{text}");
            if inner.matches(&path) && outer.covers(&inner, Domain::Paths, &Budget::default()) {
                prop_assert!(outer.matches(&path));
            }
        }

        #[test]
        fn every_pattern_covers_itself(pattern in "/[ab*?]{0,8}") {
            let glob = Glob::new(&pattern, PLAIN);
            prop_assert!(glob.covers(&glob, Domain::Any, &Budget::default()));
            prop_assert!(glob.covers(&glob, Domain::Paths, &Budget::default()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// To hold all is to cover `*`.
        #[test]
        fn holding_all(pattern in "[a/*?]{0,4}") {
            let (glob, all) = (Glob::new(&pattern, PLAIN), Glob::new("*", PLAIN));
            for domain in [Domain::Any, Domain::Paths] {
                prop_assert_eq!(glob.holds_all(domain), glob.covers(&all, domain, &Budget::default()), "{}", pattern);
            }
        }

        /// Not only sound: for short patterns the answer is what trying all texts gives.
        #[test]
        fn it_is_exact(outer in "[a/*?]{0,4}", inner in "[a/*?]{0,3}") {
            let (outer, inner) = (Glob::new(&outer, PLAIN), Glob::new(&inner, PLAIN));
            let holds = texts().iter().all(|text| !inner.matches(text) || outer.matches(text));
            prop_assert_eq!(outer.covers(&inner, Domain::Any, &Budget::default()), holds);
        }
    }
}
