//! Facts of the account, kept fresh on a clock and read again when a finding rests on them.

mod following;
mod packed;
mod publishing;

use futures::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use albedo_engine::facts::{Facts, Subnet};
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, FactKind};

pub use following::Follower;
pub use publishing::Publisher;

/// How often facts are read anew.
const EVERY: Duration = Duration::from_mins(2);
/// Pause before facts that could not be read are read again; it doubles up to [`EVERY`].
const RETRY: Duration = Duration::from_secs(5);
/// Facts younger than this are not read again because of a finding.
const YOUNG: Duration = Duration::from_secs(2);
/// How long a review may wait for newer ones. The API server waits 5 s for its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many reviews may wait for them at a time.
const PLACES: usize = 4;

/// The facts; a clone is another handle to the same.
#[derive(Clone)]
pub struct Account {
    facts: Arc<RwLock<Arc<Facts>>>,
    /// One refresh at a time; those who wait for it take its result.
    refreshing: Arc<Mutex<()>>,
    /// Kinds that could not be read the last time, each with whether that may pass by itself.
    failing: Arc<SyncMutex<BTreeMap<FactKind, bool>>>,
    doubted: Arc<Notify>,
    /// How often somebody has asked that they be read again.
    asked: Arc<AtomicU64>,
    /// The last of these that was there before they were read.
    answered: watch::Sender<u64>,
    /// Grows each time that they, or what could not be read, have changed.
    written: watch::Sender<u64>,
    /// Places of those who wait for newer facts.
    places: Arc<Semaphore>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            facts: Arc::default(),
            refreshing: Arc::default(),
            failing: Arc::default(),
            doubted: Arc::default(),
            asked: Arc::default(),
            answered: watch::Sender::default(),
            written: watch::Sender::default(),
            places: Arc::new(Semaphore::new(PLACES)),
        }
    }
}

impl Account {
    /// Facts of which nothing but the place is known.
    #[must_use]
    pub fn new(region: Option<String>, vpc_id: Option<String>) -> Self {
        let account = Self::default();
        account.put(Facts { region, vpc_id, ..Facts::default() });
        account
    }

    /// The facts as they are known now.
    #[must_use]
    pub fn get(&self) -> Arc<Facts> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kinds that could not be read the last time.
    #[must_use]
    pub fn unread(&self) -> BTreeSet<FactKind> {
        self.failing().keys().copied().collect()
    }

    /// Somebody was answered by facts that may have changed since: they are read again soon, for the next try. The number is that of this question.
    pub fn doubt(&self) -> u64 {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.doubted.notify_one();
        number
    }

    /// Facts whose reading began after this call, if that is possible in time. Only a few reviews may wait for them at a time: the others would have to wait for those,
    /// and are told what is known.
    pub async fn read_anew(&self) -> Option<Arc<Facts>> {
        let number = self.doubt();
        let _place = self.places.try_acquire().ok().filter(|_| self.unread().is_empty())?;
        let mut answered = self.answered.subscribe();
        let newer = tokio::time::timeout(PATIENCE, answered.wait_for(|last| *last >= number)).await;
        newer.ok()?.ok()?;
        Some(self.get())
    }

    /// Waits until somebody has doubted them since the last time, and returns the number of the last question.
    pub(super) async fn doubted(&self) -> u64 {
        self.doubted.notified().await;
        self.asked()
    }

    /// The number of the last question.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Answers the questions up to this number: what is known was read after them.
    pub(super) fn answer(&self, number: u64) {
        self.answered.send_if_modified(|last| number > std::mem::replace(last, number.max(*last)));
    }

    /// The last question that is answered, now and after each change.
    pub(super) fn answers(&self) -> watch::Receiver<u64> {
        self.answered.subscribe()
    }

    /// Tells each change of the facts.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// Takes facts that another replica has read, and what it could not read.
    pub(super) fn take(&self, facts: Facts, failing: impl IntoIterator<Item = FactKind>) {
        *self.failing() = failing.into_iter().map(|kind| (kind, true)).collect();
        self.put(facts);
    }

    /// How long ago they were read.
    fn age(&self) -> Duration {
        self.get().subnets.as_ref().map_or(Duration::MAX, |known| known.age(Timestamp::now()))
    }

    /// Where we are was found out.
    pub fn settle(&self, region: &str, vpc_id: &str) {
        let known = (*self.get()).clone();
        self.put(Facts { region: Some(region.to_owned()), vpc_id: Some(vpc_id.to_owned()), ..known });
    }

    fn put(&self, facts: Facts) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(facts);
        self.written.send_modify(|count| *count += 1);
    }

    /// Whether a kind of facts could not be read the last time, for a reason that only a person can end.
    pub fn is_kept_from(&self, kind: FactKind) -> bool {
        self.failing().get(&kind).is_some_and(|may_pass| !may_pass)
    }

    fn failing(&self) -> MutexGuard<'_, BTreeMap<FactKind, bool>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is due; a kind that cannot be read stays as it is.
    pub async fn refresh(&self, cloud: &Cloud) {
        let _one = self.refreshing.lock().await;
        self.read(cloud, false).await;
    }

    /// Reads all facts unless they are young. Whether they were read.
    pub async fn refresh_unless_young(&self, cloud: &Cloud) -> bool {
        let _one = self.refreshing.lock().await;
        let young = self.age() < YOUNG;
        if !young {
            self.read(cloud, true).await;
        }
        !young
    }

    async fn read(&self, cloud: &Cloud, all: bool) {
        let asked = self.asked();
        let mut facts = (*self.get()).clone();
        let failed = cloud.refresh(&mut facts, Timestamp::now(), all).boxed().await;
        let mut failing = self.failing();
        // Said once: a permission that is missing is missing every two minutes.
        for (kind, error) in failed.iter().filter(|(kind, _)| !failing.contains_key(kind)) {
            tracing::warn!(%kind, %error, "facts of the account cannot be read; what was known stays");
        }
        *failing = failed.into_iter().map(|(kind, error)| (kind, error.may_pass())).collect();
        drop(failing);
        self.put(facts);
        self.answer(asked);
    }

    /// Subnets of other VPCs, which no list of this VPC's has, are learnt when somebody names them.
    pub async fn learn_subnets(&self, cloud: &Cloud, ids: &[String]) {
        let _one = self.refreshing.lock().await;
        let found = match cloud.extra_subnets(ids).boxed().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "subnets that an Ingress names cannot be read");
                return;
            }
        };
        let mut facts = (*self.get()).clone();
        if let Some(known) = &mut facts.subnets {
            let fresh = |subnet: &Subnet| !known.value.iter().any(|one| one.id == subnet.id);
            let found: Vec<Subnet> = found.into_iter().filter(fresh).collect();
            known.value.extend(found);
        }
        self.put(facts);
    }

    /// Keeps them fresh until `stop`.
    pub async fn keep(self, cloud: Cloud, stop: CancellationToken) {
        // What rests on facts that could not be read waits for them.
        let mut retry = RETRY;
        loop {
            let failing = !self.failing().is_empty();
            let pause = if failing { retry } else { EVERY };
            retry = if failing { (retry * 2).min(EVERY) } else { RETRY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => self.refresh(&cloud).await,
                () = self.doubted.notified() => while !self.refresh_unless_young(&cloud).await {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(YOUNG.saturating_sub(self.age())) => {}
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_read_after_a_question_answers_it() {
        let account = Account::default();
        account.answer(account.doubt());
        let mut asking = std::pin::pin!(account.read_anew());
        assert!(asking.as_mut().now_or_never().is_none());
        assert_eq!(account.doubted().await, 2);
        account.answer(1);
        assert!(asking.as_mut().now_or_never().is_none(), "answered by what was read before");
        account.take(Facts { region: Some("eu-central-1".to_owned()), ..Facts::default() }, []);
        account.answer(2);
        let facts = asking.await.unwrap();
        assert_eq!(facts.region.as_deref(), Some("eu-central-1"));
        // Who answers an older question later takes nothing back.
        account.answer(1);
        assert_eq!(*account.answers().borrow(), 2);
    }

    #[tokio::test]
    async fn few_wait_and_nobody_for_what_cannot_be_read() {
        let account = Account::default();
        let mut waiting: Vec<_> = (0..PLACES).map(|_| Box::pin(account.read_anew())).collect();
        assert!(waiting.iter_mut().all(|one| one.as_mut().now_or_never().is_none()));
        assert_eq!(account.read_anew().now_or_never(), Some(None), "there is no place");
        waiting.clear();
        account.take(Facts::default(), [FactKind::Subnets]);
        assert_eq!(account.read_anew().now_or_never(), Some(None), "AWS was not read the last time");
    }
}
