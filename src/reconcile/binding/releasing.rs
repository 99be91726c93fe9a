//! A binding lets go of targets: of all when it is deleted, of those that it registered itself when its target group is another one now.

use std::collections::BTreeSet;

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::stack::{Target, TargetHealth};
use albedo_engine::targets::{self, Hold, Record};
use albedo_engine::world::Unit;
use futures::FutureExt as _;

use super::super::queue::Lane;
use super::{FINALIZER, Next, PassError, Reconciler, TOGETHER};
use crate::cloud::CloudError;
use crate::cluster::with_sources;

/// Event on a binding that goes and leaves targets.
const KEPT: &str = "TargetsKept";

impl Reconciler {
    /// A binding that is being deleted lets go of its targets, then of its finalizer.
    pub(super) async fn let_go(&self, key: &Key, binding: &TargetGroupBinding) -> Result<Next, PassError> {
        let held = binding.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
        if !held || self.goes_with_its_kind(binding).await? {
            return Ok(Next::Rest);
        }
        if let Some(hold) = targets::held_by_itself(binding) {
            self.leave_renamed(key, binding).await?;
            self.say(binding, KEPT, format!("registered targets stay as they are: {hold}"));
        } else {
            let arn = match self.arn_of(binding).await {
                Err(PassError::NoTargetGroup(_)) => None,
                arn => arn?,
            };
            // One that let go of a former target group and reached no other since has registered nothing: nobody has to allow anything for it.
            let has_none = Record::of(binding).is_some_and(|record| record.target_group.is_empty());
            match arn.as_ref().filter(|_| !has_none) {
                Some(arn) if binding.is_multi_cluster() => {
                    let (known, others) = (self.known_record(key, binding, arn).await?, self.records_beside(key, arn));
                    let own = |observed: &[TargetHealth]| {
                        let own = known.as_ref().map(|known| known.among(observed)).unwrap_or_default();
                        own.into_iter().filter(|target| !others.iter().any(|other| other.has(target))).collect()
                    };
                    self.release_targets(key, binding, arn, Leave::All, own).await?;
                    self.shared.cluster.untrack(&self.shared.lease_proof, key).await?;
                }
                Some(arn) => {
                    let all = |observed: &[TargetHealth]| targets::diff(&BTreeSet::new(), observed, None).deregister;
                    self.release_targets(key, binding, arn, Leave::All, all).await?;
                }
                None => {}
            }
            self.leave_former(key, binding, arn.as_deref().unwrap_or_default()).await?;
        }
        self.release_gates(key).await?;
        self.shared.cluster.remove_binding_finalizer(&self.shared.lease_proof, binding, FINALIZER).await?;
        Ok(Next::Rest)
    }

    /// A binding that is held for its own sake lets go of a target group that it names no more. The one that it names now may be in another
    /// account, where nobody here looks: names are compared.
    pub(super) async fn leave_renamed(&self, key: &Key, binding: &TargetGroupBinding) -> Result<(), PassError> {
        let record = Record::of(binding).or_else(|| self.shared.bindings.record(key)).unwrap_or_default();
        if record.is_of_another_than_named(binding) { self.leave_former(key, binding, "").await } else { Ok(()) }
    }

    /// Deregisters what the binding registered with a target group that it named before, and nothing that others did.
    pub(super) async fn leave_former(
        &self,
        key: &Key,
        binding: &TargetGroupBinding,
        arn: &str,
    ) -> Result<(), PassError> {
        let record = Record::of(binding).or_else(|| self.shared.bindings.record(key));
        let Some(former) = record.filter(|record| record.target_group != arn && !record.target_group.is_empty()) else {
            return Ok(());
        };
        let recorded = |observed: &[TargetHealth]| former.among(observed);
        match self.release_targets(key, binding, &former.target_group, Leave::Recorded, recorded).await {
            Ok(()) => {}
            // Nobody is helped if the binding waits for what will not be allowed.
            Err(error) if !error.may_pass() => {
                let text = format!(
                    "targets stay in the former target group {}: {}",
                    former.target_group,
                    with_sources(&error)
                );
                self.say(binding, "FailedCleanup", text);
            }
            Err(error) => return Err(error),
        }
        self.shared.bindings.registered(key, Record::default());
        if binding.metadata.deletion_timestamp.is_none() {
            self.forget_record(binding).await?;
        }
        Ok(())
    }

    /// Deregisters those that `choose` names, unless the target group is somebody else's or another binding wants its targets.
    async fn release_targets(
        &self,
        key: &Key,
        binding: &TargetGroupBinding,
        arn: &str,
        leave: Leave,
        choose: impl Fn(&[TargetHealth]) -> Vec<Target>,
    ) -> Result<(), PassError> {
        let sharers = self.sharers(key, binding, arn);
        if !sharers.is_empty() {
            // The next of them deregisters what it does not want.
            for sharer in sharers {
                self.add(Unit::Binding(Key::of(&sharer.metadata)), Lane::Change, TOGETHER);
            }
            return Ok(());
        }
        let hold = match self.held_by(binding, arn).await {
            Err(PassError::Cloud(CloudError::NotFound(_) | CloudError::Invalid(_))) => return Ok(()),
            hold => hold?,
        };
        if let Some(hold) = hold.filter(|hold| leave.respects(hold)) {
            self.say(binding, KEPT, format!("registered targets stay as they are: {hold}"));
            return Ok(());
        }
        let cloud = self.cloud_for(binding, arn).await;
        let observed = match cloud.target_health(arn).boxed().await {
            Ok(observed) => observed,
            // A target group that is gone, or was never one, holds nothing.
            Err(CloudError::NotFound(_) | CloudError::Invalid(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        self.deregister(&cloud, arn, choose(&observed)).await
    }
}

/// How much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// Everything in the target group.
    All,
    /// What the binding registered.
    Recorded,
}

impl Leave {
    /// Whether a reason to hold the binding keeps its targets registered.
    fn respects(self, hold: &Hold) -> bool {
        match self {
            Self::All => true,
            // These rest on what the binding says now of another target group.
            Self::Recorded => !matches!(hold, Hold::OtherVpc { .. }),
        }
    }
}
