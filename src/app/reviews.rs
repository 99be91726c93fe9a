//! What a review is answered with: what is known of the cluster and of the account at this moment.

use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use albedo_engine::admit::{self, Policy, ReviewAnswer};
use albedo_engine::compile::Cache;
use albedo_engine::facts::Facts;
use albedo_engine::settings::Settings;
use albedo_engine::world::World;
use jiff::Timestamp;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::cluster::Cluster;
use crate::reconcile::Account;
use crate::serve::{Decide, Lane};

/// Longest that a review waits for Secrets: the API server waits 5 s for it.
const LOOK_UP: Duration = Duration::from_secs(1);
/// So many Secrets are looked up for one review.
const SECRETS: usize = 4;
/// Bytes of compiled Ingresses that admission remembers, of twice as many for a while.
const REMEMBERED: usize = 16 << 20;

/// What admission answers, from what is known at this moment.
pub fn decide(cluster: Cluster, account: Account, settings: Arc<Settings>, policy: Arc<Policy>) -> Decide {
    let cache = Mutex::new(Cache::new(REMEMBERED));
    Arc::new(move |request, lane| {
        if request.row.registered() && !cluster.is_ready() {
            // Nothing may be concluded from what has not been listed: the API server's failure policy decides.
            return ReviewAnswer::unavailable("albedo is starting and has not listed every kind yet; try again");
        }
        look_secrets_up(&cluster, &request);
        let review = |world: &World, facts: &Arc<Facts>| {
            let context = admit::Context { world, facts, settings: &settings, policy: &policy, now: Timestamp::now() };
            // A cache is whole after a panic too: what is in it was compiled. Nobody waits for it: to compile anew is faster than
            // a review that began before.
            let shared = match (lane, cache.try_lock()) {
                (Lane::Small, Ok(cache)) => Some(cache),
                (Lane::Small, Err(TryLockError::Poisoned(poisoned))) => Some(poisoned.into_inner()),
                (Lane::Large, _) | (_, Err(TryLockError::WouldBlock)) => None,
            };
            match shared {
                Some(mut cache) => {
                    cache.know(facts);
                    admit::review_with(&request, context, &mut cache)
                }
                None => admit::review_with(&request, context, &mut Cache::new(REMEMBERED)),
            }
        };
        // A long look would keep watches from writing, and they all other looks: a large review has a world of its own.
        let answer = |facts: &Arc<Facts>| match lane {
            Lane::Small => cluster.read(|world| review(world, facts)),
            Lane::Large => review(&cluster.read(World::clone), facts),
        };
        let first = answer(&account.get());
        if !first.audit.rests_on_facts {
            return first;
        }
        // They are read again for the next try, and for this one if it is refused: what is missing may have been made a moment ago.
        if first.allowed {
            account.doubt();
            return first;
        }
        waited(account.read_anew()).flatten().map_or(first, |newer| answer(&newer))
    })
}

/// Waits on this thread; `None` if it is not one of a runtime with others.
fn waited<F: Future>(future: F) -> Option<F::Output> {
    let runtime = Handle::try_current().ok()?;
    let may_wait = runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
    may_wait.then(|| tokio::task::block_in_place(|| runtime.block_on(future)))
}

/// Secrets that the Ingress names are known from its reconciliation, on one replica: for a new one they are looked up now, or it would be
/// told that they do not exist.
fn look_secrets_up(cluster: &Cluster, request: &admit::Request) {
    let Some(admit::Object::Ingress(ingress)) = &request.object else { return };
    let mut unknown = cluster.read(|world| world.unknown_secrets(&request.namespace, ingress));
    unknown.truncate(SECRETS);
    if unknown.is_empty() {
        return;
    }
    let learnt = waited(async { tokio::time::timeout(LOOK_UP, cluster.learn_secrets(&unknown)).await });
    if learnt.is_some_and(|learnt| learnt.is_err()) {
        tracing::debug!(namespace = request.namespace, "Secrets that an Ingress names were not read in time");
    }
}
