//! The status of `IngressDefaults` and `IngressPolicy` objects: how many Ingresses each matches. It is counted on a clock, so that a rollout of many
//! Ingresses costs one write for each object and interval.

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
use crate::cluster::WriteError;

/// Pause between two counts.
const EVERY: Duration = Duration::from_secs(10);
/// The most objects whose status is written after one count; the others follow after the next one.
const WRITES: usize = 20;

/// What is counted at one moment.
struct Counted {
    defaults: Vec<(Arc<IngressDefaults>, i64)>,
    policies: Vec<(Arc<IngressPolicy>, i64)>,
}

impl Counted {
    fn of(world: &World) -> Self {
        let matched = world.matched();
        let count = |counts: &std::collections::BTreeMap<String, i64>, name: Option<&String>| {
            name.and_then(|name| counts.get(name)).copied().unwrap_or_default()
        };
        let defaults = world.all_defaults();
        let policies = world.all_policies();
        Self {
            defaults: defaults.map(|one| (one.clone(), count(&matched.defaults, one.metadata.name.as_ref()))).collect(),
            policies: policies.map(|one| (one.clone(), count(&matched.policies, one.metadata.name.as_ref()))).collect(),
        }
    }
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
        let shared = &self.shared;
        let counted = shared.cluster.read(Counted::of);
        let (extra, now, mut written) = (&shared.settings.extra_attributes, Timestamp::now(), 0);
        for (object, count) in counted.defaults {
            let faults = told(defaults::check(&object.spec, extra));
            let wanted = policy_status(object.status.as_ref(), object.metadata.generation, count, &faults, now);
            if written < WRITES && object.status.as_ref() != Some(&wanted) {
                written += 1;
                note(shared.cluster.write_policy_status(&shared.lease_proof, &*object, &wanted).await);
            }
        }
        for (object, count) in counted.policies {
            let faults = told(policy::check(&object.spec, extra));
            let wanted = policy_status(object.status.as_ref(), object.metadata.generation, count, &faults, now);
            if written < WRITES && object.status.as_ref() != Some(&wanted) {
                written += 1;
                note(shared.cluster.write_policy_status(&shared.lease_proof, &*object, &wanted).await);
            }
        }
    }
}

/// The next count tries again.
fn note(outcome: Result<(), WriteError>) {
    match outcome {
        Ok(()) | Err(WriteError::NotFound { .. } | WriteError::Conflict { .. }) => {}
        Err(error) => {
            tracing::warn!(error = crate::cluster::with_sources(&error), "the status of a policy is not written")
        }
    }
}
