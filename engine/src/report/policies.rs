//! The status of an `IngressDefaults` or `IngressPolicy` object: how many Ingresses it matches, and what of it cannot be used.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::clean::clean;
use crate::kinds::PolicyStatus;

/// The most faults that the message names.
const NAMED: usize = 10;
/// The most characters of the message.
const LONGEST: usize = 2_000;

/// The status of an object of this generation, given the one that it has. A condition that has not changed keeps its time.
#[must_use]
pub fn policy_status(
    before: Option<&PolicyStatus>,
    generation: Option<i64>,
    ingresses: i64,
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
    PolicyStatus { observed_generation: generation, ingresses: Some(ingresses), conditions: vec![condition] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_changed_is_the_same() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = policy_status(None, Some(1), 3, &[], at(10));
        assert_eq!((first.ingresses, first.conditions[0].status.as_str()), (Some(3), "True"));
        assert_eq!(policy_status(Some(&first), Some(1), 3, &[], at(20)), first);
        let faults: Vec<String> = (0..12).map(|number| format!("fault {number}")).collect();
        let bad = policy_status(Some(&first), Some(2), 3, &faults, at(20));
        assert_eq!(bad.conditions[0].last_transition_time, Time(at(20)));
        assert!(bad.conditions[0].message.ends_with("fault 9; and 2 more"), "{bad:?}");
    }
}
