//! Readiness gates: pods hear of the health of their targets, in the condition of the gate that they have.

use std::sync::Arc;
use std::time::Duration;

use albedo_engine::kinds::{GateCondition, Key, Pod, TargetGroupBinding, readiness_gate};
use albedo_engine::stack::TargetHealth;
use albedo_engine::targets::{self, Gated, Registration, Resolved};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use super::registering::Step;
use super::{Next, PassError, Reconciler};
use crate::cluster::WriteError;

/// Pods that are written to at the same time.
const AT_ONCE: usize = 8;

impl Reconciler {
    /// The pods behind the targets of a binding that have its gate.
    pub(super) fn gated(&self, binding: &TargetGroupBinding, resolved: &Resolved) -> Vec<Gated> {
        let gate = readiness_gate(binding.metadata.name.as_deref().unwrap_or_default());
        self.shared.cluster.read(|world| targets::gated(&gate, resolved, |pod| world.pod(pod).cloned()))
    }

    /// When a binding that is otherwise at rest is looked at again; `None`: the health of its targets has to be read now, because a pod waits for it.
    pub(super) fn rests_with(&self, key: &Key, gated: &[Gated], rest: Next) -> Option<Next> {
        let gate = readiness_gate(&key.name);
        let mut waiting = gated.iter().filter(|one| !one.is_open(&gate)).map(|one| one.pod.uid.as_str()).peekable();
        if waiting.peek().is_none() {
            return Some(rest);
        }
        let pause = self.shared.gate_pause;
        let ago = self.shared.bindings.gates_told(key, waiting).filter(|ago| *ago < pause)?;
        Some(sooner(rest, pause.saturating_sub(ago)))
    }

    /// Registers and deregisters, then tells pods of the health of their targets: also when AWS refused some targets.
    pub(super) async fn register_and_tell(
        &self,
        binding: &TargetGroupBinding,
        step: Step<'_>,
        change: Registration,
        (gated, observed): (&[Gated], &[TargetHealth]),
    ) -> Result<TargetGroupBinding, PassError> {
        let key = step.key;
        let written = self.register(binding, step, change).await;
        if matches!(written, Ok(_) | Err(PassError::Refused { .. })) {
            self.tell_gates(key, gated, observed).await?;
        }
        written
    }

    /// Writes what is known of the health of their targets to pods that do not have it yet. What was not observed was registered just now.
    async fn tell_gates(&self, key: &Key, gated: &[Gated], observed: &[TargetHealth]) -> Result<(), PassError> {
        let refused = self.shared.bindings.refused(key);
        let states = targets::states(gated, observed, &refused);
        let told = states.iter().map(|(gated, _)| gated.pod.uid.clone()).collect();
        let states = states.into_iter().map(|(gated, state)| (gated.pod.clone(), state)).collect();
        self.tell_each(key, states).await?;
        self.shared.bindings.tell_gates(key, told);
        Ok(())
    }

    /// Opens the gates of a binding whose targets are let go: nobody will look at their health any more.
    pub(super) async fn release_gates(&self, key: &Key) -> Result<(), PassError> {
        let gate = readiness_gate(&key.name);
        let pods = self.shared.cluster.read(|world| world.gated_pods(&key.namespace, &gate));
        let state = targets::released();
        let closed = pods.into_iter().filter(|pod| !pod.condition(&gate).is_some_and(GateCondition::is_true));
        self.tell_each(key, closed.map(|pod| (pod, state.clone())).collect()).await
    }

    async fn tell_each(&self, key: &Key, states: Vec<(Arc<Pod>, GateCondition)>) -> Result<(), PassError> {
        let writes = futures::stream::iter(states).map(|(pod, state)| {
            let (this, key) = (self.clone(), key.clone());
            async move { this.tell_gate(&key, &pod, &state).await }
        });
        writes.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn tell_gate(&self, key: &Key, pod: &Pod, state: &GateCondition) -> Result<(), PassError> {
        let gate = readiness_gate(&key.name);
        let condition = pod.condition(&gate);
        if condition.is_some_and(|condition| condition.says_as(state)) {
            return Ok(());
        }
        let changes = condition.is_none_or(|condition| condition.status != state.status);
        let since = changes.then(Timestamp::now);
        match self.shared.cluster.tell_gate(&self.shared.lease_proof, pod, &gate, state, since).await {
            Ok(()) => {}
            // The pod is gone, or another one has its name: that one comes as a change.
            Err(WriteError::NotFound { .. } | WriteError::Conflict { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if let Some(since) = since.filter(|_| state.is_true()) {
            let began = condition.map(|condition| condition.since_ms).filter(|since| *since > 0);
            let took = since.as_millisecond().saturating_sub(began.unwrap_or(pod.created_ms));
            self.shared.metrics.gate_opened(Duration::from_millis(u64::try_from(took).unwrap_or_default()));
        }
        Ok(())
    }
}

/// The same, but not later than after this time.
fn sooner(next: Next, after: Duration) -> Next {
    match next {
        Next::Rest => Next::Look(after),
        Next::Look(later) => Next::Look(later.min(after)),
        Next::Again(_) | Next::Wait => next,
    }
}
