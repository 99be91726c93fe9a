//! Rules of one listener: moved, changed, made and deleted so that no request is without its rule in between.

use super::diff::Differ;
use super::equal;
use super::operation::AwsOperation;
use crate::stack::{Found, Listener, Ref, Rule};

/// The highest priority; rules on their way out are parked from here downwards.
const LAST_PRIORITY: u32 = 50_000;

impl Differ<'_> {
    /// The operations that bring the rules of a listener to what they should be.
    pub(super) fn rules(&mut self, listener: &Ref, desired: &Listener, observed: &[Found<Rule>]) {
        let matches = self.match_rules(&desired.rules, observed);
        self.move_rules(&matches, &desired.rules, observed);
        let mut pairs: Vec<(&Rule, &Found<Rule>)> = Vec::new();
        let mut fresh: Vec<&Rule> = Vec::new();
        for (rule, found) in desired.rules.iter().zip(&matches.of_desired) {
            match found {
                Match::Same(found) | Match::Moved(found) => pairs.push((rule, found)),
                Match::Changed(found) => {
                    self.aws(AwsOperation::ModifyRule { rule: found.arn.clone(), is: rule.clone() });
                    pairs.push((rule, found));
                }
                Match::None => fresh.push(rule),
            }
        }
        for rule in fresh {
            let operation =
                AwsOperation::CreateRule { listener: listener.clone(), port: desired.port, is: rule.clone() };
            self.aws(operation);
        }
        for stale in &matches.stale {
            self.aws(AwsOperation::DeleteRule { rule: stale.arn.clone() });
        }
        for (rule, found) in pairs {
            self.retag(&found.arn, &rule.tags, &found.is.tags);
        }
    }

    /// Which existing rule becomes which desired one: equal ones first, then those that share a priority.
    fn match_rules<'o>(&self, desired: &[Rule], observed: &'o [Found<Rule>]) -> Matches<'o> {
        let mut free: Vec<&Found<Rule>> = observed.iter().collect();
        let mut take = |wanted: &dyn Fn(&Found<Rule>) -> bool| {
            let index = free.iter().position(|found| wanted(found))?;
            Some(free.remove(index))
        };
        let mut of_desired: Vec<Match<'o>> = Vec::new();
        for rule in desired {
            let same = take(&|found| found.is.priority == rule.priority && equal::rule(rule, &found.is, self.known()));
            of_desired.push(same.map_or(Match::None, Match::Same));
        }
        for (rule, slot) in desired.iter().zip(&mut of_desired) {
            if matches!(slot, Match::None) {
                *slot = take(&|found| equal::rule(rule, &found.is, self.known())).map_or(Match::None, Match::Moved);
            }
        }
        for (rule, slot) in desired.iter().zip(&mut of_desired) {
            if matches!(slot, Match::None) {
                *slot = take(&|found| found.is.priority == rule.priority).map_or(Match::None, Match::Changed);
            }
        }
        Matches { of_desired, stale: free }
    }

    /// One atomic call gives moved rules their priorities and parks those on their way out behind all others.
    fn move_rules(&mut self, matches: &Matches<'_>, desired: &[Rule], observed: &[Found<Rule>]) {
        let moved: Vec<(String, u32)> = desired
            .iter()
            .zip(&matches.of_desired)
            .filter_map(|(rule, found)| match found {
                Match::Moved(found) => Some((found.arn.clone(), rule.priority)),
                _ => None,
            })
            .collect();
        // A stale rule may also stand where a new one is to be made.
        let wanted: Vec<u32> = desired
            .iter()
            .zip(&matches.of_desired)
            .filter(|(_, found)| matches!(found, Match::None))
            .map(|(rule, _)| rule.priority)
            .collect();
        let in_the_way = matches.stale.iter().any(|stale| wanted.contains(&stale.is.priority));
        if moved.is_empty() && !in_the_way {
            return;
        }
        let mut parked: Vec<&&Found<Rule>> = matches.stale.iter().collect();
        parked.sort_by_key(|found| std::cmp::Reverse(found.is.priority));
        let taken: Vec<u32> = observed
            .iter()
            .filter(|found| !parked.iter().any(|stale| stale.arn == found.arn))
            .map(|found| found.is.priority)
            .collect();
        let places = (1..=LAST_PRIORITY).rev().filter(|priority| !taken.contains(priority));
        let parked = parked.into_iter().zip(places).map(|(found, place)| (found.arn.clone(), place));
        let priorities: Vec<(String, u32)> = moved.into_iter().chain(parked).collect();
        self.aws(AwsOperation::SetRulePriorities { priorities });
    }
}

/// What became of a desired rule.
enum Match<'o> {
    /// It exists at its priority.
    Same(&'o Found<Rule>),
    /// It exists at another priority.
    Moved(&'o Found<Rule>),
    /// Another one stands at its priority.
    Changed(&'o Found<Rule>),
    /// It does not exist.
    None,
}

struct Matches<'o> {
    of_desired: Vec<Match<'o>>,
    stale: Vec<&'o Found<Rule>>,
}
