//! Bindings that go with their CRD, and not because somebody wants their targets gone.

use albedo_engine::kinds::TargetGroupBinding;

use super::binding::FINALIZER;
use super::{PassError, Reconciler};

impl Reconciler {
    /// Whether a binding that is being deleted goes because its CRD does. Then it is let go, and its targets stay registered: the group's pass
    /// makes it again when it can.
    pub(super) async fn goes_with_its_kind(&self, binding: &TargetGroupBinding) -> Result<bool, PassError> {
        let goes = self.shared.cluster.are_bindings_going().await?;
        if goes {
            self.say(
                binding,
                "KindDeleted",
                "the CRD of TargetGroupBindings is being deleted: registered targets stay as they are".to_owned(),
            );
            self.shared.cluster.remove_binding_finalizer(&self.shared.lease_proof, binding, FINALIZER).await?;
        }
        Ok(goes)
    }

    /// Whether bindings go that nobody gave up. What needs no rule any more cannot be told then.
    pub(super) async fn may_lose_bindings(&self) -> bool {
        self.shared.cluster.are_bindings_going().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "rules of nodes and pods stay: it cannot be told whether bindings are missing");
            true
        })
    }
}
