//! Secrets that members name: whoever changes one changes what a load balancer is to have, and no watch tells of it.
//!
//! The right that operators give is `get` on each named Secret, not `list` or `watch`: so the metadata of each is read on a clock.

use std::collections::BTreeSet;
use std::time::Duration;

use albedo_engine::kinds::Key;
use tokio_util::sync::CancellationToken;

use super::Reconciler;
use super::queue::Lane;

/// From one look at all of them to the next, if they are few.
const EVERY: Duration = Duration::from_secs(3);
/// What each of them adds to it: no more than ten reads a second.
const EACH: Duration = Duration::from_millis(100);

impl Reconciler {
    /// Looks at the Secrets that were found for members, and wakes the groups of those that changed, until `stop`.
    pub(super) async fn follow_secrets(self, stop: CancellationToken) {
        let mut pause = EVERY;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let named = self.shared.cluster.read(albedo_engine::world::World::secrets_in_use);
            pause = EVERY.max(EACH * u32::try_from(named.len()).unwrap_or(u32::MAX));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look_at_secrets(named) => {}
            }
        }
    }

    async fn look_at_secrets(&self, named: BTreeSet<Key>) {
        for key in named {
            let known = self.shared.cluster.read(|world| world.secret_revision(&key).map(str::to_owned));
            let now = match self.shared.cluster.secret_revision(&key).await {
                Ok(now) => now,
                Err(error) => {
                    // The group's own pass says so to its members.
                    tracing::debug!(secret = %key, %error, "a Secret cannot be read");
                    continue;
                }
            };
            if now != known {
                let units = self.shared.cluster.read(|world| world.users_of_secret(&key));
                tracing::info!(secret = %key, groups = units.len(), "a Secret that members name has changed");
                self.take(units, Lane::Change);
            }
        }
    }
}
