//! One bucket and the queue before it, which is fair: each tenant that waits gets a token in turn, however many calls it waits with.
//!
//! Round robin by rounds: a tenant's first waiting call is in the present round, its next one in the round after, and so on. Start-time fair queuing
//! with equal weights (<https://doi.org/10.1109/90.649569>) comes to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{Level, lock};

/// Longest sleep of a waiter that is not the first in the queue. A change of the queue ends it.
const IDLE: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Bucket {
    level: Mutex<Level>,
    queue: Mutex<Queue>,
    changed: Notify,
}

/// Round and number of arrival.
type Place = (u64, u64);

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<Place>,
    /// The last round in which each tenant has a place. Empty when nobody waits.
    last: BTreeMap<String, u64>,
    /// The round of who was served last.
    round: u64,
    arrivals: u64,
}

impl Queue {
    fn enter(&mut self, tenant: &str) -> Place {
        let round = self.last.get(tenant).map_or(self.round, |last| (last + 1).max(self.round));
        self.last.insert(tenant.to_owned(), round);
        self.arrivals += 1;
        self.waiting.insert((round, self.arrivals));
        (round, self.arrivals)
    }

    fn leave(&mut self, place: Place) {
        self.waiting.remove(&place);
        if self.waiting.is_empty() {
            self.last.clear();
        }
    }
}

impl Bucket {
    pub(super) fn new(level: Level) -> Self {
        Self { level: Mutex::new(level), queue: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn level(&self) -> MutexGuard<'_, Level> {
        lock(&self.level)
    }

    /// Waits for a token.
    pub(super) async fn take(&self, tenant: &str) {
        let waiter = Waiter { bucket: self, place: lock(&self.queue).enter(tenant) };
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on: a change between the look and the wait is not missed.
            changed.as_mut().enable();
            let Some(wait) = waiter.look() else { return };
            tokio::select! {
                () = changed => {}
                () = sleep(wait) => {}
            }
        }
    }
}

/// A place in the queue. It is freed when the waiting call is dropped.
struct Waiter<'b> {
    bucket: &'b Bucket,
    place: Place,
}

impl Waiter<'_> {
    /// Takes a token if this waiter is the first in the queue and a token is there; otherwise returns how long to wait before the next try.
    fn look(&self) -> Option<Duration> {
        let mut queue = lock(&self.bucket.queue);
        if queue.waiting.first() != Some(&self.place) {
            return Some(IDLE);
        }
        match self.bucket.level().take(Instant::now()) {
            Ok(()) => {
                queue.round = self.place.0;
                None
            }
            Err(wait) => Some(wait),
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        lock(&self.bucket.queue).leave(self.place);
        self.bucket.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A hundred calls a second, and none saved up.
    fn bucket() -> Arc<Bucket> {
        let now = Instant::now();
        let mut level = Level::full(100.0, 1.0, now);
        level.tokens = 0.0;
        Arc::new(Bucket::new(level))
    }

    /// Who was served, in order, when these come one after the other.
    async fn served(bucket: &Arc<Bucket>, tenants: &[&'static str]) -> Vec<&'static str> {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut calls = tokio::task::JoinSet::new();
        for tenant in tenants {
            let (bucket, order, tenant) = (Arc::clone(bucket), Arc::clone(&order), *tenant);
            calls.spawn(async move {
                bucket.take(tenant).await;
                lock(&order).push(tenant);
            });
            tokio::task::yield_now().await;
        }
        calls.join_all().await;
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    }

    #[tokio::test]
    async fn who_has_many_calls_does_not_hold_up_who_has_few() {
        let tenants = ["many", "many", "many", "many", "few", "few"];
        assert_eq!(served(&bucket(), &tenants).await, ["many", "few", "many", "few", "many", "many"]);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_no_gap() {
        let bucket = bucket();
        {
            let mut first = std::pin::pin!(bucket.take("first"));
            assert!(futures::poll!(first.as_mut()).is_pending());
        }
        assert_eq!(served(&bucket, &["second"]).await, ["second"]);
        assert!(lock(&bucket.queue).waiting.is_empty() && lock(&bucket.queue).last.is_empty());
    }

    #[tokio::test]
    async fn calls_keep_to_the_rate() {
        let (bucket, began) = (bucket(), Instant::now());
        served(&bucket, &["one"; 10]).await;
        assert!(began.elapsed() >= Duration::from_millis(99), "{:?}", began.elapsed());
    }
}
