//! A binding's turn: its targets are registered with its target group, and those that are none any more deregistered.

use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::plan::AwsOperation;
use albedo_engine::stack::Target;
use albedo_engine::targets::{self, Origin, Registration, Resolution, ServiceRead, Sources, TargetsError};
use albedo_engine::world::Unit;
use k8s_openapi::api::core::v1::Service;

use super::queue::Lane;
use super::{Next, Reconciler, TurnError};
use crate::cloud::{CloudError, Known, Warrant};
use crate::cluster::{Note, Severity, Subject};

/// Holds a binding until its targets are deregistered.
pub(super) const FINALIZER: &str = "elbv2.k8s.aws/resources";
/// Pause before another look at a pod that a slice names and that has not been seen yet.
const UNSEEN: Duration = Duration::from_secs(2);
/// Pause before the rules of nodes and pods are looked at: bindings tend to change together.
const TOGETHER: Duration = Duration::from_millis(200);

impl Reconciler {
    pub(super) async fn binding(&self, key: &Key) -> Result<Next, TurnError> {
        let Some(binding) = self.shared.cluster.read(|world| world.binding(key).cloned()) else {
            return Ok(Next::Rest);
        };
        // Whatever touched the binding may have changed whom its targets have to let in, and no more.
        self.shared.queue.add(Unit::NodeRules, Lane::Change, TOGETHER);
        let Some(target_group) = self.target_group_of(&binding) else {
            if binding.metadata.deletion_timestamp.is_some() {
                // Nothing was ever registered with a target group that nobody can name.
                self.shared.cluster.remove_binding_finalizer(&self.shared.tenure, &binding, FINALIZER).await?;
                return Ok(Next::Rest);
            }
            self.say(
                &binding,
                "FailedReconcile",
                "the target group is given neither by ARN nor by a name that is known".to_owned(),
            );
            return Ok(Next::Rest);
        };
        if binding.metadata.deletion_timestamp.is_some() {
            return self.let_go(&binding, &target_group).await;
        }
        let held = binding.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
        if !held {
            self.shared.cluster.add_binding_finalizer(&self.shared.tenure, &binding, FINALIZER).await?;
        }
        let resolved = match self.resolve(key, &binding).await {
            Ok(resolved) => resolved,
            Err(TurnError::Targets(error)) => return self.unresolved(&binding, &error).await,
            Err(error) => return Err(error),
        };
        let Wanted { targets: desired, line, unseen } = self.wanted(&binding, resolved);
        let unit = Unit::Binding(key.clone());
        if !unseen && is_registered(&binding, &line) && !self.shared.looks.is_due(&unit) {
            return Ok(Next::Rest);
        }
        // Nobody can have registered anything with what was made in this very process.
        let observed = if self.shared.looks.take_fresh(&target_group) {
            Vec::new()
        } else {
            self.shared.cloud.target_health(&target_group).boxed().await?
        };
        let change = targets::diff(&desired, &observed, None);
        let stored = self.register(&binding, &target_group, change, &line).await?;
        self.shared.looks.looked(unit);
        if let Some(generation) = binding.metadata.generation {
            self.shared.cluster.update_binding_status(&self.shared.tenure, &stored, generation).await?;
        }
        Ok(if unseen { Next::Again(UNSEEN) } else { Next::Rest })
    }

    fn wanted(&self, binding: &TargetGroupBinding, resolved: Resolution) -> Wanted {
        let resolved = match resolved {
            Resolution::Targets(resolved) => resolved,
            Resolution::Gone => {
                let service = &binding.spec.service_ref.name;
                let text = format!("Service {service} was deleted: its targets are deregistered");
                self.say(binding, "BackendNotFound", text);
                return Wanted::default();
            }
        };
        let unseen = resolved.skipped.iter().any(|one| one.reason == targets::SkipReason::PodNotSeen);
        let line = self.shared.cluster.read(|world| {
            targets::checkpoint(binding, &resolved, |origin| match origin {
                Origin::Pod(key) => world.pod(key).map_or(0, |pod| pod.created_ms),
                Origin::Node(name) => world.node(name).map_or(0, |node| node.created_ms),
            })
        });
        Wanted { targets: resolved.targets, line, unseen }
    }

    fn target_group_of(&self, binding: &TargetGroupBinding) -> Option<String> {
        let given = binding.spec.target_group_arn.clone().filter(|arn| !arn.is_empty());
        given.or_else(|| {
            let name = binding.spec.target_group_name.as_ref()?;
            self.shared.account.get().target_group_names.as_ref()?.value.get(name).cloned()
        })
    }

    pub(super) async fn resolve(&self, key: &Key, binding: &TargetGroupBinding) -> Result<Resolution, TurnError> {
        let service_key = Key::new(&key.namespace, &binding.spec.service_ref.name);
        let facts = self.shared.account.get();
        let blocks = facts.vpc_cidrs.as_ref().map(|known| known.value.as_slice());
        let look = |gone: bool| {
            self.shared.cluster.read(|world| {
                let service: Option<Arc<Service>> = world.service(&service_key).cloned();
                let slices = world.endpoints(&service_key);
                let nodes: Vec<_> = world.nodes().cloned().collect();
                let service = match &service {
                    Some(service) => ServiceRead::Found(service),
                    None if gone => ServiceRead::Gone,
                    None => ServiceRead::NotCached,
                };
                let pods = |pod: &Key| world.pod(pod).cloned();
                let sources = Sources {
                    service,
                    slices: &slices,
                    pods: &pods,
                    nodes: &nodes,
                    vpc_cidrs: blocks,
                    fail_open: true,
                };
                targets::resolve(binding, sources)
            })
        };
        match look(false) {
            Err(TargetsError::ServiceNotFound(_)) => {
                // Only a look past the cache tells a Service that is gone from one that has not been seen.
                let gone = !self.shared.cluster.service_exists(&service_key).await?;
                look(gone).map_err(TurnError::from)
            }
            other => other.map_err(TurnError::from),
        }
    }

    /// What cannot be resolved keeps its targets: a renamed port must not empty a target group.
    async fn unresolved(&self, binding: &TargetGroupBinding, error: &TargetsError) -> Result<Next, TurnError> {
        let missing = matches!(error, TargetsError::ServiceNotFound(_) | TargetsError::PortNotFound { .. });
        let reason = if missing { "BackendNotFound" } else { "FailedReconcile" };
        self.say(binding, reason, format!("{error}; registered targets stay as they are"));
        if let (true, Some(generation)) = (missing, binding.metadata.generation) {
            self.shared.cluster.update_binding_status(&self.shared.tenure, binding, generation).await?;
        }
        Ok(Next::Rest)
    }

    /// Registers and deregisters, and notes what is registered then. An unchanged binding is not written to.
    async fn register(
        &self,
        binding: &TargetGroupBinding,
        target_group: &str,
        change: Registration,
        line: &str,
    ) -> Result<TargetGroupBinding, TurnError> {
        if change.is_empty() {
            return Ok(binding.clone());
        }
        tracing::info!(
            binding = %Key::of(&binding.metadata),
            register = change.register.len(),
            deregister = change.deregister.len(),
            "targets change"
        );
        let mut stored = binding.clone();
        if targets::checkpoint_of(binding).is_some() {
            // Whoever comes after a crash in between has to look.
            stored = self.write_checkpoint(&stored, String::new()).await?;
        }
        if !change.register.is_empty() {
            if binding.spec.networking.is_some() {
                self.let_in_first().await;
            }
            self.send(AwsOperation::RegisterTargets {
                target_group: target_group.to_owned(),
                targets: change.register,
            })
            .await?;
        }
        self.deregister(target_group, change.deregister).await?;
        self.write_checkpoint(&stored, line.to_owned()).await
    }

    async fn write_checkpoint(
        &self,
        binding: &TargetGroupBinding,
        line: String,
    ) -> Result<TargetGroupBinding, TurnError> {
        let now = jiff::Timestamp::now().as_second().to_string();
        let notes = [(targets::CHECKPOINT, line), (targets::CHECKPOINT_TIMESTAMP, now)].into();
        Ok(self.shared.cluster.update_checkpoint(&self.shared.tenure, binding, &notes).await?)
    }

    async fn deregister(&self, target_group: &str, targets: Vec<Target>) -> Result<(), TurnError> {
        if targets.is_empty() {
            return Ok(());
        }
        self.send(AwsOperation::DeregisterTargets { target_group: target_group.to_owned(), targets }).await
    }

    async fn send(&self, operation: AwsOperation) -> Result<(), TurnError> {
        let clients = std::collections::BTreeMap::new();
        let warrant = Warrant { remaining: &|| self.shared.tenure.remaining(), clients: &clients };
        self.shared.cloud.apply(&operation, &mut Known::default(), &warrant).boxed().await?;
        Ok(())
    }

    /// A binding that is being deleted lets go of its targets, then of its finalizer.
    async fn let_go(&self, binding: &TargetGroupBinding, target_group: &str) -> Result<Next, TurnError> {
        let held = binding.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
        if !held || self.goes_with_its_kind(binding).await? {
            return Ok(Next::Rest);
        }
        let observed = match self.shared.cloud.target_health(target_group).boxed().await {
            Ok(observed) => observed,
            // A target group that is gone, or was never one, holds nothing.
            Err(CloudError::NotFound(_) | CloudError::Invalid(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let change = targets::diff(&BTreeSet::new(), &observed, None);
        self.deregister(target_group, change.deregister).await?;
        self.shared.cluster.remove_binding_finalizer(&self.shared.tenure, binding, FINALIZER).await?;
        self.shared.queue.add(Unit::NodeRules, Lane::Change, TOGETHER);
        Ok(Next::Rest)
    }

    /// A binding hears what keeps its targets from being registered, or from being let go.
    pub(super) fn explain_binding(&self, key: &Key, error: &TurnError) {
        let Some(binding) = self.shared.cluster.read(|world| world.binding(key).cloned()) else { return };
        if error.is_passing() {
            return;
        }
        let deleted = binding.metadata.deletion_timestamp.is_some();
        let reason = if deleted { "FailedCleanup" } else { "FailedReconcile" };
        self.say(&binding, reason, error.told());
    }

    pub(super) fn say(&self, binding: &TargetGroupBinding, reason: &str, text: String) {
        self.shared.troubles.hears(&Key::of(&binding.metadata), reason, &text);
        let subject = Subject::binding(binding);
        self.shared.events.publish(Note { subject, severity: Severity::Warning, reason: reason.to_owned(), text });
    }
}

/// What should be registered for a binding.
#[derive(Default)]
struct Wanted {
    targets: BTreeSet<Target>,
    /// The checkpoint that says so.
    line: String,
    /// Some pod has not been seen yet.
    unseen: bool,
}

/// Whether a binding says that these targets are registered for it as it is now.
fn is_registered(binding: &TargetGroupBinding, line: &str) -> bool {
    let observed = binding.status.as_ref().and_then(|status| status.observed_generation);
    targets::checkpoint_of(binding) == Some(line) && observed.is_some() && observed == binding.metadata.generation
}
