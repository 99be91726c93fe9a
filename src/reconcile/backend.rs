//! The shared backend security group's own pass: it goes when no group needs it.

use std::time::Duration;

use albedo_engine::plan::AwsOperation;
use albedo_engine::stack::GroupId;
use albedo_engine::world::{Unit, World};
use futures::FutureExt as _;
use tokio::time::Instant;

use super::binding::TOGETHER;
use super::{Next, PassError, Reconciler};
use crate::cloud::{CloudError, Known, WriteContext};

/// Pause while something still uses it: load balancers let go of security groups some seconds after they are gone.
const IN_USE: Duration = Duration::from_secs(5);
/// Who uses it for longer than this is no load balancer on its way out, and is asked about as seldom.
const KEPT: Duration = Duration::from_mins(5);

impl Reconciler {
    pub(super) async fn backend_group(&self) -> Result<Next, PassError> {
        let settings = &self.shared.settings;
        if !settings.enable_backend_security_group || settings.backend_security_group.is_some() {
            return Ok(Next::Rest);
        }
        let mut in_use_since = self.shared.backend.lock().await;
        if self.shared.cluster.read(World::may_need_backend_group) {
            *in_use_since = None;
            return Ok(Next::Rest);
        }
        // Rules of nodes and pods name it until their pass is over, and that waits for bindings.
        let names_it = |unit: &Unit| matches!(unit, Unit::Binding(_) | Unit::NodeRules);
        if self.shared.queue.should_wait(&Unit::BackendGroup, TOGETHER, names_it) {
            return Ok(Next::Again(TOGETHER));
        }
        // Any group's look at AWS tells of it; this one has nothing else to tell.
        let nobody = GroupId::Explicit(String::new());
        let Some(found) = self.shared.cloud.observe(&nobody).boxed().await?.backend_security_group else {
            *in_use_since = None;
            return Ok(Next::Rest);
        };
        let waited = in_use_since.get_or_insert_with(Instant::now).elapsed();
        tracing::info!(group = %found.arn, "no group needs it any more: the shared backend security group goes");
        let clients = std::collections::BTreeMap::new();
        let write_context = WriteContext { remaining: &|| self.shared.lease_proof.remaining(), clients: &clients };
        let operation = AwsOperation::DeleteSecurityGroup { group: found.arn };
        match self.shared.cloud.apply(&operation, &mut Known::default(), &write_context).boxed().await {
            Err(CloudError::InUse(_)) => Ok(Next::Again(if waited < KEPT { IN_USE } else { KEPT })),
            other => {
                *in_use_since = None;
                self.shared.observations.backend_is_gone();
                other.map(|_| Next::Rest).map_err(PassError::from)
            }
        }
    }
}
