//! The status of `IngressDefaults` and `IngressPolicy` objects: how many Ingresses each matches. It is counted on a clock, so that a rollout of many
//! Ingresses costs one write for each object and interval.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::annotation::params::Fault;
use albedo_engine::annotation::{defaults, policy};
use albedo_engine::kinds::{IngressDefaults, IngressPolicy};
use albedo_engine::report::policy_status;
use albedo_engine::world::World;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Reconciler;
use crate::cluster::{WithPolicyStatus, WriteError, with_sources};

/// Pause between two counts.
const EVERY: Duration = Duration::from_secs(10);
/// The most objects whose status is written after one count; the others follow after the next one.
const WRITES: usize = 20;

/// Objects with the number of Ingresses that each matches.
type Counts<K> = Vec<(Arc<K>, i64)>;

/// Objects of which this replica wrote a number, by their uids.
type Told = BTreeSet<String>;

fn counted(world: &World) -> (Counts<IngressDefaults>, Counts<IngressPolicy>) {
    let matched = world.matched();
    let of = |name: &Option<String>, counts: &BTreeMap<String, i64>| {
        name.as_ref().and_then(|name| counts.get(name)).copied().unwrap_or_default()
    };
    let defaults = world.all_defaults().map(|one| (one.clone(), of(&one.metadata.name, &matched.defaults)));
    let policies = world.all_policies().map(|one| (one.clone(), of(&one.metadata.name, &matched.policies)));
    (defaults.collect(), policies.collect())
}

/// Faults as the status tells them.
fn told(faults: Vec<Fault>) -> Vec<String> {
    let certain = faults.into_iter().filter(|fault| !fault.error.unfamiliar);
    certain.map(|fault| format!("{}: {}", fault.path, fault.error.message)).collect()
}

impl Reconciler {
    /// Keeps the status of all objects as it should be, until `stop`.
    pub(super) async fn follow_policies(self, stop: CancellationToken) {
        let mut told = Told::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.count_policies(&mut told) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn count_policies(&self, known: &mut Told) {
        let extra = &self.shared.settings.extra_attributes;
        let (of_defaults, of_policies) = self.shared.cluster.read(counted);
        let mut left = WRITES;
        for (object, count) in of_defaults {
            let faults = told(defaults::check(&object.spec, extra));
            self.tell_count(&*object, count, &faults, known, &mut left).await;
        }
        for (object, count) in of_policies {
            let faults = told(policy::check(&object.spec, extra));
            self.tell_count(&*object, count, &faults, known, &mut left).await;
        }
    }

    /// Writes the status of an object if it differs. Several installations can each watch one namespace of a cluster: of these only one that matches an
    /// Ingress writes, or they would overwrite each other's numbers all the time.
    async fn tell_count<K: WithPolicyStatus>(
        &self,
        object: &K,
        count: i64,
        faults: &[String],
        known: &mut Told,
        left: &mut usize,
    ) {
        let (meta, is) = (object.meta(), object.policy_status());
        let uid = meta.uid.clone().unwrap_or_default();
        let wanted = policy_status(is, meta.generation, count, faults, Timestamp::now());
        let is_ours = self.shared.whole_cluster || count > 0 || known.contains(&uid);
        if !is_ours || is == Some(&wanted) || *left == 0 {
            return;
        }
        *left -= 1;
        match self.shared.cluster.write_policy_status(&self.shared.lease_proof, object, &wanted).await {
            Ok(()) if count > 0 => drop(known.insert(uid)),
            Ok(()) => drop(known.remove(&uid)),
            // The next count tries again.
            Err(WriteError::NotFound { .. } | WriteError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(error = with_sources(&error), "the status of a policy is not written"),
        }
    }
}
