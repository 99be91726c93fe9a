//! The facts of a replica that does not call AWS: those that the leader publishes.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::{Duration, Instant};

use albedo_engine::facts::{FORM, Published};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Account;
use super::packed::{PackError, unpacked};
use crate::cloud::FactKind;
use crate::cluster::{Cluster, FactsIndex, FactsPlace, ReadError, StoredIndex, with_sources};

/// Pause before parts that do not fit their index are read again: their writer may be at work.
const RETRY: Duration = Duration::from_secs(2);
/// So often that is not worth a word.
const QUIET: u32 = 2;
/// Least pause between two requests; what is asked meanwhile is asked together.
const ASK: Duration = Duration::from_millis(250);
/// Questions that are remembered: nobody waits for older ones any more.
const PENDING: usize = 64;
/// From the start until it is said that nothing is published.
const SAY_ABSENT: Duration = Duration::from_secs(15);

/// Follows what is published.
pub struct Follower {
    cluster: Cluster,
    account: Account,
    place: FactsPlace,
    /// The region and the VPC that the flags name.
    told: (Option<String>, Option<String>),
    /// The content that was taken last, by its digest.
    taken: Option<(String, Published)>,
    /// Questions and the revisions of the requests that they became.
    pending: VecDeque<(u64, u64)>,
    /// When the leader was asked last.
    asked_at: Option<Instant>,
    said: String,
}

/// Why published facts were not taken.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the index is damaged: {0}")]
    Index(String),
    #[error("the facts have form {0}, and this version reads form {FORM}; replicas of both versions run")]
    Form(u32),
    #[error("the parts are not those of the index")]
    Parts,
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("the content is not what its digest says")]
    Digest,
    #[error("the content cannot be decoded")]
    Content(#[from] serde_json::Error),
    #[error("they are of region {region} and {vpc}, and the flags of this replica name others")]
    Elsewhere { region: String, vpc: String },
}

impl Follower {
    pub fn new(cluster: Cluster, account: Account, place: FactsPlace) -> Self {
        let facts = account.get();
        let told = (facts.region.clone(), facts.vpc_id.clone());
        Self {
            cluster,
            account,
            place,
            told,
            taken: None,
            pending: VecDeque::new(),
            asked_at: None,
            said: String::new(),
        }
    }

    /// Goes on until `stop`. What cannot be used is said once; the facts that were good last stay, and grow old.
    pub async fn run(mut self, stop: CancellationToken) {
        let began = Instant::now();
        let mut indices = pin!(self.cluster.facts_indices(&self.place));
        let (mut last, mut again, mut failures) = (None, None, 0_u32);
        let mut is_absent_said = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                found = indices.next() => match found {
                    Some(Ok(index)) => last = Some(index),
                    Some(Err(error)) => {
                        self.say(&with_sources(&error));
                        tokio::time::sleep(RETRY / 2).await;
                        continue;
                    }
                    None => return tracing::error!("the watch of published facts ended"),
                },
                number = self.account.doubted() => {
                    self.ask(number).await;
                    continue;
                }
                () = pause(again) => {}
            }
            again = None;
            match &last {
                None | Some(StoredIndex::Absent) => {
                    let wait = SAY_ABSENT.saturating_sub(began.elapsed());
                    if wait.is_zero() && !std::mem::replace(&mut is_absent_said, true) {
                        tracing::warn!(
                            place = %self.place,
                            "no facts of the account are published, so what rests on them is not checked; is a replica with --role=controller the leader?"
                        );
                    }
                    again = (!is_absent_said).then_some(wait.max(RETRY));
                }
                Some(index) => match self.look(index).await {
                    Ok(()) => {
                        failures = 0;
                        self.said.clear();
                    }
                    Err(error) => {
                        failures += 1;
                        again = Some(RETRY);
                        if failures > QUIET || !matches!(error, FollowError::Parts) {
                            self.say(&with_sources(&error));
                        }
                    }
                },
            }
        }
    }

    fn say(&mut self, error: &str) {
        if error != self.said {
            tracing::error!(place = %self.place, error, "published facts cannot be used; what was known stays");
            error.clone_into(&mut self.said);
        }
    }

    async fn look(&mut self, index: &StoredIndex) -> Result<(), FollowError> {
        let index = match index {
            StoredIndex::Absent => return Ok(()),
            StoredIndex::Found(index) => index,
            StoredIndex::Damaged(why) => return Err(FollowError::Index(why.clone())),
        };
        if index.form != FORM {
            return Err(FollowError::Form(index.form));
        }
        let content = match &self.taken {
            Some((digest, published)) if *digest == index.digest => published.content.clone(),
            _ => self.content(index).await?,
        };
        let published = Published { content, read_at: index.read_at.clone() };
        let facts = published.facts(Timestamp::now())?;
        let differs = |told: &Option<String>, is: &Option<String>| told.is_some() && told != is;
        if differs(&self.told.0, &facts.region) || differs(&self.told.1, &facts.vpc_id) {
            let text = |is: Option<String>| is.unwrap_or_else(|| "none".to_owned());
            return Err(FollowError::Elsewhere { region: text(facts.region), vpc: text(facts.vpc_id) });
        }
        if self.taken.as_ref().is_none_or(|(digest, _)| *digest != index.digest) {
            tracing::info!(place = %self.place, digest = index.digest, "took published facts");
        }
        self.taken = Some((index.digest.clone(), published));
        self.account.take(facts, index.failing.iter().filter_map(|words| FactKind::parse(words)));
        while let Some((number, revision)) = self.pending.front().copied()
            && index.answered.is_some_and(|answered| answered >= revision)
        {
            self.pending.pop_front();
            self.account.answer(number);
        }
        Ok(())
    }

    async fn content(&self, index: &FactsIndex) -> Result<String, FollowError> {
        let bytes = self.cluster.facts_content(&self.place, index).await?.ok_or(FollowError::Parts)?;
        let content = unpacked(&bytes)?;
        let published = Published { content, read_at: BTreeMap::new() };
        if published.digest() == index.digest { Ok(published.content) } else { Err(FollowError::Digest) }
    }

    /// Has the leader read the account again. Without one there is nobody to ask, and what is known decides.
    async fn ask(&mut self, number: u64) {
        let since = self.asked_at.map_or(ASK, |at| at.elapsed());
        tokio::time::sleep(ASK.saturating_sub(since)).await;
        self.asked_at = Some(Instant::now());
        let number = self.account.asked().max(number);
        let token = format!("{} {:016x}", Timestamp::now(), token());
        match self.cluster.ask_for_facts(&self.place, &token).await {
            Ok(Some(revision)) => {
                self.pending.push_back((number, revision));
                if self.pending.len() > PENDING {
                    self.pending.pop_front();
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(error = with_sources(&error), "nobody can be asked to read facts again"),
        }
    }
}

/// Something that no other replica has. The only randomness in the standard library.
fn token() -> u64 {
    use std::hash::BuildHasher as _;
    std::collections::hash_map::RandomState::new().hash_one(std::process::id())
}

async fn pause(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
