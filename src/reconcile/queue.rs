//! Units of work in two lanes: what a user just changed overtakes what is looked at anyway. One pass a unit at a time,
//! and a pause that grows with each failure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::world::Unit;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Longest that a unit waits for others: in a large cluster a binding is always in work.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Pauses of a unit that waits for something in AWS, in seconds; the last one again and again. Targets become healthy within
/// seconds, a load balancer active after minutes, and each look reads the group anew: none is later than by half of the time that was waited.
const WAITS: [u64; 9] = [1, 1, 1, 1, 2, 2, 3, 5, 10];

/// Which units go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Something changed.
    Change,
    /// Nothing is known to have changed.
    Resync,
}

impl Lane {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Change, Self::Resync];

    /// The word in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Resync => "resync",
        }
    }
}

/// Who works on a unit. A group's pass waits until its bindings have let go of their targets, and their rules of its
/// security group: those must never have to wait for a worker that waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crew {
    /// Works on what may wait.
    Groups,
    /// Works on what others wait for.
    Targets,
}

impl Crew {
    fn of(unit: &Unit) -> Self {
        match unit {
            Unit::Group(_) | Unit::BackendGroup => Self::Groups,
            Unit::Binding(_) | Unit::NodeRules => Self::Targets,
        }
    }
}

/// The queue. It holds each unit once, so it is bounded by their number.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    groups: Notify,
    targets: Notify,
    /// Most units of a crew that are in work at the same time for one tenant.
    share: usize,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<Unit, Slot>,
    /// Units in work, and whether they were touched since their pass began.
    running: BTreeMap<Unit, Running>,
    failures: BTreeMap<Unit, u32>,
    /// How often in a row a unit found that it has to wait.
    waits: BTreeMap<Unit, usize>,
    /// Since when a unit waits for others.
    waits_for_others: BTreeMap<Unit, Instant>,
}

#[derive(Debug)]
struct Running {
    touched: Option<Lane>,
    tenant: Arc<str>,
}

#[derive(Debug)]
struct Slot {
    lane: Lane,
    due: Instant,
    /// For whom it is.
    tenant: Arc<str>,
    /// Nothing is amiss here: it looks again whether something has come elsewhere.
    rests: bool,
}

impl Queue {
    /// An empty queue that lets one tenant have so many units of a crew in work at the same time. There should be more workers than that, for the
    /// others.
    pub(super) fn new(share: usize) -> Self {
        Self { inner: Mutex::default(), groups: Notify::new(), targets: Notify::new(), share: share.max(1) }
    }

    /// Most units of a crew that are in work at the same time for one tenant.
    pub(super) fn share(&self) -> usize {
        self.share
    }

    /// Adds a unit, or moves it forward. `tenant` is for whom it is worked on: the name of a namespace.
    pub(super) fn add(&self, unit: Unit, tenant: &str, lane: Lane, after: Duration) {
        let mut inner = self.lock();
        if let Some(running) = inner.running.get_mut(&unit) {
            running.touched = Some(running.touched.map_or(lane, |known| known.min(lane)));
            return;
        }
        let (crew, due) = (Crew::of(&unit), Instant::now() + after);
        let waiting =
            inner.waiting.entry(unit).or_insert_with(|| Slot { lane, due, tenant: tenant.into(), rests: false });
        // A unit that pauses after a failure goes on pausing unless something about it changed.
        if lane == Lane::Change {
            waiting.due = waiting.due.min(due);
            waiting.rests = false;
        }
        waiting.lane = waiting.lane.min(lane);
        drop(inner);
        self.wake(crew).notify_one();
    }

    /// Waits for a unit of the crew that is due, and for whom it is; the unit belongs to the caller until [`Queue::done`] or [`Queue::failed`].
    pub(super) async fn next(&self, crew: Crew) -> (Unit, Arc<str>) {
        let wake = self.wake(crew);
        loop {
            let wait = {
                let mut inner = self.lock();
                let now = Instant::now();
                // Whoever has its share in work waits until one of these ends, which wakes a worker.
                let mut in_work: BTreeMap<Arc<str>, usize> = BTreeMap::new();
                for (_, running) in inner.running.iter().filter(|(unit, _)| Crew::of(unit) == crew) {
                    *in_work.entry(running.tenant.clone()).or_default() += 1;
                }
                let may = |slot: &Slot| in_work.get(&slot.tenant).is_none_or(|count| *count < self.share);
                let mine = || inner.waiting.iter().filter(|(unit, slot)| Crew::of(unit) == crew && may(slot));
                let due = mine().filter(|(_, slot)| slot.due <= now);
                let first = due.min_by_key(|(_, slot)| (slot.lane, slot.due)).map(|(unit, _)| unit.clone());
                if let Some(unit) = first {
                    let more = mine().nth(1).is_some();
                    let tenant = inner.waiting.remove(&unit).map(|slot| slot.tenant).unwrap_or_default();
                    inner.running.insert(unit.clone(), Running { touched: None, tenant: tenant.clone() });
                    drop(inner);
                    if more {
                        wake.notify_one();
                    }
                    return (unit, tenant);
                }
                mine().map(|(_, slot)| slot.due).min()
            };
            match wait {
                Some(due) => {
                    tokio::select! {
                        () = wake.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                None => wake.notified().await,
            }
        }
    }

    /// Whether something about a unit has changed since its pass began.
    pub(super) fn is_touched(&self, unit: &Unit) -> bool {
        self.lock().running.get(unit).is_some_and(|running| running.touched.is_some())
    }

    /// Whether a unit should wait for others: one of them is in work, or will be within this time if there is a worker. After [`LONGEST_WAIT`] it
    /// need not any more.
    pub(super) fn should_wait(&self, unit: &Unit, within: Duration, others: impl Fn(&Unit) -> bool) -> bool {
        let (mut inner, now) = (self.lock(), Instant::now());
        let due = inner.waiting.iter().filter(|(_, slot)| slot.due <= now + within).map(|(unit, _)| unit);
        let waits = inner.running.keys().chain(due).any(others) && {
            let since = *inner.waits_for_others.entry(unit.clone()).or_insert(now);
            now - since < LONGEST_WAIT
        };
        if !waits {
            inner.waits_for_others.remove(unit);
        }
        waits
    }

    /// The unit's pass is over; `again` asks for another one.
    pub(super) fn done(&self, unit: &Unit, again: Option<Duration>) {
        let mut inner = self.lock();
        inner.failures.remove(unit);
        inner.waits.remove(unit);
        drop(inner);
        self.end(unit, again.map(|after| (Lane::Change, after)));
    }

    /// The unit's pass is over and waits for something: it comes back after a pause, a longer one each time.
    pub(super) fn waits(&self, unit: &Unit) {
        let pause = {
            let mut inner = self.lock();
            inner.failures.remove(unit);
            let waited = inner.waits.entry(unit.clone()).or_default();
            let pause = WAITS.get(*waited).or(WAITS.last()).copied().unwrap_or_default();
            *waited = (*waited + 1).min(WAITS.len());
            Duration::from_secs(pause)
        };
        self.end(unit, Some((Lane::Change, pause)));
    }

    /// The unit's pass failed: it comes back after a pause.
    pub(super) fn failed(&self, unit: &Unit) {
        let pause = {
            let mut inner = self.lock();
            let failures = inner.failures.entry(unit.clone()).or_default();
            let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX));
            *failures = (*failures + 1).min(16);
            doubled.min(LONGEST_PAUSE)
        };
        self.end(unit, Some((Lane::Resync, pause)));
    }

    fn end(&self, unit: &Unit, again: Option<(Lane, Duration)>) {
        let Some(Running { touched, tenant }) = self.lock().running.remove(unit) else { return };
        if let Some(lane) = touched {
            self.add(unit.clone(), &tenant, lane, Duration::ZERO);
        } else if let Some((lane, after)) = again {
            self.add(unit.clone(), &tenant, lane, after);
        }
        // Another unit of this tenant may have waited for it.
        self.wake(Crew::of(unit)).notify_one();
    }

    /// The unit's pass is over, and after a while it looks again of itself.
    pub(super) fn rests(&self, unit: &Unit, after: Duration) {
        self.done(unit, Some(after));
        if let Some(slot) = self.lock().waiting.get_mut(unit).filter(|slot| slot.due > Instant::now()) {
            slot.rests = true;
        }
    }

    /// How many units of a lane wait, without those that only look again, and how long the first of them has been due.
    pub(super) fn waiting(&self, lane: Lane) -> (usize, Duration) {
        let (inner, now) = (self.lock(), Instant::now());
        let slots = inner.waiting.values().filter(|slot| slot.lane == lane && !slot.rests);
        let dues = slots.map(|slot| now.saturating_duration_since(slot.due));
        dues.fold((0, Duration::ZERO), |(count, oldest), due| (count + 1, oldest.max(due)))
    }

    /// Whether units of a crew are due and nobody works on any.
    pub(super) fn is_neglected(&self) -> bool {
        let (inner, now) = (self.lock(), Instant::now());
        let is_due = |crew| inner.waiting.iter().any(|(unit, slot)| Crew::of(unit) == crew && slot.due <= now);
        let is_at_work = |crew| inner.running.keys().any(|unit| Crew::of(unit) == crew);
        [Crew::Groups, Crew::Targets].into_iter().any(|crew| is_due(crew) && !is_at_work(crew))
    }

    fn wake(&self, crew: Crew) -> &Notify {
        match crew {
            Crew::Groups => &self.groups,
            Crew::Targets => &self.targets,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use albedo_engine::kinds::Key;

    use super::*;

    fn unit(name: &str) -> Unit {
        Unit::Binding(Key::new("ns", name))
    }

    #[tokio::test]
    async fn what_changed_overtakes_what_is_looked_at_anyway() {
        let queue = Queue::new(3);
        queue.add(unit("a"), "shop", Lane::Resync, Duration::ZERO);
        queue.add(unit("b"), "shop", Lane::Change, Duration::ZERO);
        assert_eq!(queue.next(Crew::Targets).await.0, unit("b"));
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
    }

    #[tokio::test]
    async fn a_unit_is_worked_on_once_at_a_time_and_again_if_it_was_touched() {
        let queue = Queue::new(3);
        let at_work = |queue: &Queue| queue.should_wait(&Unit::NodeRules, Duration::ZERO, |one| *one == unit("a"));
        queue.add(unit("a"), "shop", Lane::Change, Duration::from_mins(1));
        assert!(!at_work(&queue), "its time has not come");
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        assert!(at_work(&queue));
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
        assert!(at_work(&queue) && !queue.should_wait(&unit("c"), Duration::ZERO, |one| *one == unit("b")));
        assert!(!queue.is_touched(&unit("a")));
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        assert!(queue.is_touched(&unit("a")));
        assert_eq!(queue.waiting(Lane::Change).0, 0, "it waits for its pass to end");
        queue.done(&unit("a"), None);
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
        queue.done(&unit("a"), None);
        assert_eq!(queue.waiting(Lane::Change).0, 0);
    }

    #[tokio::test]
    async fn what_waits_has_a_lane_and_an_age() {
        let queue = Queue::new(3);
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        queue.add(unit("b"), "shop", Lane::Resync, Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (count, oldest) = queue.waiting(Lane::Change);
        assert!(count == 1 && oldest >= Duration::from_millis(20), "{oldest:?}");
        assert_eq!(queue.waiting(Lane::Resync), (1, Duration::ZERO), "it is not due yet");
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
        queue.rests(&unit("a"), Duration::from_mins(1));
        assert_eq!(queue.waiting(Lane::Change).0, 0, "it only looks again");
    }

    #[tokio::test]
    async fn work_that_nobody_takes_is_neglected() {
        let queue = Queue::new(3);
        queue.add(unit("a"), "shop", Lane::Change, Duration::from_mins(1));
        assert!(!queue.is_neglected(), "it is not due yet");
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        queue.add(unit("b"), "shop", Lane::Change, Duration::ZERO);
        assert!(queue.is_neglected());
        let taken = queue.next(Crew::Targets).await.0;
        assert!(!queue.is_neglected(), "the other one waits for a worker that works");
        queue.add(Unit::BackendGroup, "shop", Lane::Change, Duration::ZERO);
        assert!(queue.is_neglected(), "the other crew has none");
        assert_eq!(queue.next(Crew::Groups).await.0, Unit::BackendGroup);
        queue.done(&taken, None);
        assert!(queue.is_neglected());
    }

    #[tokio::test]
    async fn nobody_has_all_workers() {
        let queue = Queue::new(2);
        for name in ["a", "b", "c", "d"] {
            queue.add(unit(name), "many", Lane::Change, Duration::ZERO);
        }
        queue.add(unit("z"), "few", Lane::Resync, Duration::ZERO);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(queue.next(Crew::Targets).await);
        }
        let names: Vec<_> = taken.iter().map(|(unit, tenant)| (unit.clone(), tenant.to_string())).collect();
        let of = |name: &str, tenant: &str| (unit(name), tenant.to_owned());
        assert_eq!(names, [of("a", "many"), of("b", "many"), of("z", "few")]);
        let mut next = std::pin::pin!(queue.next(Crew::Targets));
        assert!(futures::poll!(next.as_mut()).is_pending(), "the share is in work");
        queue.done(&unit("a"), None);
        assert_eq!(next.await.0, unit("c"));
    }

    #[test]
    fn nobody_waits_for_others_for_ever() {
        let queue = Queue::new(3);
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        let waits = || queue.should_wait(&Unit::NodeRules, Duration::ZERO, |one| *one == unit("a"));
        assert!(waits());
        let earlier = Instant::now().checked_sub(LONGEST_WAIT).expect("a machine that has run for longer");
        queue.lock().waits_for_others.insert(Unit::NodeRules, earlier);
        assert!(!waits(), "it has waited long enough");
        assert!(waits(), "the next wait begins anew");
    }

    #[tokio::test]
    async fn nobody_waits_for_the_other_crew() {
        let queue = Queue::new(3);
        queue.add(Unit::BackendGroup, "shop", Lane::Change, Duration::ZERO);
        queue.add(Unit::NodeRules, "shop", Lane::Resync, Duration::from_millis(50));
        assert_eq!(queue.next(Crew::Targets).await.0, Unit::NodeRules);
        assert_eq!(queue.next(Crew::Groups).await.0, Unit::BackendGroup);
    }

    #[tokio::test]
    async fn who_waits_looks_less_and_less_often() {
        let queue = Queue::new(3);
        let due = || queue.lock().waiting.get(&unit("a")).map(|slot| slot.due - Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..WAITS.len() + 2 {
            queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
            assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
            queue.waits(&unit("a"));
            pauses.push(due().unwrap_or_default().as_secs_f64().round());
        }
        assert_eq!(pauses, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0, 10.0, 10.0, 10.0]);
        // What was waited for is there: the next wait begins anew.
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
        queue.done(&unit("a"), None);
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
        queue.waits(&unit("a"));
        assert!(due().unwrap_or_default() <= Duration::from_secs(1));
    }

    #[tokio::test]
    async fn pauses_grow_and_a_change_ends_them() {
        let queue = Queue::new(3);
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..2 {
            let began = Instant::now();
            assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
            pauses.push(began.elapsed());
            queue.failed(&unit("a"));
        }
        assert!(pauses.is_sorted() && pauses.last().is_some_and(|pause| *pause >= FIRST_PAUSE), "{pauses:?}");
        let began = Instant::now();
        queue.add(unit("a"), "shop", Lane::Change, Duration::ZERO);
        assert_eq!(queue.next(Crew::Targets).await.0, unit("a"));
        assert!(began.elapsed() < Duration::from_millis(10));
    }
}
