//! When each unit was last compared with AWS itself, so that what is trusted meanwhile is looked at within the hour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::kinds::Key;
use albedo_engine::stack::{GroupId, Observed};
use albedo_engine::world::Unit;
use tokio::time::Instant;

/// A period has so many looks at what is due. Belief ends with the last but one, so that nothing goes unseen for longer.
const LOOKS: u32 = 12;

/// So many orphans are remembered as told.
const TOLD: usize = 1000;

/// What is remembered of looks; all of it can be lost at any time. It holds no more than there are units.
#[derive(Debug)]
pub(super) struct ObservationCache {
    period: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    at: BTreeMap<Unit, Instant>,
    /// ARNs of target groups that were made in this process and not registered with yet.
    fresh: BTreeSet<String>,
    /// What AWS holds of groups whose last pass reached what was desired.
    groups: BTreeMap<GroupId, Arc<Observed>>,
    /// Units that are to be compared with AWS itself the next time, whatever is known.
    doubted: BTreeSet<Unit>,
    /// What people had written in the members of a group when AWS was asked last, as a hash.
    edits: BTreeMap<GroupId, u64>,
    /// The values of the annotation that asks for a full read, of each group's members.
    asked: BTreeMap<GroupId, BTreeMap<Key, String>>,
    /// Orphans that were told of.
    told: BTreeSet<String>,
}

impl ObservationCache {
    /// Nothing is known yet; what will be is believed for `period` at most.
    pub(super) fn new(period: Duration) -> Self {
        Self { period, inner: Mutex::default() }
    }

    /// From one look at what is due to the next.
    pub(super) fn pause(&self) -> Duration {
        (self.period / LOOKS).max(Duration::from_millis(100))
    }

    /// How long what was read is believed.
    pub(super) fn believed(&self) -> Duration {
        self.period.saturating_sub(self.period / LOOKS * 2)
    }

    /// Whether a unit has to be compared with AWS whatever is known of it. One that was never looked at is believed from
    /// now on: what the start finds unchanged is looked at later, not all at once.
    pub(super) fn is_due(&self, unit: &Unit) -> bool {
        let mut inner = self.lock();
        let at = *inner.at.entry(unit.clone()).or_insert_with(Instant::now);
        at.elapsed() >= self.believed() || inner.doubted.contains(unit)
    }

    /// A unit was compared with AWS.
    pub(super) fn looked(&self, unit: Unit) {
        let mut inner = self.lock();
        inner.doubted.remove(&unit);
        inner.at.insert(unit, Instant::now());
    }

    /// What is known of a unit may be wrong: it is compared with AWS itself the next time.
    pub(super) fn doubt(&self, unit: Unit) {
        let mut inner = self.lock();
        if let Unit::Group(group) = &unit {
            inner.groups.remove(group);
        }
        inner.doubted.insert(unit);
    }

    /// Whether a unit is doubted.
    pub(super) fn is_doubted(&self, unit: &Unit) -> bool {
        self.lock().doubted.contains(unit)
    }

    /// Whether a group's members were edited since this was asked last. The first time nobody knows: no.
    pub(super) fn is_edited(&self, group: &GroupId, edit: u64) -> bool {
        self.lock().edits.insert(group.clone(), edit).is_some_and(|before| before != edit)
    }

    /// Whether members ask for a full read in other words than the last time. What was asked for while this process was not there counts.
    pub(super) fn is_asked(&self, group: &GroupId, values: BTreeMap<Key, String>) -> bool {
        let mut inner = self.lock();
        let before = inner.asked.remove(group).unwrap_or_default();
        let new = values.iter().any(|(key, value)| before.get(key) != Some(value));
        if !values.is_empty() {
            inner.asked.insert(group.clone(), values);
        }
        new
    }

    /// Whether this is the first time that an orphan is told of.
    pub(super) fn first_told(&self, orphan: &str) -> bool {
        let mut inner = self.lock();
        if inner.told.len() >= TOLD {
            inner.told.clear();
        }
        inner.told.insert(orphan.to_owned())
    }

    /// The shared backend security group was deleted: no group has it any more.
    pub(super) fn backend_is_gone(&self) {
        for observed in self.lock().groups.values_mut() {
            Arc::make_mut(observed).backend_security_group = None;
        }
    }

    /// Forgets units that are no more.
    pub(super) fn retain(&self, is_there: impl Fn(&Unit) -> bool) {
        let mut inner = self.lock();
        inner.at.retain(|unit, _| is_there(unit));
        inner.groups.retain(|group, _| is_there(&Unit::Group(group.clone())));
        inner.edits.retain(|group, _| is_there(&Unit::Group(group.clone())));
        inner.asked.retain(|group, _| is_there(&Unit::Group(group.clone())));
        inner.doubted.retain(|unit| is_there(unit));
    }

    /// What the last pass of a group left.
    pub(super) fn recall(&self, group: &GroupId) -> Option<Arc<Observed>> {
        self.lock().groups.get(group).cloned()
    }

    /// Keeps what a pass of a group has left.
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
        let observations = ObservationCache::new(Duration::from_millis(120));
        assert!(!observations.is_due(&Unit::NodeRules));
        tokio::time::sleep(Duration::from_millis(101)).await;
        assert!(observations.is_due(&Unit::NodeRules));
        assert_eq!(observations.due(), [Unit::NodeRules]);
        observations.looked(Unit::NodeRules);
        assert!(observations.lock().at[&Unit::NodeRules].elapsed() < Duration::from_millis(100));
        observations.retain(|_| false);
        assert!(observations.lock().at.is_empty());
    }

    #[test]
    fn what_is_doubted_is_due_until_it_was_looked_at() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        let group = GroupId::Explicit("shop".to_owned());
        let unit = Unit::Group(group.clone());
        observations.remember(group.clone(), Arc::default());
        assert!(!observations.is_due(&unit));
        observations.doubt(unit.clone());
        assert!(observations.is_due(&unit) && observations.recall(&group).is_none());
        observations.looked(unit.clone());
        assert!(!observations.is_due(&unit));
    }

    #[test]
    fn an_edit_and_a_question_are_heard_once() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        let group = GroupId::Explicit("shop".to_owned());
        let heard: Vec<bool> = [1, 1, 2, 2, 1].into_iter().map(|edit| observations.is_edited(&group, edit)).collect();
        assert_eq!(heard, [false, false, true, false, true]);
        let asks = |value: &str| observations.is_asked(&group, [(Key::new("ns", "web"), value.to_owned())].into());
        assert_eq!(["a", "a", "b"].map(asks), [true, false, true]);
        assert!(!observations.is_asked(&group, BTreeMap::new()), "one that is taken away asks for nothing");
        assert!(asks("b"));
    }

    #[test]
    fn a_target_group_is_fresh_once() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        observations.made("arn".to_owned());
        assert!(observations.take_fresh("arn"));
        assert!(!observations.take_fresh("arn"));
    }
}
