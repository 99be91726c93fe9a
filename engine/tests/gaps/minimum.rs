//! The fewest calls that any order without a gap takes, by trying all: depth first with a growing limit.
//!
//! A call modifies, makes or deletes one rule, modifies the default, or gives all rules any order. A rule is made at a priority
//! that is free. Once rules have been put into another order it is a little more than AWS allows (then a rule can be made between
//! any two others, and the priorities are right in the end), so that the number is never too high.

use std::collections::HashMap;

use albedo_engine::stack::{Action, Condition, Rule};
use albedo_engine::traffic::{Set, classes};

use crate::generate::{Pair, folded};

/// The fewest calls, `enough` at most.
pub fn fewest(pair: &Pair, enough: usize) -> usize {
    let search = Search::new(pair);
    let start = State {
        rows: (0..pair.before.rules.len()).map(|row| (search.first(row), row + 1)).collect(),
        default: 0,
        moved: false,
    };
    let begin = search.missing(&start);
    for limit in begin..enough {
        if search.reaches(&start, limit, &mut HashMap::new()) {
            return limit;
        }
    }
    enough
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// Content and priority of each rule, in their order. Once they were moved the priorities are 0.
    rows: Vec<(usize, usize)>,
    default: usize,
    moved: bool,
}

struct Search {
    /// Each content once: what it matches and where its answer is right.
    contents: Vec<(Set, Set)>,
    /// Contents of all rules: those before, then those after.
    numbers: Vec<usize>,
    target: Vec<usize>,
    defaults: [Set; 2],
    new_default: usize,
    kinds: usize,
    room: usize,
}

impl Search {
    fn new(pair: &Pair) -> Self {
        let rules: Vec<&Rule> = pair.before.rules.iter().chain(&pair.after.rules).collect();
        let conditions: Vec<&[Condition]> = rules.iter().map(|rule| &*rule.conditions).collect();
        let all = classes(80, &conditions).all;
        let same = |one: &Rule, other: &Rule| folded(one) == folded(other) && one.actions == other.actions;
        let numbers: Vec<usize> =
            rules.iter().map(|rule| rules.iter().position(|first| same(first, rule)).expect("itself")).collect();
        let answer = |class: &albedo_engine::traffic::Class, rules: std::ops::Range<usize>, default: &[Action]| {
            let taken = rules.clone().find(|place| class.matches.contains(*place));
            taken.map_or_else(|| default.to_vec(), |place| pair_rule(pair, place).actions.to_vec())
        };
        let split = pair.before.rules.len();
        let ends: Vec<[Vec<Action>; 2]> = all
            .iter()
            .map(|class| {
                let old = answer(class, 0..split, &pair.before.default_actions);
                [old, answer(class, split..rules.len(), &pair.after.default_actions)]
            })
            .collect();
        let right = |actions: &[Action]| {
            let mut set = Set::none(all.len());
            ends.iter()
                .enumerate()
                .filter(|(_, ends)| ends.iter().any(|end| end == actions))
                .for_each(|(kind, _)| set.insert(kind));
            set
        };
        let contents = rules.iter().enumerate().map(|(place, rule)| {
            let mut matched = Set::none(all.len());
            all.iter()
                .enumerate()
                .filter(|(_, class)| class.matches.contains(place))
                .for_each(|(kind, _)| matched.insert(kind));
            (matched, right(&rule.actions))
        });
        Self {
            contents: contents.collect(),
            target: numbers[split..].to_vec(),
            numbers,
            defaults: [right(&pair.before.default_actions), right(&pair.after.default_actions)],
            new_default: usize::from(pair.before.default_actions != pair.after.default_actions),
            kinds: all.len(),
            room: pair.room(),
        }
    }

    fn first(&self, row: usize) -> usize {
        self.numbers[row]
    }

    /// Calls that are missing at least.
    fn missing(&self, state: &State) -> usize {
        let mut wanted = self.target.clone();
        let mut surplus = 0;
        for (content, _) in &state.rows {
            match wanted.iter().position(|one| one == content) {
                Some(place) => drop(wanted.swap_remove(place)),
                None => surplus += 1,
            }
        }
        wanted.len().max(surplus) + usize::from(state.default != self.new_default)
    }

    fn is_reached(&self, state: &State) -> bool {
        let contents = state.rows.iter().map(|(content, _)| *content);
        state.default == self.new_default
            && contents.eq(self.target.iter().copied())
            && (state.moved || state.rows.iter().enumerate().all(|(place, (_, priority))| *priority == place + 1))
    }

    fn is_safe(&self, state: &State) -> bool {
        let mut left = Set::all(self.kinds);
        for (content, _) in &state.rows {
            let (matched, right) = &self.contents[*content];
            if !left.both_are_within(matched, right) {
                return false;
            }
            left.subtract(matched);
        }
        left.subtract(&self.defaults[state.default]);
        left.is_empty()
    }

    fn reaches(&self, state: &State, limit: usize, tried: &mut HashMap<State, usize>) -> bool {
        if self.is_reached(state) {
            return true;
        }
        if self.missing(state) > limit || limit == 0 || tried.get(state).is_some_and(|tried| *tried >= limit) {
            return false;
        }
        tried.insert(state.clone(), limit);
        let mut next: Vec<State> = Vec::new();
        if state.default != self.new_default {
            next.push(State { default: self.new_default, ..state.clone() });
        }
        let mut contents = self.target.clone();
        contents.sort_unstable();
        contents.dedup();
        for place in 0..state.rows.len() {
            let mut without = state.clone();
            without.rows.remove(place);
            next.push(without);
            for content in contents.iter().filter(|content| **content != state.rows[place].0) {
                let mut with = state.clone();
                with.rows[place].0 = *content;
                next.push(with);
            }
        }
        if state.rows.len() < self.room {
            for place in 0..=state.rows.len() {
                for priority in self.free(state, place) {
                    next.extend(contents.iter().map(|content| {
                        let mut with = state.clone();
                        with.rows.insert(place, (*content, priority));
                        with
                    }));
                }
            }
        }
        next.retain(|state| self.missing(state) < limit && self.is_safe(state));
        next.sort_by_key(|state| self.missing(state));
        if next.iter().any(|state| self.reaches(state, limit - 1, tried)) {
            return true;
        }
        if self.missing(state) >= limit {
            return false;
        }
        let mut orders = Vec::new();
        self.orders(state, &mut Vec::new(), &Set::all(self.kinds), &mut orders);
        orders.into_iter().any(|rows| {
            let moved = State { rows, default: state.default, moved: true };
            self.reaches(&moved, limit - 1, tried)
        })
    }

    /// The priorities that a rule can be made at between two others.
    fn free(&self, state: &State, place: usize) -> Vec<usize> {
        if state.moved {
            return vec![0];
        }
        let before = place.checked_sub(1).map_or(0, |before| state.rows[before].1);
        let behind = state.rows.get(place).map_or(before + self.target.len() + 2, |(_, behind)| *behind);
        (before + 1..behind).collect()
    }

    /// All safe orders of the rules.
    fn orders(&self, state: &State, chosen: &mut Vec<usize>, left: &Set, orders: &mut Vec<Vec<(usize, usize)>>) {
        if chosen.len() == state.rows.len() {
            let mut rest = left.clone();
            rest.subtract(&self.defaults[state.default]);
            if rest.is_empty() {
                orders.push(chosen.iter().map(|row| (state.rows[*row].0, 0)).collect());
            }
            return;
        }
        for row in 0..state.rows.len() {
            let (matched, right) = &self.contents[state.rows[row].0];
            if chosen.contains(&row) || !left.both_are_within(matched, right) {
                continue;
            }
            let mut rest = left.clone();
            rest.subtract(matched);
            chosen.push(row);
            self.orders(state, chosen, &rest, orders);
            chosen.pop();
        }
    }
}

fn pair_rule(pair: &Pair, place: usize) -> &Rule {
    let split = pair.before.rules.len();
    if place < split { &pair.before.rules[place] } else { &pair.after.rules[place - split] }
}
