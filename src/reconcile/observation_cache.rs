//! What is believed of AWS, since when, and what our own writes make of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::kinds::Key;
use albedo_engine::plan::operation::{Aspect, CallEffect};
use albedo_engine::stack::{Addon, Addons, Attachment, GroupId, Observed};
use albedo_engine::world::Unit;
use tokio::time::Instant;

use crate::cloud::Known;

/// A period has so many looks at what is due. Belief ends with the last but one, so that nothing goes unseen for longer.
const LOOKS: u32 = 12;

/// So many orphans are remembered as told.
const TOLD: usize = 1000;

/// How long what AWS says of an add-on is believed; what we write ourselves is known at once. AWS lets one `GetWebACLForResource`
/// through a second, and each is about one load balancer.
const ADDONS: Duration = Duration::from_mins(10);
/// Load balancers whose add-ons are remembered.
const BALANCERS: usize = 10_000;

/// What is believed of AWS; all of it can be lost at any time. It holds no more than there are units and load balancers.
#[derive(Debug)]
pub(super) struct ObservationCache {
    period: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    units: BTreeMap<Unit, Belief>,
    /// What is attached to load balancers, by ARN, and when that was read or written. A pass that fails does not end this belief.
    addons: BTreeMap<String, BTreeMap<Addon, (Attachment, Instant)>>,
    /// ARNs of target groups that were made in this process and not registered with yet.
    fresh: BTreeSet<String>,
    /// Orphans that were told of.
    told: BTreeSet<String>,
}

/// What is believed of a unit of work.
#[derive(Debug, Default)]
struct Belief {
    /// When it was last compared with AWS itself.
    at: Option<Instant>,
    /// It is to be compared with AWS itself the next time, whatever is known.
    doubted: bool,
    /// What AWS holds of a group whose last pass reached what was desired.
    observed: Option<Arc<Observed>>,
    /// What people had written in the members of a group when AWS was asked last, as a hash.
    edit: Option<u64>,
    /// The values of the annotation that asks for a full read, of a group's members.
    asked: BTreeMap<Key, String>,
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
        let belief = inner.units.entry(unit.clone()).or_default();
        belief.at.get_or_insert_with(Instant::now).elapsed() >= self.believed() || belief.doubted
    }

    /// A unit was compared with AWS.
    pub(super) fn looked(&self, unit: Unit) {
        let mut inner = self.lock();
        let belief = inner.units.entry(unit).or_default();
        (belief.at, belief.doubted) = (Some(Instant::now()), false);
    }

    /// What is known of a unit may be wrong: it is compared with AWS itself the next time.
    pub(super) fn doubt(&self, unit: Unit) {
        let mut inner = self.lock();
        let belief = inner.units.entry(unit).or_default();
        (belief.observed, belief.doubted) = (None, true);
    }

    /// Whether a unit is doubted.
    pub(super) fn is_doubted(&self, unit: &Unit) -> bool {
        self.lock().units.get(unit).is_some_and(|belief| belief.doubted)
    }

    /// Whether a group's members were edited since this was asked last. The first time nobody knows: no.
    pub(super) fn is_edited(&self, group: &GroupId, edit: u64) -> bool {
        self.lock().of_group(group).edit.replace(edit).is_some_and(|before| before != edit)
    }

    /// Whether members ask for a full read in other words than the last time. What was asked for while this process was not there counts.
    pub(super) fn is_asked(&self, group: &GroupId, values: BTreeMap<Key, String>) -> bool {
        let mut inner = self.lock();
        let asked = &mut inner.of_group(group).asked;
        let new = values.iter().any(|(key, value)| asked.get(key) != Some(value));
        *asked = values;
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
        for observed in self.lock().units.values_mut().filter_map(|belief| belief.observed.as_mut()) {
            Arc::make_mut(observed).backend_security_group = None;
        }
    }

    /// Forgets units that are no more.
    pub(super) fn retain(&self, is_there: impl Fn(&Unit) -> bool) {
        self.lock().units.retain(|unit, _| is_there(unit));
    }

    /// What the last pass of a group left.
    pub(super) fn recall(&self, group: &GroupId) -> Option<Arc<Observed>> {
        self.lock().units.get(&Unit::Group(group.clone()))?.observed.clone()
    }

    /// Keeps what a pass of a group has left.
    pub(super) fn remember(&self, group: &GroupId, observed: Arc<Observed>) {
        self.lock().of_group(group).observed = Some(observed);
    }

    /// Nothing is known of a group any more.
    pub(super) fn forget(&self, group: &GroupId) {
        if let Some(belief) = self.lock().units.get_mut(&Unit::Group(group.clone())) {
            belief.observed = None;
        }
    }

    /// Units whose belief has run out.
    pub(super) fn due(&self) -> Vec<Unit> {
        let inner = self.lock();
        let due = |belief: &Belief| belief.at.is_some_and(|at| at.elapsed() >= self.believed());
        inner.units.iter().filter(|(_, belief)| due(belief)).map(|(unit, _)| unit.clone()).collect()
    }

    /// What is believed to be attached to a load balancer.
    pub(super) fn addons(&self, balancer: &str, now: Instant) -> Addons {
        let inner = self.lock();
        let known = inner.addons.get(balancer).into_iter().flatten();
        let fresh = known.filter(|(_, (_, at))| now.saturating_duration_since(*at) < ADDONS);
        fresh.map(|(addon, (is, _))| (*addon, is.clone())).collect()
    }

    /// Keeps what is attached to a load balancer.
    pub(super) fn attached(&self, balancer: &str, addon: Addon, is: Attachment, now: Instant) {
        let mut inner = self.lock();
        // Deleted by others, most of them; what is still there is read again.
        if inner.addons.len() >= BALANCERS && !inner.addons.contains_key(balancer) {
            inner.addons.clear();
        }
        inner.addons.entry(balancer.to_owned()).or_default().insert(addon, (is, now));
    }

    /// What a write makes of what is attached to load balancers; one that failed may have been done.
    pub(super) fn wrote(&self, effect: &CallEffect<'_>, known: &Known, done: bool) {
        let (balancer, addon, is) = match effect {
            CallEffect::Delete(_, arn) => return drop(self.lock().addons.remove(*arn)),
            CallEffect::Change(_, of, Aspect::Attachment(addon, is)) => (known.resolve(of), *addon, *is),
            CallEffect::Change(..)
            | CallEffect::Create(_)
            | CallEffect::Add(..)
            | CallEffect::Remove(..)
            | CallEffect::Reorder(_) => return,
        };
        let Some(balancer) = balancer else { return };
        match is {
            _ if !done => drop(self.lock().addons.remove(balancer)),
            // Its id is needed to delete it, and only AWS's own answer has that for certain.
            Some(_) if addon == Addon::Shield => {
                self.lock().addons.get_mut(balancer).map(|known| known.remove(&addon));
            }
            Some(is) => self.attached(balancer, addon, Attachment::To(is.to_owned()), Instant::now()),
            None => self.attached(balancer, addon, Attachment::Nothing, Instant::now()),
        }
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

impl Inner {
    fn of_group(&mut self, group: &GroupId) -> &mut Belief {
        self.units.entry(Unit::Group(group.clone())).or_default()
    }
}

#[cfg(test)]
mod tests {
    use albedo_engine::plan::operation::ResourceKind;
    use albedo_engine::stack::{Ref, SHIELD_PROTECTION};

    use super::*;

    /// Attaches to the load balancer `arn`, or detaches.
    fn write(observations: &ObservationCache, addon: Addon, is: Option<&str>, done: bool) {
        let kind = ResourceKind::LoadBalancer;
        let effect = CallEffect::Change(kind, Ref::Known("arn".to_owned()), Aspect::Attachment(addon, is));
        observations.wrote(&effect, &Known::default(), done);
    }

    #[test]
    fn what_was_attached_is_known_and_what_failed_is_not() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        write(&observations, Addon::ClassicWebAcl, Some("acl"), true);
        let now = Instant::now();
        let known = Addons::from([(Addon::ClassicWebAcl, Attachment::To("acl".to_owned()))]);
        assert_eq!(observations.addons("arn", now), known);
        assert_eq!(observations.addons("arn", now + ADDONS), Addons::new());
        write(&observations, Addon::ClassicWebAcl, Some("acl"), false);
        assert_eq!(observations.addons("arn", now), Addons::new());
    }

    #[test]
    fn the_id_of_a_protection_is_read_and_not_guessed() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        write(&observations, Addon::Shield, None, true);
        let now = Instant::now();
        assert_eq!(observations.addons("arn", now), Addons::from([(Addon::Shield, Attachment::Nothing)]));
        write(&observations, Addon::Shield, Some(SHIELD_PROTECTION), true);
        assert_eq!(observations.addons("arn", now), Addons::new());
    }

    #[test]
    fn a_load_balancer_that_is_gone_is_forgotten() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        write(&observations, Addon::ClassicWebAcl, Some("acl"), true);
        let kind = ResourceKind::LoadBalancer;
        observations.wrote(&CallEffect::Delete(kind, "arn"), &Known::default(), true);
        assert_eq!(observations.addons("arn", Instant::now()), Addons::new());
    }

    #[tokio::test]
    async fn what_was_never_looked_at_is_believed_from_now_on() {
        let observations = ObservationCache::new(Duration::from_millis(120));
        assert!(!observations.is_due(&Unit::NodeRules));
        tokio::time::sleep(Duration::from_millis(101)).await;
        assert!(observations.is_due(&Unit::NodeRules));
        assert_eq!(observations.due(), [Unit::NodeRules]);
        observations.looked(Unit::NodeRules);
        assert!(observations.due().is_empty());
        observations.retain(|_| false);
        assert!(observations.lock().units.is_empty());
    }

    #[test]
    fn what_is_doubted_is_due_until_it_was_looked_at() {
        let observations = ObservationCache::new(Duration::from_hours(1));
        let group = GroupId::Explicit("shop".to_owned());
        let unit = Unit::Group(group.clone());
        observations.remember(&group, Arc::default());
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
