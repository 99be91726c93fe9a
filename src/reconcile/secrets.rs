//! Secrets that members name: each is watched by its name, and a change of one wakes the groups that use it.
//!
//! LBC's guide grants `get`, `list` and `watch` on each named Secret. An operator may grant `get` alone, and watches are bounded in number: the metadata of a Secret
//! that is not watched is read on a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use albedo_engine::kinds::{Key, is_subdomain};
use albedo_engine::world::World;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Reconciler;
use super::queue::Lane;

/// Pause between two looks at which Secrets members name.
const EVERY: Duration = Duration::from_secs(3);
/// What each Secret that is not watched adds to it: at most ten reads a second.
const EACH: Duration = Duration::from_millis(100);
/// Secrets that are watched at most: each watch is a connection to the API server.
const WATCHES: usize = 64;
/// Pause before a watch that ended is tried again: the right to watch may be missing.
const RETRY: Duration = Duration::from_mins(1);

/// The watch of one Secret.
struct Watch {
    task: AbortOnDropHandle<()>,
    /// Whether it has told the present revision.
    works: Arc<AtomicBool>,
    began: Instant,
}

impl Watch {
    fn works(&self) -> bool {
        !self.task.is_finished() && self.works.load(Ordering::Relaxed)
    }
}

impl Reconciler {
    /// Follows the Secrets that members name, and wakes the groups of those that changed, until `stop`.
    pub(super) async fn follow_secrets(self, stop: CancellationToken) {
        let mut watches: BTreeMap<Key, Watch> = BTreeMap::new();
        let mut pause = EVERY;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let mut named = self.shared.cluster.read(World::secrets_in_use);
            named.retain(|key| is_subdomain(&key.name));
            watches.retain(|key, watch| {
                named.contains(key) && (!watch.task.is_finished() || watch.began.elapsed() < RETRY)
            });
            for key in &named {
                if watches.len() < WATCHES && !watches.contains_key(key) {
                    watches.insert(key.clone(), self.watch_secret(key));
                }
            }
            let unwatched: BTreeSet<&Key> =
                named.iter().filter(|key| !watches.get(key).is_some_and(Watch::works)).collect();
            pause = EVERY.max(EACH * u32::try_from(unwatched.len()).unwrap_or(u32::MAX));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.read_revisions(unwatched) => {}
            }
        }
    }

    fn watch_secret(&self, key: &Key) -> Watch {
        let works = Arc::new(AtomicBool::new(false));
        let (this, key, told) = (self.clone(), key.clone(), works.clone());
        let task = async move {
            let mut revisions = std::pin::pin!(this.shared.cluster.secret_revisions(&key));
            while let Some(revision) = revisions.next().await {
                match revision {
                    Ok(revision) => {
                        this.secret_is_at(&key, revision.as_deref());
                        told.store(true, Ordering::Relaxed);
                    }
                    Err(error) => {
                        // Its revision is read on the clock from now on.
                        tracing::debug!(secret = %key, %error, "a Secret cannot be watched");
                        return;
                    }
                }
            }
        };
        Watch { task: AbortOnDropHandle::new(tokio::spawn(task)), works, began: Instant::now() }
    }

    async fn read_revisions(&self, keys: BTreeSet<&Key>) {
        for key in keys {
            match self.shared.cluster.secret_revision(key).await {
                Ok(revision) => self.secret_is_at(key, revision.as_deref()),
                // The group's own pass says so to its members.
                Err(error) => tracing::debug!(secret = %key, %error, "a Secret cannot be read"),
            }
        }
    }

    /// Wakes the groups that use a Secret if its revision is not the one that they know.
    fn secret_is_at(&self, key: &Key, revision: Option<&str>) {
        let groups = self.shared.cluster.read(|world| {
            let is_known = world.secret_revision(key) == revision;
            (!is_known).then(|| world.users_of_secret(key))
        });
        if let Some(groups) = groups {
            tracing::info!(secret = %key, groups = groups.len(), "a Secret that members name has changed");
            self.take(groups, Lane::Change);
        }
    }
}
