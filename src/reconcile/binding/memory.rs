//! What passes over bindings remember: what their target groups are, what was told, what AWS refused. All of it can be lost at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::stack::Target;
use albedo_engine::targets::{Record, TargetGroupRead};
use tokio::time::Instant;

/// How long what was read of a target group is believed.
pub(super) const BELIEVED: Duration = Duration::from_mins(10);
/// How long a name is believed to be the same target group's.
const NAMED: Duration = Duration::from_mins(1);

/// The memory; it holds no more than there are bindings, and target groups that they named lately.
#[derive(Debug, Default)]
pub(in crate::reconcile) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By ARN.
    groups: BTreeMap<String, (Arc<TargetGroupRead>, Instant)>,
    /// ARN by role and name.
    names: BTreeMap<(String, String), (String, Instant)>,
    bindings: BTreeMap<Key, Known>,
}

/// What is known of one binding.
#[derive(Debug, Default)]
struct Known {
    /// The last text of a state that lasts.
    told: String,
    /// What was said of those that are skipped.
    skipped: String,
    /// Since when a pod that a slice names has not been seen.
    unseen: Option<Instant>,
    /// What was registered last.
    record: Option<Record>,
    /// Targets that AWS refused: they are tried last.
    refused: BTreeSet<Target>,
    /// When the health of targets was last told to pods, and to which, by uid.
    gates_told: Option<(Instant, BTreeSet<String>)>,
    /// The list that was last written for LBC.
    tracked: Option<String>,
}

impl Memory {
    pub(super) fn target_group(&self, arn: &str) -> Option<Arc<TargetGroupRead>> {
        let inner = self.lock();
        inner.groups.get(arn).filter(|(_, at)| at.elapsed() < BELIEVED).map(|(group, _)| group.clone())
    }

    /// What was read of a binding's target group, however long ago: what it is made of never changes.
    pub(super) fn target_group_of(&self, binding: &TargetGroupBinding) -> Option<Arc<TargetGroupRead>> {
        let inner = self.lock();
        let named = || Some(&inner.names.get(&name_of(binding)?)?.0);
        let arn = binding.given_arn().or_else(|| named().map(String::as_str))?;
        inner.groups.get(arn).map(|(group, _)| group.clone())
    }

    pub(super) fn learn(&self, group: Arc<TargetGroupRead>) {
        self.lock().groups.insert(group.arn.clone(), (group, Instant::now()));
    }

    pub(super) fn arn(&self, binding: &TargetGroupBinding) -> Option<String> {
        self.lock().names.get(&name_of(binding)?).filter(|(_, at)| at.elapsed() < NAMED).map(|(arn, _)| arn.clone())
    }

    pub(super) fn learn_name(&self, binding: &TargetGroupBinding, arn: &str) {
        if let Some(name) = name_of(binding) {
            self.lock().names.insert(name, (arn.to_owned(), Instant::now()));
        }
    }

    /// Some target group is not what it was.
    pub(in crate::reconcile) fn forget_target_groups(&self) {
        let mut inner = self.lock();
        inner.groups.clear();
        inner.names.clear();
    }

    /// Whether this was not what was told last.
    pub(super) fn told(&self, key: &Key, text: &str) -> bool {
        self.change(key, |known| replace(&mut known.told, text))
    }

    /// All is well again.
    pub(super) fn quiet(&self, key: &Key) {
        self.change(key, |known| known.told.clear());
    }

    /// Whether this was not what was said of the skipped last, and there is something to say.
    pub(super) fn skipped(&self, key: &Key, text: &str) -> bool {
        self.change(key, |known| replace(&mut known.skipped, text)) && !text.is_empty()
    }

    /// For how long a pod has not been seen.
    pub(super) fn unseen_for(&self, key: &Key, unseen: bool) -> Duration {
        self.change(key, |known| {
            known.unseen = unseen.then(|| known.unseen.unwrap_or_else(Instant::now));
            known.unseen.map(|since| since.elapsed()).unwrap_or_default()
        })
    }

    pub(super) fn registered(&self, key: &Key, record: Record) {
        self.change(key, |known| known.record = Some(record));
    }

    pub(in crate::reconcile) fn record(&self, key: &Key) -> Option<Record> {
        self.lock().bindings.get(key).and_then(|known| known.record.clone())
    }

    pub(super) fn refused(&self, key: &Key) -> BTreeSet<Target> {
        self.lock().bindings.get(key).map(|known| known.refused.clone()).unwrap_or_default()
    }

    pub(super) fn refuse(&self, key: &Key, refused: BTreeSet<Target>) {
        self.change(key, |known| known.refused = refused);
    }

    /// How long ago the health of their targets was told to these pods, all of them.
    pub(super) fn gates_told<'p>(&self, key: &Key, mut pods: impl Iterator<Item = &'p str>) -> Option<Duration> {
        let inner = self.lock();
        let (at, told) = inner.bindings.get(key)?.gates_told.as_ref()?;
        pods.all(|uid| told.contains(uid)).then(|| at.elapsed())
    }

    pub(super) fn tell_gates(&self, key: &Key, pods: BTreeSet<String>) {
        self.change(key, |known| known.gates_told = (!pods.is_empty()).then(|| (Instant::now(), pods)));
    }

    /// Whether this list is the one that was written last.
    pub(super) fn is_tracked(&self, key: &Key, list: &str) -> bool {
        self.lock().bindings.get(key).is_some_and(|known| known.tracked.as_deref() == Some(list))
    }

    pub(super) fn tracked(&self, key: &Key, list: String) {
        self.change(key, |known| known.tracked = Some(list));
    }

    /// Forgets bindings that are no more, and target groups that were read long ago.
    pub(in crate::reconcile) fn retain(&self, is_there: impl Fn(&Key) -> bool) {
        let mut inner = self.lock();
        inner.bindings.retain(|key, _| is_there(key));
        let named: BTreeSet<String> = inner.names.values().map(|(arn, _)| arn.clone()).collect();
        let bound = inner.bindings.len();
        if inner.groups.len() > bound.saturating_mul(2).max(64) {
            inner.groups.retain(|arn, (_, at)| at.elapsed() < BELIEVED || named.contains(arn));
        }
        if inner.names.len() > bound.max(64) {
            inner.names.retain(|_, (_, at)| at.elapsed() < BELIEVED);
        }
    }

    fn change<T>(&self, key: &Key, change: impl FnOnce(&mut Known) -> T) -> T {
        change(self.lock().bindings.entry(key.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each account has names of its own.
fn name_of(binding: &TargetGroupBinding) -> Option<(String, String)> {
    let role = binding.given_role().map(|(role, _)| role).unwrap_or_default();
    Some((role.to_owned(), binding.given_name()?.to_owned()))
}

fn replace(last: &mut String, text: &str) -> bool {
    let other = last != text;
    if other {
        text.clone_into(last);
    }
    other
}
