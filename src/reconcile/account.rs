//! Facts of the account, kept fresh on a clock and read again when a finding rests on them.

use futures::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use albedo_engine::facts::{Facts, Subnet};
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, FactKind};

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
    written: Arc<Notify>,
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
            written: Arc::default(),
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

    /// Somebody was answered by facts that may have changed since: they are read again soon, for the next try.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Facts that were read later than these, once they were doubted, if AWS answers in time. Only a few reviews may wait for them at a time: the others would have to wait for
    /// those, and are told what is known.
    pub async fn newer_than(&self, known: &Facts) -> Option<Arc<Facts>> {
        let read_at = |facts: &Facts| facts.subnets.as_ref().map(|subnets| subnets.read_at);
        let _place = self.places.try_acquire().ok().filter(|_| self.unread().is_empty())?;
        let newer = async {
            loop {
                let mut written = std::pin::pin!(self.written.notified());
                written.as_mut().enable();
                let now = self.get();
                if read_at(&now) > read_at(known) {
                    return now;
                }
                written.await;
            }
        };
        tokio::time::timeout(PATIENCE, newer).await.ok()
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
        self.written.notify_waiters();
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
        let mut facts = (*self.get()).clone();
        let failed = cloud.refresh(&mut facts, Timestamp::now(), all).boxed().await;
        self.put(facts);
        let mut failing = self.failing();
        // Said once: a permission that is missing is missing every two minutes.
        for (kind, error) in failed.iter().filter(|(kind, _)| !failing.contains_key(kind)) {
            tracing::warn!(%kind, %error, "facts of the account cannot be read; what was known stays");
        }
        *failing = failed.into_iter().map(|(kind, error)| (kind, error.may_pass())).collect();
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
