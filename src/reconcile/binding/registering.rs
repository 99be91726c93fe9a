//! Registers and deregisters targets: one that AWS refuses keeps no other out, and where the quota is reached those that leave go first.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html>: AWS takes or refuses a call as a whole.

use std::collections::{BTreeMap, BTreeSet};

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::plan::AwsOperation;
use albedo_engine::stack::Target;
use albedo_engine::targets::{self, Record, Registration};
use futures::FutureExt as _;

use super::{PassError, Reconciler};
use crate::cloud::{Cloud, CloudError, Known, WriteContext};

/// Targets that AWS takes in one call.
const CHUNK: usize = 200;
/// Refusals that one pass looks into. Those that were refused go last the next time, so each pass gets further.
const REFUSALS: usize = 64;
/// Refusals of single targets without one that was taken: it is not about targets.
const HOPELESS: usize = 8;
/// What AWS says of a call because of some of its targets.
const OF_TARGETS: [&str; 4] = ["InvalidTarget", "ValidationError", "TooManyTargets", "TooManyRegistrationsForTargetId"];
/// What AWS says when a target group, or its load balancer, holds as many targets as it may.
const QUOTA: &str = "TooManyTargets";

/// What a pass registers.
pub(super) struct Step<'a> {
    pub(super) key: &'a Key,
    /// AWS with the permissions for the target group.
    pub(super) cloud: &'a Cloud,
    pub(super) arn: &'a str,
    pub(super) desired: &'a BTreeSet<Target>,
    /// The checkpoint that says that these are registered.
    pub(super) line: &'a str,
    /// What was registered before.
    pub(super) known: Option<Record>,
    /// What is registered is kept in the binding. A group's own target group never is another one without being made anew.
    pub(super) keeps: bool,
}

/// Targets that AWS did not take.
#[derive(Debug, Default)]
struct Refused {
    targets: BTreeSet<Target>,
    /// What AWS said of the first.
    first: Option<String>,
}

impl Reconciler {
    /// Registers and deregisters, and notes what is registered then. An unchanged binding is not written to.
    pub(super) async fn register(
        &self,
        binding: &TargetGroupBinding,
        step: Step<'_>,
        change: Registration,
    ) -> Result<TargetGroupBinding, PassError> {
        let record = Record::new(step.arn, step.desired);
        self.shared.bindings.registered(step.key, record.clone());
        if change.held_back > 0 {
            let limit = self.shared.settings.max_targets.unwrap_or_default();
            let text =
                format!("{} targets are not registered: --max-targets-per-target-group is {limit}", change.held_back);
            self.tell(step.key, binding, "TargetLimit", text);
        }
        if change.is_empty() {
            let unknown = step.keeps && Record::of(binding).as_ref() != Some(&record);
            return if unknown { self.annotate(binding, None, Some(&record)).await } else { Ok(binding.clone()) };
        }
        tracing::info!(
            binding = %step.key,
            register = change.register.len(),
            deregister = change.deregister.len(),
            "targets change"
        );
        let mut stored = binding.clone();
        let before = step.keeps.then(|| record.clone().and(step.known.clone()));
        if before.is_some() || targets::checkpoint_of(binding).is_some() {
            // Whoever comes after a crash in between has to look.
            stored = self.annotate(&stored, Some(""), before.as_ref()).await?;
        }
        if !change.register.is_empty() && binding.spec.networking.is_some() {
            self.let_in_first().await;
        }
        let all_fit = change.held_back == 0;
        let refused = self.exchange(&step, change).await?;
        // With a raised limit, too, the others have to be seen to.
        let line = if refused.targets.is_empty() && all_fit { step.line } else { "" };
        stored = self.annotate(&stored, Some(line), step.keeps.then_some(&record)).await?;
        let count = refused.targets.len();
        self.shared.bindings.refuse(step.key, refused.targets);
        match refused.first {
            None => Ok(stored),
            Some(first) => Err(PassError::Refused { count, first }),
        }
    }

    /// New ones first, so that there is no moment with fewer targets than before or after, unless the quota leaves no room.
    async fn exchange(&self, step: &Step<'_>, change: Registration) -> Result<Refused, PassError> {
        let known = self.shared.bindings.refused(step.key);
        let (last, first): (Vec<Target>, Vec<Target>) =
            change.register.into_iter().partition(|target| known.contains(target));
        let mut parts = chunks(&first);
        parts.extend(chunks(&last));
        let mut leaving = Some(change.deregister);
        let (mut refused, mut refusals, mut taken) = (Refused::default(), 0, 0);
        parts.reverse();
        while let Some(part) = parts.pop() {
            let operation = AwsOperation::RegisterTargets { target_group: step.arn.to_owned(), targets: part.clone() };
            let error = match self.send(step.cloud, operation).await {
                Ok(()) => {
                    taken += part.len();
                    continue;
                }
                Err(PassError::Cloud(error)) if OF_TARGETS.contains(&error.code()) => error,
                Err(error) => return Err(error),
            };
            if error.code() == QUOTA
                && let Some(gone) = leaving.take_if(|gone| !gone.is_empty())
            {
                self.deregister(step.cloud, step.arn, gone).await?;
                parts.push(part);
                continue;
            }
            refusals += 1;
            let hopeless = taken == 0 && refused.targets.len() >= HOPELESS;
            if part.len() > 1 && refusals < REFUSALS && !hopeless {
                parts.extend(halves(&part));
            } else {
                refused.add(part, &error);
            }
        }
        self.deregister(step.cloud, step.arn, leaving.unwrap_or_default()).await?;
        Ok(refused)
    }

    /// Deregisters targets. One that AWS does not know any more keeps no other registered.
    pub(super) async fn deregister(
        &self,
        cloud: &Cloud,
        target_group: &str,
        targets: Vec<Target>,
    ) -> Result<(), PassError> {
        let mut parts = chunks(&targets);
        while let Some(part) = parts.pop() {
            let operation =
                AwsOperation::DeregisterTargets { target_group: target_group.to_owned(), targets: part.clone() };
            match self.send(cloud, operation).await {
                Err(PassError::Cloud(error)) if error.code() == "InvalidTarget" && part.len() > 1 => {
                    parts.extend(halves(&part));
                }
                Err(PassError::Cloud(error)) if error.code() == "InvalidTarget" => {
                    tracing::debug!(target_group, %error, "a target was not registered any more");
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn send(&self, cloud: &Cloud, operation: AwsOperation) -> Result<(), PassError> {
        let clients = BTreeMap::new();
        let write_context = WriteContext { remaining: &|| self.shared.lease_proof.remaining(), clients: &clients };
        cloud.apply(&operation, &mut Known::default(), &write_context).boxed().await?;
        Ok(())
    }

    /// Notes in the binding the checkpoint, and what is registered.
    async fn annotate(
        &self,
        binding: &TargetGroupBinding,
        line: Option<&str>,
        record: Option<&Record>,
    ) -> Result<TargetGroupBinding, PassError> {
        if let Some(record) = record.filter(|_| binding.is_multi_cluster()) {
            self.track(binding, record).await?;
        }
        let mut notes = BTreeMap::new();
        if let Some(line) = line {
            notes.insert(targets::CHECKPOINT, line.to_owned());
            notes.insert(targets::CHECKPOINT_TIMESTAMP, jiff::Timestamp::now().as_second().to_string());
        }
        notes.extend(record.map(|record| (targets::REGISTERED, record.line())));
        let (cluster, lease_proof) = (&self.shared.cluster, &self.shared.lease_proof);
        let written = cluster.update_checkpoint(lease_proof, binding, &notes).await?;
        // After a crash in between the note counts for nothing: what is registered stays so.
        let Some(line) = notes.get(targets::REGISTERED) else { return Ok(written) };
        let seal = targets::seal(line, binding.metadata.uid.as_deref().unwrap_or_default());
        Ok(cluster.seal_binding(lease_proof, &written, targets::SEALED, &seal).await?)
    }

    /// Nothing of the binding is registered any more.
    pub(super) async fn forget_record(&self, binding: &TargetGroupBinding) -> Result<(), PassError> {
        if binding.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(targets::REGISTERED)) {
            self.annotate(binding, Some(""), Some(&Record::default())).await?;
        }
        Ok(())
    }
}

impl Refused {
    fn add(&mut self, targets: Vec<Target>, error: &CloudError) {
        let named = targets.first().map(|target| format!("{}:{}: {error}", target.id, target.port));
        self.first = self.first.take().or(named);
        self.targets.extend(targets);
    }
}

fn chunks(targets: &[Target]) -> Vec<Vec<Target>> {
    targets.chunks(CHUNK).map(<[Target]>::to_vec).collect()
}

/// Both halves; the first one is last, for who takes from the end.
fn halves(targets: &[Target]) -> [Vec<Target>; 2] {
    let (first, second) = targets.split_at(targets.len() / 2);
    [second.to_vec(), first.to_vec()]
}
