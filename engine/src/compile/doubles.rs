//! Values that stand twice in one condition of a rule: AWS refuses them ("Condition values must be unique"), and what they mean is clear.

use std::collections::BTreeSet;

use super::Compiler;
use crate::annotation::parse::shown;
use crate::finding::Code;
use crate::stack::{Condition, Patterns};

impl Compiler<'_> {
    /// Leaves each value of a condition in once, and tells of what was left out: a host of the rule that the annotation repeats, say,
    /// or `/app/*` beside a path of type Prefix.
    pub(super) fn without_doubles(&mut self, conditions: &mut [Condition], service: &str) {
        let mut doubles = Vec::new();
        for condition in conditions {
            let field = condition.field();
            let mut once = |values: &mut Vec<String>, fold: bool| {
                keep_once(
                    values,
                    |value| if fold { value.to_ascii_lowercase() } else { value.clone() },
                    |value| {
                        doubles.push((field, value.clone()));
                    },
                );
            };
            match condition {
                // Hosts and headers are compared without case.
                Condition::HostHeader(patterns) | Condition::HttpHeader { patterns, .. } => {
                    both(patterns, true, &mut once);
                }
                Condition::PathPattern(patterns) => both(patterns, false, &mut once),
                Condition::HttpRequestMethod { values } | Condition::SourceIp { values } => once(values, false),
                Condition::QueryString { values } => {
                    let text = |pair: &crate::stack::QueryPair| match &pair.key {
                        Some(key) => format!("{key}={}", pair.value),
                        None => pair.value.clone(),
                    };
                    keep_once(
                        values,
                        |pair| (pair.key.clone(), pair.value.clone()),
                        |pair| {
                            doubles.push((field, text(pair)));
                        },
                    );
                }
            }
        }
        for (field, value) in doubles {
            let message = format!(
                "`{}` is in the rule's {field} condition more than once; AWS takes it once, so that it is left out here",
                shown(&value)
            );
            let finding = self.reader.refuse(Code::WithoutEffect, &format!("conditions.{service}"), "", message);
            finding.mend = match field {
                "host-header" | "path-pattern" => {
                    "remove it: the rule's own host and path are part of the condition already".to_owned()
                }
                _ => "write it once".to_owned(),
            };
        }
    }
}

fn both(patterns: &mut Patterns, fold: bool, once: &mut impl FnMut(&mut Vec<String>, bool)) {
    once(&mut patterns.values, fold);
    once(&mut patterns.regex_values, false);
}

/// Keeps the first of what has one key, and tells of the others.
fn keep_once<T, K: Ord>(values: &mut Vec<T>, key: impl Fn(&T) -> K, mut tell: impl FnMut(&T)) {
    let mut seen = BTreeSet::new();
    values.retain(|value| {
        let first = seen.insert(key(value));
        if !first {
            tell(value);
        }
        first
    });
}
