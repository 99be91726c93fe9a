//! One task for each kind: lists it, watches it and updates the world. A failure is never treated as an empty list.

use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use albedo_engine::kinds::{IngressClassParams, IngressDefaults, IngressGroup, IngressPolicy, TargetGroupBinding};
use albedo_engine::world::{Kind, Object, World};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::decode::{Source, Watched};
use super::trouble::{Cause, resource, said};
use crate::liveness::{Liveness, Pulse};

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// The duration of one watch in seconds. A connection that was lost silently is noticed 5 s later; a quiet cluster gets one request
/// each minute for each kind.
pub(super) const WATCH_SECONDS: u32 = 60;
/// A watch that nothing has woken for this long hangs: the end of each watch, each failure and each object wake it.
const SILENT: Duration = Duration::from_mins(5);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A CRD or a permission that is added later is noticed after this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After a watch worked for this long, pauses are short again.
const PAUSE_FORGOTTEN: Duration = Duration::from_mins(1);

/// Which kinds are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// All of them.
    Everything,
    /// Those that reviews need: no Pods and no Nodes, which a cluster has the most of. The world has none of them then.
    Reviews,
}

/// A watch ended unexpectedly. The world would become stale, so the process must end.
#[derive(Debug, thiserror::Error)]
pub enum WatchEnded {
    /// Its task panicked.
    #[error("a watch panicked")]
    Panicked(#[source] JoinError),
    /// Its stream ended, which never happens otherwise.
    #[error("the watch of {0} ended")]
    Ended(&'static str),
}

impl Cluster {
    /// Watches kinds until `stop`, namespaced ones only in `namespace` if it is set, and waits for the tasks.
    ///
    /// # Errors
    /// If a watch ends unexpectedly; then the others are stopped.
    pub async fn watch(
        &self,
        namespace: Option<&str>,
        watching: Watching,
        liveness: &Liveness,
        stop: CancellationToken,
    ) -> Result<(), WatchEnded> {
        // A watch that ends stops the other watches only.
        let stop = stop.child_token();
        let mut watches = Watches { cluster: self, tasks: JoinSet::new(), liveness, stop: &stop };
        watches.spawn(self.namespaced::<Ingress>(namespace));
        watches.spawn(self.everywhere::<IngressClass>());
        watches.spawn(self.everywhere::<IngressClassParams>());
        watches.spawn(self.namespaced::<Service>(namespace));
        watches.spawn(self.everywhere::<PartialObjectMeta<Namespace>>());
        watches.spawn(self.namespaced::<EndpointSlice>(namespace));
        match watching {
            Watching::Everything => {
                watches.spawn(self.namespaced::<Pod>(namespace));
                watches.spawn(self.everywhere::<Node>());
            }
            Watching::Reviews => {
                for kind in [Kind::Pod, Kind::Node] {
                    self.take_list(kind, Vec::new());
                }
            }
        }
        watches.spawn(self.namespaced::<TargetGroupBinding>(namespace));
        watches.spawn(self.everywhere::<IngressGroup>());
        watches.spawn(self.everywhere::<IngressDefaults>());
        watches.spawn(self.everywhere::<IngressPolicy>());
        let mut tasks = watches.tasks;
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.unwrap_or_else(|panic| Err(WatchEnded::Panicked(panic)));
            if ended.is_err() && outcome.is_ok() {
                outcome = ended;
                stop.cancel();
            }
        }
        outcome
    }

    /// All objects of a kind.
    fn take_list(&self, kind: Kind, objects: Vec<Object>) {
        self.tell(|world| world.reset(kind, objects));
        let shared = &self.shared;
        let ready = shared
            .world
            .read()
            .map_or_else(|poisoned| poisoned.into_inner().is_ready(), |world| World::is_ready(&world));
        // Never back to false: the list of another kind may have become complete since.
        shared.ready.send_if_modified(|before| ready && !std::mem::replace(before, true));
    }

    fn everywhere<S: Source<Scope = ClusterResourceScope>>(&self) -> Api<Watched<S>> {
        Api::all(self.client())
    }

    fn namespaced<S: Source<Scope = NamespaceResourceScope>>(&self, namespace: Option<&str>) -> Api<Watched<S>> {
        match namespace {
            Some(namespace) => Api::namespaced(self.client(), namespace),
            None => Api::all(self.client()),
        }
    }
}

/// What the watches have in common while they are started.
struct Watches<'a> {
    cluster: &'a Cluster,
    tasks: JoinSet<Result<(), WatchEnded>>,
    liveness: &'a Liveness,
    stop: &'a CancellationToken,
}

impl Watches<'_> {
    fn spawn<S: Source + Clone + std::fmt::Debug>(&mut self, api: Api<Watched<S>>) {
        let pulse = self.liveness.pulse_within(format!("the watch of {}", resource(S::KIND)), SILENT);
        let follower = Follower { cluster: self.cluster.clone(), listed: Vec::new(), began: Instant::now(), pulse };
        self.tasks.spawn(follower.follow(api, self.stop.clone()));
    }
}

/// The state of one watch.
struct Follower {
    cluster: Cluster,
    /// Objects of a list that is not complete yet.
    listed: Vec<Object>,
    began: Instant,
    pulse: Pulse,
}

impl Follower {
    async fn follow<S: Source + Clone + std::fmt::Debug>(
        mut self,
        api: Api<Watched<S>>,
        stop: CancellationToken,
    ) -> Result<(), WatchEnded> {
        let config = watcher::Config::default().page_size(PAGE).timeout(WATCH_SECONDS);
        let mut stream = std::pin::pin!(watcher(api, config));
        let mut pause = Pause::default();
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                event = poll_fn(|cx| {
                    self.pulse.beat();
                    stream.poll_next_unpin(cx)
                }) => event.ok_or(WatchEnded::Ended(resource(S::KIND)))?,
            };
            match event {
                Ok(event) => self.told(event),
                Err(error) => {
                    self.failed::<S>(&error);
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep(pause.next()) => {}
                    }
                }
            }
        }
    }

    fn told<S: Source>(&mut self, event: Event<Watched<S>>) {
        match event {
            Event::Init => {
                self.listed.clear();
                self.began = Instant::now();
                self.cluster.shared.troubles.forget(S::KIND);
            }
            Event::InitApply(watched) => self.listed.extend(self.readable(watched)),
            Event::InitDone => self.list_is_complete::<S>(),
            Event::Apply(watched) => {
                self.works::<S>();
                // The world keeps the last version of an object that cannot be decoded any more: a bad edit deletes nothing.
                if let Some(object) = self.readable(watched) {
                    self.cluster.tell(|world| world.apply(object));
                }
            }
            Event::Delete(watched) => {
                self.works::<S>();
                let key = watched.key();
                if let Some(left) = self.cluster.shared.troubles.can_read(S::KIND, &key) {
                    self.cluster.metrics().unreadable(resource(S::KIND), left);
                }
                self.cluster.tell(|world| world.delete(S::KIND, &key));
            }
        }
    }

    fn list_is_complete<S: Source>(&mut self) {
        self.works::<S>();
        let objects = std::mem::take(&mut self.listed);
        let (count, kind) = (objects.len(), S::KIND);
        self.cluster.take_list(kind, objects);
        let shared = &self.cluster.shared;
        shared.metrics.listed(resource(kind), count);
        let unreadable = shared.troubles.unreadable().iter().filter(|object| object.kind == kind).count();
        shared.metrics.unreadable(resource(kind), unreadable);
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(resource = resource(kind), count, millis, "listed");
    }

    fn readable<S: Source>(&self, watched: Watched<S>) -> Option<Object> {
        let (kind, key) = (S::KIND, watched.key());
        let shared = &self.cluster.shared;
        match watched.object {
            Ok(object) => {
                if let Some(left) = shared.troubles.can_read(kind, &key) {
                    shared.metrics.unreadable(resource(kind), left);
                }
                Some(object)
            }
            Err(error) => {
                tracing::warn!(resource = resource(kind), %key, error, "left out an object that cannot be decoded");
                let count = shared.troubles.cannot_read(kind, key, error);
                shared.metrics.unreadable(resource(kind), count);
                None
            }
        }
    }

    fn works<S: Source>(&self) {
        if self.cluster.shared.troubles.over(S::KIND) {
            tracing::info!(resource = resource(S::KIND), "watched again");
        }
    }

    fn failed<S: Source>(&self, error: &watcher::Error) {
        let cause = Cause::of(error);
        self.cluster.metrics().watch_failed(resource(S::KIND), cause.label());
        if cause == Cause::Expired {
            tracing::debug!(resource = resource(S::KIND), "away for too long, listing anew");
            return;
        }
        let (trouble, news) = self.cluster.shared.troubles.note(S::KIND, cause, said(error));
        if news {
            tracing::warn!(resource = resource(S::KIND), "{trouble}");
        }
        // Helm does not add CRDs when a release is upgraded. Without this one there are no objects of the kind, and everything else works. What was listed
        // once is kept: the API server answers so, too, while a CRD is stored anew.
        let was_listed = !self.cluster.missing().contains(&S::KIND);
        if cause == Cause::Absent && S::KIND.is_optional() && !was_listed {
            self.cluster.take_list(S::KIND, Vec::new());
        }
    }
}

/// The pauses between attempts: they double, with a random part, so that replicas differ.
#[derive(Debug, Default)]
struct Pause {
    attempts: u32,
    last: Option<Instant>,
}

impl Pause {
    fn next(&mut self) -> Duration {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) > PAUSE_FORGOTTEN) {
            self.attempts = 0;
        }
        self.last = Some(now);
        let full = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(6)).min(LONGEST_PAUSE);
        self.attempts += 1;
        // The only randomness in the standard library. Half of a pause is fixed, half is random.
        let drawn = RandomState::new().hash_one(self.attempts) % 1000;
        full / 2 + (full / 2).mul_f64(f64::from(u32::try_from(drawn).unwrap_or(0)) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut pause = Pause::default();
        let pauses: Vec<Duration> = (0..40).map(|_| pause.next()).collect();
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE), "{pauses:?}");
        assert!(pauses[39] >= LONGEST_PAUSE / 2, "{pauses:?}");
    }
}
