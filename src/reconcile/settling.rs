//! Groups for which AWS has not caught up with a change: since when, and how long that is no failure.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use albedo_engine::stack::GroupId;
use tokio::time::Instant;

/// How long a group that serves waits without an event of failure. Reports tell of security groups that a load balancer holds for minutes
/// after it is gone, and of web ACLs that cannot be associated with one that was just made.
const SERVES: Duration = Duration::from_mins(5);
/// The same for a group that ends: somebody waits for its deletion and wants to hear what holds it.
const ENDS: Duration = Duration::from_secs(15);

/// Since when each group has waited.
#[derive(Debug, Default)]
pub(super) struct Settling(Mutex<BTreeMap<GroupId, Instant>>);

impl Settling {
    /// A group waits; whether that is still to be expected.
    pub(super) fn is_expected(&self, group: &GroupId, ends: bool, now: Instant) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let began = *since.entry(group.clone()).or_insert(now);
        now.saturating_duration_since(began) < if ends { ENDS } else { SERVES }
    }

    /// A group waits no more.
    pub(super) fn over(&self, group: &GroupId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_expected_for_a_while() {
        let (settling, group, now) = (Settling::default(), GroupId::Explicit("shop".to_owned()), Instant::now());
        assert!(settling.is_expected(&group, false, now));
        assert!(settling.is_expected(&group, false, now + SERVES - Duration::from_secs(1)));
        assert!(!settling.is_expected(&group, false, now + SERVES));
        assert!(!settling.is_expected(&group, true, now + ENDS));
        settling.over(&group);
        assert!(settling.is_expected(&group, true, now + SERVES), "it begins anew");
    }
}
