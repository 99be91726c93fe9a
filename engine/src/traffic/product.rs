//! Several patterns walked through together: which of them one text can fit at once, each case with a text.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Set;
use crate::glob::{Domain, Glob, Token};

/// States that a walk may visit. A listener's worth of hosts and paths takes some thousands.
const VISITS: usize = 20_000;

/// Characters to take for one that no pattern names.
const OTHERS: &str = "x0qzjwkvyu1234567_-~";

/// What texts can fit.
#[derive(Debug, Clone)]
pub(super) struct Fits {
    /// Sets of patterns that some text fits, and no other, each with one such text.
    pub sets: BTreeMap<Set, String>,
    /// The walk came to its end: there are no other sets.
    pub complete: bool,
}

/// A place in a pattern: (which pattern, which token of it).
type Place = (u16, u16);

/// Where a walk has come to, and how: the step before and the character.
struct Visited {
    places: Vec<Place>,
    came: Option<(usize, char)>,
}

/// Every set of the patterns that texts of the domain can fit.
///
/// Each pattern is an automaton whose states are the places in it, and the walk goes through all of them at once. Characters
/// that no pattern names are all alike: one stands for them.
pub(super) fn fits(patterns: &[Glob], domain: Domain) -> Fits {
    let named: BTreeSet<char> = patterns.iter().flat_map(Glob::characters).collect();
    let other = OTHERS.chars().find(|char| !named.contains(char)).unwrap_or('\u{1}');
    let mut walk = Walk { patterns, visited: Vec::new(), seen: HashSet::new() };
    let start = walk.settle((0..patterns.len()).filter_map(|index| Some((u16::try_from(index).ok()?, 0))).collect());
    match domain {
        Domain::Any => walk.come(start, None),
        Domain::Paths => {
            walk.visited.push(Visited { places: Vec::new(), came: None });
            let places = walk.step(&start, '/');
            walk.come(places, Some((0, '/')));
        }
    }
    let first = usize::from(domain == Domain::Paths);
    let mut fits = Fits { sets: BTreeMap::new(), complete: true };
    let mut next = first;
    while let Some(places) = walk.visited.get(next).map(|visited| visited.places.clone()) {
        let set = walk.ended(&places);
        fits.sets.entry(set).or_insert_with(|| walk.text(next));
        if next > VISITS {
            fits.complete = false;
            break;
        }
        for symbol in walk.symbols(&places, other) {
            let places = walk.step(&places, symbol);
            walk.come(places, Some((next, symbol)));
        }
        next += 1;
    }
    fits
}

struct Walk<'p> {
    patterns: &'p [Glob],
    visited: Vec<Visited>,
    seen: HashSet<Vec<Place>>,
}

impl Walk<'_> {
    fn token(&self, (pattern, place): Place) -> Option<Token> {
        self.patterns.get(usize::from(pattern))?.token(usize::from(place))
    }

    fn come(&mut self, places: Vec<Place>, came: Option<(usize, char)>) {
        if self.seen.insert(places.clone()) {
            self.visited.push(Visited { places, came });
        }
    }

    /// A `*` may stand for nothing: whoever is before it is behind it too.
    fn settle(&self, mut places: Vec<Place>) -> Vec<Place> {
        let many = places.iter().filter(|place| self.token(**place) == Some(Token::Many));
        let behind: Vec<Place> = many.map(|(pattern, place)| (*pattern, place + 1)).collect();
        if !behind.is_empty() {
            places.extend(behind);
            places.sort_unstable();
            places.dedup();
        }
        places
    }

    fn step(&self, places: &[Place], symbol: char) -> Vec<Place> {
        let next = places.iter().filter_map(|(pattern, place)| match self.token((*pattern, *place))? {
            Token::Many => Some((*pattern, *place)),
            Token::One => Some((*pattern, place + 1)),
            Token::Char(char) => (char == symbol).then_some((*pattern, place + 1)),
        });
        self.settle(next.collect())
    }

    /// The characters that lead to different places from here.
    fn symbols(&self, places: &[Place], other: char) -> BTreeSet<char> {
        let named = places.iter().filter_map(|place| match self.token(*place)? {
            Token::Char(char) => Some(char),
            Token::Many | Token::One => None,
        });
        let mut symbols: BTreeSet<char> = named.collect();
        symbols.insert(other);
        symbols
    }

    /// The patterns that are at their end.
    fn ended(&self, places: &[Place]) -> Set {
        let mut set = Set::none(self.patterns.len());
        places
            .iter()
            .filter(|place| self.token(**place).is_none())
            .for_each(|(pattern, _)| set.insert((*pattern).into()));
        set
    }

    fn text(&self, at: usize) -> String {
        let steps = std::iter::successors(self.visited.get(at), |visited| self.visited.get(visited.came?.0));
        let mut chars: Vec<char> = steps.filter_map(|visited| visited.came.map(|(_, char)| char)).collect();
        chars.reverse();
        chars.into_iter().collect()
    }
}
