//! The leader publishes its facts for replicas that do not call AWS, and reads them again when one of these asks.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use albedo_engine::facts::{FORM, Facts, Published};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Account;
use super::packed::{PackError, Packed, unpacked};
use crate::cluster::{Cluster, FactsIndex, FactsPlace, LeaseProof, ReadError, StoredIndex, WriteError, with_sources};

/// Pause before something that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often parts are written though their content has not changed: the API server stores nothing then, and what somebody else wrote into them goes.
const ASSERT: Duration = Duration::from_mins(10);

/// Publishes the facts of one lease.
pub struct Publisher {
    cluster: Cluster,
    account: Account,
    place: FactsPlace,
    lease_proof: LeaseProof,
    /// What is published. `None`: it is not known.
    stored: Option<FactsIndex>,
    /// When the parts were written last.
    asserted: Option<Instant>,
    /// Kinds that an earlier leader had read and this one could not read yet.
    inherited: Facts,
    /// Kinds that were left out the last time.
    left_out: usize,
}

/// Why facts were not published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl Publisher {
    pub fn new(cluster: Cluster, account: Account, place: FactsPlace, lease_proof: LeaseProof) -> Self {
        Self {
            cluster,
            account,
            place,
            lease_proof,
            stored: None,
            asserted: None,
            inherited: Facts::default(),
            left_out: 0,
        }
    }

    /// Goes on until `stop`. What fails is said once and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.account.changes();
        let mut answers = self.account.answers();
        let mut requests = pin!(self.cluster.facts_requests(&self.place));
        // Revisions of requests by the number of the question that they became.
        let mut pending: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut said, mut unwatched) = (String::new(), String::new());
        // When to try without a reason: at the start, and after a failure.
        let mut due = Some(Instant::now());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                request = requests.next() => match request {
                    Some(Ok(Some(revision))) => {
                        pending.insert(self.account.doubt(), revision);
                        continue;
                    }
                    Some(Ok(None)) => continue,
                    Some(Err(error)) => {
                        let text = with_sources(&error);
                        if text != unwatched {
                            tracing::warn!(error = text, "requests for facts cannot be watched; it is tried again");
                            unwatched = text;
                        }
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        continue;
                    }
                    None => return tracing::error!("the watch of requests for facts ended"),
                },
                // Both senders live as long as the account.
                _ = changes.changed(), if due.is_none() => {}
                _ = answers.changed(), if due.is_none() => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            let last = *answers.borrow_and_update();
            changes.mark_unchanged();
            let answered = pending.range(..=last).map(|(_, revision)| *revision).max();
            match self.publish(answered).await {
                Ok(()) => {
                    pending.retain(|number, _| *number > last);
                    said.clear();
                    due = None;
                }
                Err(error) => {
                    let text = with_sources(&error);
                    if text != said {
                        tracing::warn!(place = %self.place, error = text, "facts are not published; it is tried again");
                        said = text;
                    }
                    self.stored = None;
                    due = Some(Instant::now() + RETRY);
                }
            }
        }
    }

    async fn publish(&mut self, answered: Option<u64>) -> Result<(), PublishError> {
        let before = match self.stored.clone() {
            Some(stored) => stored,
            None => self.look().await?,
        };
        let failing = self.account.unread();
        let mut facts = (*self.account.get()).clone();
        if failing.is_empty() {
            self.inherited = Facts::default();
        }
        fill(&mut facts, &self.inherited);
        let packed = Packed::of(&facts)?;
        if packed.left_out != self.left_out {
            self.left_out = packed.left_out;
            tracing::warn!(
                kinds = self.left_out,
                "facts are too large: kinds are left out, and admission does not check what rests on them"
            );
        }
        let Published { read_at, .. } = &packed.published;
        let mut next = FactsIndex {
            form: FORM,
            digest: packed.published.digest(),
            parts: before.parts,
            read_at: read_at.clone(),
            failing: failing.iter().map(ToString::to_string).collect(),
            answered: answered.max(before.answered),
        };
        let is_new = (next.form, &next.digest) != (before.form, &before.digest);
        if is_new || self.asserted.is_none_or(|at| at.elapsed() >= ASSERT) {
            let (cluster, digest, bytes) = (&self.cluster, &next.digest, packed.bytes());
            next.parts = cluster.put_facts_content(&self.lease_proof, &self.place, digest, bytes).await?;
            self.asserted = Some(Instant::now());
        }
        if is_new {
            tracing::info!(place = %self.place, bytes = packed.bytes().len(), "facts are published");
        }
        if next != before {
            self.cluster.put_facts_index(&self.lease_proof, &self.place, &next).await?;
        }
        self.stored = Some(next);
        Ok(())
    }

    /// What an earlier leader published, or nothing. What cannot be read is written anew.
    async fn look(&mut self) -> Result<FactsIndex, PublishError> {
        self.cluster.put_facts_request(&self.lease_proof, &self.place).await?;
        let StoredIndex::Found(index) = self.cluster.facts_index(&self.place).await? else {
            return Ok(FactsIndex::default());
        };
        let anew = |index: &FactsIndex| FactsIndex { answered: index.answered, ..FactsIndex::default() };
        let Some(bytes) = self.cluster.facts_content(&self.place, &index).await? else { return Ok(anew(&index)) };
        let facts = unpacked(&bytes).ok().and_then(|content| {
            let published = Published { content, read_at: index.read_at.clone() };
            let is_whole = index.form == FORM && published.digest() == index.digest;
            published.facts(Timestamp::now()).ok().filter(|_| is_whole)
        });
        let own = self.account.get();
        match facts {
            Some(facts) if (&facts.region, &facts.vpc_id) == (&own.region, &own.vpc_id) => self.inherited = facts,
            Some(_) => {}
            None => return Ok(anew(&index)),
        }
        Ok(*index)
    }
}

/// Takes kinds that were never read from other facts.
fn fill(facts: &mut Facts, from: &Facts) {
    macro_rules! fill {
        ($($kind:ident),+) => { $(if facts.$kind.is_none() { facts.$kind.clone_from(&from.$kind); })+ };
    }
    fill!(subnets, certificates, security_groups, target_group_names, target_groups, web_acls, trust_stores);
    fill!(prefix_lists, shield_subscribed, account_limits);
}
