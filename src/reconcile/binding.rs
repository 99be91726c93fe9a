//! A binding's pass: its targets are registered with its target group, and those that are none any more deregistered.

mod gates;
mod holding;
mod memory;
mod registering;
mod releasing;
mod target_group;
mod tracking;

use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::kinds::{IngressGroup, Key, TargetGroupBinding};
use albedo_engine::settings::Gate;
use albedo_engine::stack::Target;
use albedo_engine::targets::{self, Gated, Origin, Record, Resolution, ServiceRead, Skipped, Sources, TargetsError};
use albedo_engine::world::Unit;
use k8s_openapi::api::core::v1::Service;

use super::{Next, PassError, Reconciler, Shared};
use crate::cluster::{Note, Severity, Subject};
pub(super) use memory::Memory;
use registering::Step;

/// Holds a binding until its targets are deregistered.
pub(super) const FINALIZER: &str = "elbv2.k8s.aws/resources";
/// A pod that a slice names and that was not seen for this long is told; its coming wakes the binding in any case.
const UNSEEN: Duration = Duration::from_secs(10);
/// Pause before the rules of nodes and pods are looked at: bindings tend to change together.
pub(super) const TOGETHER: Duration = Duration::from_millis(200);
/// A name may be another target group's after this.
const FOLLOWED: Duration = Duration::from_mins(5);
/// What a binding hears that names no target group.
const UNNAMED: &str = "neither spec.targetGroupARN nor spec.targetGroupName is set";
/// How many of those that are skipped an event names.
const NAMED: usize = 5;

impl Reconciler {
    pub(super) async fn binding(&self, key: &Key) -> Result<Next, PassError> {
        let Some(stored) = self.shared.cluster.read(|world| world.binding(key).cloned()) else {
            return Ok(Next::Rest);
        };
        if stored.metadata.deletion_timestamp.is_some() {
            return self.let_go(key, &stored).await;
        }
        if let Some(hold) = targets::held_by_itself(&stored) {
            self.leave_renamed(key, &stored).await?;
            return self.hold_binding(key, &stored, &hold).await;
        }
        let Some(arn) = self.arn_of(&stored).await? else {
            self.tell(key, &stored, "FailedReconcile", UNNAMED.to_owned());
            return Ok(Next::Rest);
        };
        self.leave_former(key, &stored, &arn).await?;
        if let Some(hold) = self.second_to(key, &stored, &arn).await? {
            return self.hold_binding(key, &stored, &hold).await;
        }
        let binding = self.filled(&stored, &arn).await?;
        let resolved = match self.resolve(key, &binding).await {
            Ok(resolved) => resolved,
            Err(PassError::Targets(error)) => return self.unresolved(&stored, &error).await,
            Err(error) => return Err(error),
        };
        let is_gone = resolved == Resolution::Gone;
        let Wanted { targets: desired, line, skipped, gated } = self.wanted(&stored, resolved);
        let rest = self.tell_skipped(key, &stored, &skipped);
        let unit = Unit::Binding(key.clone());
        let is_settled = is_registered(&stored, &line) && !self.shared.observations.is_due(&unit);
        if let Some(rest) = self.rests_with(key, &gated, rest).filter(|_| is_settled) {
            self.shared.bindings.registered(key, Record::new(&arn, &desired));
            return Ok(rest);
        }
        // Nobody can have registered anything with what was made in this very process.
        let fresh = self.shared.observations.take_fresh(&arn);
        if !fresh && let Some(hold) = self.held_by(&stored, &arn).await? {
            return self.hold_binding(key, &stored, &hold).await;
        }
        self.ensure_finalizer(&stored).await?;
        let cloud = self.cloud_for(&stored, &arn).await;
        let observed = if fresh { Vec::new() } else { cloud.target_health(&arn).boxed().await? };
        let mut change = targets::diff(&desired, &observed, self.shared.settings.max_targets);
        let known = self.known_record(key, &stored, &arn).await?;
        self.spare_others(key, &stored, &arn, known.as_ref(), &mut change);
        let own = fresh || targets::is_own(&stored, &*self.read_target_group(&stored, &arn).await?);
        let keeps = !own || stored.is_multi_cluster();
        let step = Step { key, cloud: &cloud, arn: &arn, desired: &desired, line: &line, known, keeps };
        let all_fit = change.held_back == 0;
        let written = self.register_and_tell(&stored, step, change, (&gated, &observed)).await?;
        if is_gone {
            self.release_gates(key).await?;
        }
        self.shared.observations.looked(unit);
        if all_fit {
            self.shared.bindings.quiet(key);
        }
        self.note_observed(&stored, &written).await?;
        Ok(self.rests_with(key, &gated, rest).unwrap_or(rest))
    }

    /// Writes to the status that this generation of the binding is registered.
    async fn note_observed(&self, stored: &TargetGroupBinding, written: &TargetGroupBinding) -> Result<(), PassError> {
        if let Some(generation) = stored.metadata.generation {
            let Shared { cluster, lease_proof, .. } = &*self.shared;
            cluster.update_binding_status(lease_proof, written, Some(generation), None).await?;
        }
        Ok(())
    }

    /// Adds the finalizer, so that the binding stays until its targets are deregistered.
    async fn ensure_finalizer(&self, binding: &TargetGroupBinding) -> Result<(), PassError> {
        let has_it = binding.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
        if !has_it {
            self.shared.cluster.add_binding_finalizer(&self.shared.lease_proof, binding, FINALIZER).await?;
        }
        Ok(())
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
        let line = self.shared.cluster.read(|world| {
            targets::checkpoint(binding, &resolved, |origin| match origin {
                Origin::Pod(key) => world.pod(key).map_or(0, |pod| pod.created_ms),
                Origin::Node(name) => world.node(name).map_or(0, |node| node.created_ms),
            })
        });
        let gated = self.gated(binding, &resolved);
        Wanted { targets: resolved.targets, line, skipped: resolved.skipped, gated }
    }

    /// Names what is left out in one event, and again only when it is something else. A pod that nobody has seen is told when it does not
    /// come soon: slices may be a moment ahead of pods.
    fn tell_skipped(&self, key: &Key, binding: &TargetGroupBinding, skipped: &[Skipped]) -> Next {
        let unseen = skipped.iter().any(|one| one.reason == targets::SkipReason::PodNotSeen);
        let waited = self.shared.bindings.unseen_for(key, unseen);
        let waits = unseen && waited < UNSEEN;
        let worth =
            |one: &&Skipped| one.reason.is_worth_telling() && !(waits && one.reason == targets::SkipReason::PodNotSeen);
        let told: Vec<String> =
            skipped.iter().filter(worth).map(|one| format!("{}: {}", one.origin, one.reason)).collect();
        let more = told.len().saturating_sub(NAMED);
        let mut text = told.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
        if !text.is_empty() {
            text.push_str(". The other targets are registered");
        }
        if self.shared.bindings.skipped(key, &text) {
            self.say(binding, "TargetsSkipped", text);
        }
        if waits {
            Next::Look(UNSEEN)
        } else if binding.given_arn().is_none() {
            Next::Look(FOLLOWED)
        } else {
            Next::Rest
        }
    }

    /// What a binding stands for; fields that it lacks are those of its target group, if that was read.
    pub(super) async fn resolve(&self, key: &Key, binding: &TargetGroupBinding) -> Result<Resolution, PassError> {
        let known = self.shared.bindings.target_group_of(binding);
        let filled = known.map(|group| targets::filled(binding, &group.traits));
        let binding = filled.as_ref().unwrap_or(binding);
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
                    fail_open: self.shared.settings.gate(Gate::EndpointsFailOpen),
                };
                targets::resolve(binding, sources)
            })
        };
        match look(false) {
            Err(TargetsError::ServiceNotFound(_)) => {
                // Only a look past the cache tells a Service that is gone from one that has not been seen.
                let gone = !self.shared.cluster.service_exists(&service_key).await?;
                look(gone).map_err(PassError::from)
            }
            other => other.map_err(PassError::from),
        }
    }

    /// What cannot be resolved keeps its targets: a renamed port must not empty a target group.
    async fn unresolved(&self, binding: &TargetGroupBinding, error: &TargetsError) -> Result<Next, PassError> {
        let missing = matches!(error, TargetsError::ServiceNotFound(_) | TargetsError::PortNotFound { .. });
        let reason = if missing { "BackendNotFound" } else { "FailedReconcile" };
        self.say(binding, reason, format!("{error}; registered targets stay as they are"));
        if let (true, Some(generation)) = (missing, binding.metadata.generation) {
            self.shared
                .cluster
                .update_binding_status(&self.shared.lease_proof, binding, Some(generation), None)
                .await?;
        }
        Ok(Next::Rest)
    }

    /// A binding hears what keeps its targets from being registered, or from being let go.
    pub(super) fn explain_binding(&self, key: &Key, error: &PassError) {
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
    /// What is left out, and why.
    skipped: Vec<Skipped>,
    /// The pods that wait for the health of their targets.
    gated: Vec<Gated>,
}

/// Whether a binding goes, its targets are let go, and it is none that the group's ledger knows: what still holds it is somebody else's, and
/// so may be the binding. One of the group's own is waited for until it is gone, whoever holds it.
pub(super) fn is_released(binding: &TargetGroupBinding, ledger: Option<&IngressGroup>) -> bool {
    let held = binding.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
    let status = ledger.and_then(|ledger| ledger.status.as_ref());
    let is_ours = status.is_none_or(|status| status.resources.values().any(|arn| binding.names(arn)));
    binding.metadata.deletion_timestamp.is_some() && !held && !is_ours
}

/// Whether a binding says that these targets are registered for it as it is now. While it was held others may have changed them.
fn is_registered(binding: &TargetGroupBinding, line: &str) -> bool {
    let observed = binding.status.as_ref().and_then(|status| status.observed_generation);
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    let was_held =
        conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "False");
    targets::checkpoint_of(binding) == Some(line)
        && observed.is_some()
        && observed == binding.metadata.generation
        && !was_held
}
