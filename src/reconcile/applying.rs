//! Applies a plan: what is asked for first, then the status of its Ingresses, clean-up last. A refusal of what others are right without
//! holds up nothing.

use std::collections::BTreeSet;

use albedo_engine::kinds::Key;
use albedo_engine::plan::operation::{CallEffect, NewResource};
use albedo_engine::plan::{AwsOperation, KubeOperation, Operation, Plan};
use albedo_engine::report::Reached;
use albedo_engine::stack::{GroupId, LoadBalancerKind, Observed, Ref};
use albedo_engine::targets;
use futures::FutureExt as _;

use super::group::Clients;
use super::refusals::Refused;
use super::{PassError, Reconciler};
use crate::cloud::{Applied, CloudError, Known, WriteContext};

/// How far a plan is carried out.
pub(super) struct Applying<'a> {
    pub(super) plan: &'a Plan,
    group: &'a GroupId,
    known: Known,
    clients: &'a Clients,
    /// Operations that made room for an earlier one.
    done: BTreeSet<usize>,
    /// What AWS refused while the others went on.
    failures: Vec<CloudError>,
    /// What AWS refused for its input.
    pub(super) refused: Vec<Refused>,
    pub(super) reached: Reached,
}

impl<'a> Applying<'a> {
    /// Nothing is carried out yet. `failures` is what could not be read before.
    pub(super) fn new(
        plan: &'a Plan,
        group: &'a GroupId,
        observed: &Observed,
        clients: &'a Clients,
        reached: Reached,
        failures: Vec<CloudError>,
    ) -> Self {
        let mut known = Known::of(observed);
        for (id, arn) in &plan.known {
            known.insert(id.clone(), arn.clone());
        }
        Self { plan, group, known, clients, done: BTreeSet::new(), failures, refused: Vec::new(), reached }
    }

    /// What stands, or what AWS refused of it.
    pub(super) fn end(self) -> Result<Reached, PassError> {
        let Self { failures, reached, .. } = self;
        if failures.is_empty() {
            return Ok(reached);
        }
        Err(PassError::Partly { errors: failures, reached: Box::new(reached) })
    }
}

impl Reconciler {
    /// What somebody asked for: everything before the clean-up.
    pub(super) async fn build(&self, applying: &mut Applying<'_>) -> Result<(), PassError> {
        self.apply(applying, 0, applying.plan.clean_up()).await
    }

    /// What nobody asks for any more goes.
    pub(super) async fn clean_up(&self, applying: &mut Applying<'_>) -> Result<(), PassError> {
        self.apply(applying, applying.plan.clean_up(), applying.plan.operations.len()).await
    }

    /// Applies operations in their order. One that others lean on and that fails ends the pass; other failures are collected.
    async fn apply(&self, applying: &mut Applying<'_>, from: usize, to: usize) -> Result<(), PassError> {
        for (index, operation) in applying.plan.operations.iter().enumerate().take(to).skip(from) {
            if applying.done.contains(&index) {
                continue;
            }
            match operation {
                Operation::Aws(operation) => self.perform(applying, index, operation).await?,
                Operation::Kube(operation) => self.write(applying, operation).await?,
            }
            applying.reached.resources.clone_from(applying.known.names());
        }
        Ok(())
    }

    async fn perform(
        &self,
        applying: &mut Applying<'_>,
        index: usize,
        operation: &AwsOperation,
    ) -> Result<(), PassError> {
        let mut sent = self.call(applying, operation).await;
        if matches!(sent, Err(CloudError::TooMany(_))) {
            let room = applying.plan.making_room(index);
            let room: Vec<usize> = room.into_iter().filter(|other| !applying.done.contains(other)).collect();
            if !room.is_empty() {
                tracing::info!(?operation, "a quota is used up: what goes in this pass makes room first");
                for other in room {
                    if let Some(Operation::Aws(removal)) = applying.plan.operations.get(other) {
                        self.call(applying, removal).await?;
                        applying.done.insert(other);
                    }
                }
                sent = self.call(applying, operation).await;
            }
        }
        if let Err(error) = &sent
            && (error.is_refusal_of_input() || self.is_beyond_reach(error))
        {
            applying.refused.push((operation.clone(), error.to_string()));
        }
        match sent {
            Ok(()) => Ok(()),
            Err(error)
                if operation.describe().importance.is_optional()
                    && !matches!(error, CloudError::NoLeaseProof { .. }) =>
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "AWS refused a part; the rest goes on");
                applying.failures.push(error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an operation waits for a list of the account that this role may not read: then it is as if AWS refused it.
    fn is_beyond_reach(&self, error: &CloudError) -> bool {
        matches!(error, CloudError::Unlisted { list, .. } if self.shared.account.is_kept_from(*list))
    }

    async fn call(&self, applying: &mut Applying<'_>, operation: &AwsOperation) -> Result<(), CloudError> {
        let write_context =
            WriteContext { remaining: &|| self.shared.lease_proof.remaining(), clients: applying.clients };
        let applied = self.shared.cloud.apply(operation, &mut applying.known, &write_context).boxed().await;
        self.shared.observations.wrote(&operation.describe().effect, &applying.known, applied.is_ok());
        self.note(operation, applied?, &mut applying.reached);
        Ok(())
    }

    async fn write(&self, applying: &Applying<'_>, operation: &KubeOperation) -> Result<(), PassError> {
        let binding = match operation {
            KubeOperation::DeleteBinding { namespace, name } => {
                return self.delete_binding(applying.group, &Key::new(namespace, name)).await;
            }
            KubeOperation::ApplyBinding(binding) => binding,
        };
        let resolve = |reference: &Ref, what: &str| {
            let known = applying.known.resolve(reference).map(str::to_owned);
            known.ok_or_else(|| PassError::Stale(format!("{reference} has no {what} yet")))
        };
        let arn = resolve(&binding.target_group, "ARN")?;
        let source = binding.networking.as_ref().map(|(source, _)| resolve(source, "id")).transpose()?;
        let desired = targets::to_kind(binding, &arn, source.as_deref());
        Ok(self.shared.cluster.apply_binding(&self.shared.lease_proof, &desired).await.map(drop)?)
    }

    /// Keeps what is told of nothing but once.
    fn note(&self, operation: &AwsOperation, applied: Applied, reached: &mut Reached) {
        let CallEffect::Create(new) = operation.describe().effect else { return };
        match new {
            NewResource::LoadBalancer(LoadBalancerKind::Application, _) => {
                reached.arn = applied.arn.unwrap_or_default();
                reached.dns_name = applied.dns_name.unwrap_or_default();
            }
            NewResource::LoadBalancer(LoadBalancerKind::Network, _) => {
                reached.nlb_dns_name = applied.dns_name.unwrap_or_default();
            }
            NewResource::TargetGroup(..) => applied.arn.into_iter().for_each(|arn| self.shared.observations.made(arn)),
            NewResource::SecurityGroup(..)
            | NewResource::NlbTargetGroup(..)
            | NewResource::Listener(..)
            | NewResource::NlbListener(..)
            | NewResource::Rule(..) => {}
        }
    }
}
