//! Bindings that must not touch their target group: it is told why, in one event and a condition, and nothing is written to AWS.

use std::sync::Arc;

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::stack::GroupId;
use albedo_engine::targets::{self, Here, Hold, TargetGroupRead};

use super::memory::BELIEVED;
use super::{Next, PassError, Reconciler};

impl Reconciler {
    /// Nothing is registered or deregistered; it is looked at again when what was read of the target group may be out of date.
    pub(super) async fn hold_binding(
        &self,
        key: &Key,
        binding: &TargetGroupBinding,
        hold: &Hold,
    ) -> Result<Next, PassError> {
        let text = hold.to_string();
        self.tell(key, binding, hold.reason(), text.clone());
        let condition = Some((hold.reason(), text.as_str()));
        self.shared.cluster.update_binding_status(&self.shared.lease_proof, binding, None, condition).await?;
        Ok(Next::Look(BELIEVED))
    }

    /// Says what lasts, once.
    pub(super) fn tell(&self, key: &Key, binding: &TargetGroupBinding, reason: &str, text: String) {
        if self.shared.bindings.told(key, &text) {
            tracing::warn!(binding = %key, reason, "{text}");
            self.say(binding, reason, text);
        }
    }

    /// Why the target group is not the binding's to change.
    pub(super) async fn held_by(&self, binding: &TargetGroupBinding, arn: &str) -> Result<Option<Hold>, PassError> {
        let group = self.read_target_group(binding, arn).await?;
        Ok(self.held_because_of(binding, &group))
    }

    fn held_because_of(&self, binding: &TargetGroupBinding, group: &TargetGroupRead) -> Option<Hold> {
        let here = Here { cluster: &self.shared.settings.cluster_name, vpc: self.shared.cloud.vpc_id() };
        targets::held_by_target_group(binding, group, here, |of| self.is_alive(of))
    }

    fn is_alive(&self, group: &GroupId) -> bool {
        self.shared.cluster.read(|world| world.group_object(group).is_some() || world.has_members(group))
    }

    /// Other bindings that name the target group and stay, without those that share it as this one does: each of them changes only its own targets. One that is held for its own sake changes nothing there, so it keeps nobody's
    /// targets.
    pub(super) fn sharers(&self, key: &Key, sharer: &TargetGroupBinding, arn: &str) -> Vec<Arc<TargetGroupBinding>> {
        self.shared.cluster.read(|world| {
            let others = world.bindings().filter(|(other, binding)| {
                *other != key
                    && binding.metadata.deletion_timestamp.is_none()
                    && binding.names(arn)
                    && !(binding.is_multi_cluster() && sharer.is_multi_cluster())
                    && targets::held_by_itself(binding).is_none()
            });
            others.map(|(_, binding)| binding.clone()).collect()
        })
    }

    /// Why another binding that names the target group goes before this one, if one does. Those that are held themselves don't count.
    pub(super) async fn second_to(
        &self,
        key: &Key,
        binding: &TargetGroupBinding,
        arn: &str,
    ) -> Result<Option<Hold>, PassError> {
        let sharers = self.sharers(key, binding, arn);
        if sharers.is_empty() {
            return Ok(None);
        }
        let group = self.read_target_group(binding, arn).await?;
        let is_free = |other: &&TargetGroupBinding| self.held_because_of(other, &group).is_none();
        if let Some(hold) = self.held_because_of(binding, &group) {
            return Ok(Some(hold));
        }
        let free = sharers.iter().map(AsRef::as_ref).filter(is_free);
        let first = targets::first(free.chain([binding]), &group).map(|first| Key::of(&first.metadata));
        Ok(first
            .filter(|first| first != key)
            .map(|first| Hold::Second((first.namespace == key.namespace).then_some(first))))
    }
}
