//! When each unit was last compared with AWS itself, so that what is trusted meanwhile is looked at within the hour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::stack::{GroupId, Observed};
use albedo_engine::world::Unit;
use tokio::time::Instant;

/// A period has so many looks at what is due. Belief ends with the last but one, so that nothing goes unseen for longer.
const LOOKS: u32 = 12;

/// What is remembered of looks; all of it can be lost at any time. It holds no more than there are units.
#[derive(Debug)]
pub(super) struct Looks {
    period: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    at: BTreeMap<Unit, Instant>,
    /// ARNs of target groups that were made in this process and not registered with yet.
    fresh: BTreeSet<String>,
    /// What AWS holds of groups whose last turn reached what was desired.
    groups: BTreeMap<GroupId, Arc<Observed>>,
}

impl Looks {
    /// Nothing is known yet; what will be is believed for `period` at most.
    pub(super) fn new(period: Duration) -> Self {
        Self { period, inner: Mutex::default() }
    }

    /// From one look at what is due to the next.
    pub(super) fn pause(&self) -> Duration {
        (self.period / LOOKS).max(Duration::from_millis(100))
    }

    fn believed(&self) -> Duration {
        self.period.saturating_sub(self.period / LOOKS * 2)
    }

    /// Whether a unit has to be compared with AWS whatever is known of it. One that was never looked at is believed from
    /// now on: what the start finds unchanged is looked at later, not all at once.
    pub(super) fn is_due(&self, unit: &Unit) -> bool {
        let at = *self.lock().at.entry(unit.clone()).or_insert_with(Instant::now);
        at.elapsed() >= self.believed()
    }

    /// A unit was compared with AWS.
    pub(super) fn looked(&self, unit: Unit) {
        self.lock().at.insert(unit, Instant::now());
    }

    /// Forgets units that are no more.
    pub(super) fn retain(&self, is_there: impl Fn(&Unit) -> bool) {
        let mut inner = self.lock();
        inner.at.retain(|unit, _| is_there(unit));
        inner.groups.retain(|group, _| is_there(&Unit::Group(group.clone())));
    }

    /// What the last turn of a group left.
    pub(super) fn recall(&self, group: &GroupId) -> Option<Arc<Observed>> {
        self.lock().groups.get(group).cloned()
    }

    /// Keeps what a turn of a group has left.
    pub(super) fn remember(&self, group: GroupId, observed: Arc<Observed>) {
        self.lock().groups.insert(group, observed);
    }

    /// Nothing is known of a group any more.
    pub(super) fn forget(&self, group: &GroupId) {
        self.lock().groups.remove(group);
    }

    /// Units whose belief has run out.
    pub(super) fn due(&self) -> Vec<Unit> {
        let inner = self.lock();
        inner.at.iter().filter(|(_, at)| at.elapsed() >= self.believed()).map(|(unit, _)| unit.clone()).collect()
    }

    /// A target group was made.
    pub(super) fn made(&self, target_group: String) {
        self.lock().fresh.insert(target_group);
    }

    /// Whether a target group was made here and this is the first look at it.
    pub(super) fn take_fresh(&self, target_group: &str) -> bool {
        self.lock().fresh.remove(target_group)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_never_looked_at_is_believed_from_now_on() {
        let looks = Looks::new(Duration::from_millis(120));
        assert!(!looks.is_due(&Unit::NodeRules));
        tokio::time::sleep(Duration::from_millis(101)).await;
        assert!(looks.is_due(&Unit::NodeRules));
        assert_eq!(looks.due(), [Unit::NodeRules]);
        looks.looked(Unit::NodeRules);
        assert!(looks.lock().at[&Unit::NodeRules].elapsed() < Duration::from_millis(100));
        looks.retain(|_| false);
        assert!(looks.lock().at.is_empty());
    }

    #[test]
    fn a_target_group_is_fresh_once() {
        let looks = Looks::new(Duration::from_hours(1));
        looks.made("arn".to_owned());
        assert!(looks.take_fresh("arn"));
        assert!(!looks.take_fresh("arn"));
    }
}
