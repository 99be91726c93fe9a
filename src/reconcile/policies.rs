//! The status of `IngressDefaults` and `IngressPolicy` objects: how many Ingresses each matches. It is counted on a clock, so that a rollout of many
//! Ingresses costs one write for each object and interval.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::annotation::params::Fault;
use albedo_engine::annotation::{defaults, policy};
use albedo_engine::kinds::{IngressDefaults, IngressPolicy};
use albedo_engine::report::{Count, policy_status};
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
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.count_policies() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn count_policies(&self) {
        let extra = &self.shared.settings.extra_attributes;
        let (of_defaults, of_policies) = self.shared.cluster.read(counted);
        let mut left = WRITES;
        for (object, count) in of_defaults {
            let faults = told(defaults::check(&object.spec, extra));
            self.tell_count(&*object, count, &faults, &mut left).await;
        }
        for (object, count) in of_policies {
            let faults = told(policy::check(&object.spec, extra));
            self.tell_count(&*object, count, &faults, &mut left).await;
        }
    }

    /// Writes the status of an object if it differs. Each installation has a number of its own there, by the namespace that it watches.
    async fn tell_count<K: WithPolicyStatus>(&self, object: &K, count: i64, faults: &[String], left: &mut usize) {
        let count = Count { watched: &self.shared.watched, ingresses: count };
        let now = Timestamp::now();
        let wanted = |object: &K| policy_status(object.policy_status(), object.meta().generation, count, faults, now);
        if object.policy_status() == Some(&wanted(object)) || *left == 0 {
            return;
        }
        *left -= 1;
        match self.shared.cluster.write_policy_status(&self.shared.lease_proof, object, wanted).await {
            // The next count tries again.
            Ok(()) | Err(WriteError::NotFound { .. } | WriteError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(error = with_sources(&error), "the status of a policy is not written"),
        }
    }
}
