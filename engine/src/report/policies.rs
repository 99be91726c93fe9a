//! The status of an `IngressDefaults` or `IngressPolicy` object: how many Ingresses it matches, and what of it cannot be used.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::clean::clean;
use crate::kinds::PolicyStatus;

/// The most faults that the message names.
const NAMED: usize = 10;
/// The most characters of the message.
const LONGEST: usize = 2_000;

/// What one installation counts.
#[derive(Debug, Clone, Copy)]
pub struct Count<'a> {
    /// The namespace that it watches; empty: all of them.
    pub watched: &'a str,
    /// The Ingresses that the object matches there.
    pub ingresses: i64,
}

impl Count<'_> {
    /// The counts of all installations: only this one is changed. Zero is left out, or an object would list every installation.
    fn among(self, before: Option<&PolicyStatus>) -> BTreeMap<String, i64> {
        let mut all = before.map(|before| before.watched.clone()).unwrap_or_default();
        let key = if self.watched.is_empty() { "*" } else { self.watched };
        match self.ingresses {
            0 => all.remove(key),
            count => all.insert(key.to_owned(), count),
        };
        all
    }
}

/// The status of an object of this generation, given the one that it has. A condition that has not changed keeps its time.
#[must_use]
pub fn policy_status(
    before: Option<&PolicyStatus>,
    generation: Option<i64>,
    count: Count<'_>,
    faults: &[String],
    now: Timestamp,
) -> PolicyStatus {
    let more = faults.len().saturating_sub(NAMED);
    let mut message = faults.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        message.push_str(&format!("; and {more} more"));
    }
    let (status, reason) = if faults.is_empty() { ("True", "Valid") } else { ("False", "Invalid") };
    let earlier = before.and_then(|before| before.conditions.iter().find(|one| one.status == status));
    let condition = Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: clean(&message).chars().take(LONGEST).collect(),
        observed_generation: generation,
        last_transition_time: earlier.map_or(Time(now), |earlier| earlier.last_transition_time.clone()),
    };
    let watched = count.among(before);
    PolicyStatus {
        observed_generation: generation,
        ingresses: Some(watched.values().sum::<i64>()),
        watched,
        conditions: vec![condition],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_changed_is_the_same() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let count = |watched, ingresses| Count { watched, ingresses };
        let first = policy_status(None, Some(1), count("", 3), &[], at(10));
        assert_eq!((first.ingresses, first.conditions[0].status.as_str()), (Some(3), "True"));
        assert_eq!(policy_status(Some(&first), Some(1), count("", 3), &[], at(20)), first);
        let faults: Vec<String> = (0..12).map(|number| format!("fault {number}")).collect();
        let bad = policy_status(Some(&first), Some(2), count("", 3), &faults, at(20));
        assert_eq!(bad.conditions[0].last_transition_time, Time(at(20)));
        assert!(bad.conditions[0].message.ends_with("fault 9; and 2 more"), "{bad:?}");
    }

    #[test]
    fn installations_do_not_overwrite_each_other() {
        let now = Timestamp::from_second(10).unwrap();
        let count = |before: &PolicyStatus, watched, ingresses| {
            policy_status(Some(before), Some(1), Count { watched, ingresses }, &[], now)
        };
        let shop = count(&PolicyStatus::default(), "shop", 2);
        let both = count(&shop, "bank", 5);
        assert_eq!((both.ingresses, both.watched.len()), (Some(7), 2));
        assert_eq!(count(&both, "shop", 2), both, "each leaves the number of the other");
        let left = count(&count(&both, "shop", 0), "bank", 0);
        assert_eq!((left.ingresses, left.watched.len()), (Some(0), 0));
    }
}
