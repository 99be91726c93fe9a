//! Ingresses on their way out: looked at live before anything of theirs is deleted, let go when nothing is left.

use std::time::Duration;

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::stack::GroupId;
use albedo_engine::world::{Leaving, Membership, Unit, View};
use k8s_openapi::api::networking::v1::Ingress;
use tokio::time::Instant;

use super::binding::is_released;
use super::{PassError, Reconciler};
use crate::cluster::{Note, Severity, Subject};

/// How long a deleted binding may take to let go of its targets before the Ingress is told, and others get the worker.
const LETTING_GO: Duration = Duration::from_secs(20);
/// The same once something else about the group has changed: who edits waits no longer.
const LETTING_GO_TOUCHED: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// So many Ingresses that hold the finalizer without belonging to the group are let go in one pass.
const STRAYS: usize = 10;

impl Reconciler {
    /// Members whose class or group cannot be told hear so. Whether nobody else is in the group, so that it stays as it is: absence never
    /// deletes. In a group with members they keep their rules, and the others go on.
    pub(super) fn is_held_by_the_unknown(&self, view: &View) -> bool {
        let mut waits = Vec::new();
        for leaving in &view.leaving {
            if let Leaving::Unknown(ingress, error) = leaving {
                self.warn(ingress, "FailedLoadGroupID", format!("failed load groupID due to {error}"));
                waits.push(format!(
                    "Ingress {}, of which cannot be told whose it is: {error}",
                    Key::of(&ingress.metadata)
                ));
            }
        }
        let holds = view.members.is_empty() && !waits.is_empty();
        if holds {
            self.explain_wait(view, &waits);
        }
        holds
    }

    /// Reads those that leave past every cache, before the first delete.
    pub(super) async fn confirm_leaving(&self, view: &View) -> Result<(), PassError> {
        for leaving in &view.leaving {
            let Leaving::Left(ingress) = leaving else { continue };
            let key = Key::of(&ingress.metadata);
            let Some(live) = self.shared.cluster.live_ingress(&key).await? else { continue };
            let membership = self.shared.cluster.read(|world| world.membership(&live));
            if matches!(&membership, Membership::Member(group, _) if *group == view.group) {
                return Err(PassError::Stale(format!("{key} is a member of {} again", view.group)));
            }
        }
        Ok(())
    }

    /// Those that leave hear what they wait for.
    pub(super) fn explain_wait(&self, view: &View, waits: &[String]) {
        // What is waited for has names and values of members.
        let told = match view.is_of_one_namespace() {
            true => waits.join("; "),
            false => format!("other members of the group; IngressGroup {} says for what", view.group.object_name()),
        };
        for leaving in &view.leaving {
            if let Leaving::Left(ingress) = leaving {
                self.warn(ingress, "DeletionWaiting", format!("waiting for {told}"));
            }
        }
    }

    /// When a pass cannot even begin, because AWS cannot be read, say, every member hears why.
    pub(super) fn explain_failure_to_all(&self, view: &View, error: &PassError) {
        if error.is_passing() {
            return;
        }
        for member in &view.members {
            self.warn(
                &member.ingress,
                "FailedDeployModel",
                format!("Failed deploy model due to {}", error.told_in(view)),
            );
        }
        self.explain_failure(view, error);
    }

    /// Those that leave hear what keeps them.
    pub(super) fn explain_failure(&self, view: &View, error: &PassError) {
        for leaving in &view.leaving {
            if let Leaving::Left(ingress) = leaving {
                self.warn(ingress, "FailedDeployModel", format!("Failed deploy model due to {}", error.told_in(view)));
            }
        }
    }

    /// Takes the group's finalizers from those that have left; nothing of theirs exists any more.
    pub(super) async fn release(&self, view: &View) -> Result<(), PassError> {
        for leaving in &view.leaving {
            if let Leaving::Left(ingress) = leaving {
                self.let_loose(view, ingress).await?;
            }
        }
        for stray in self.shared.cluster.read(|world| world.strays(&view.group, STRAYS)) {
            if let Err(error) = self.let_loose(view, &stray).await {
                // It is none of the group's, so that it holds nothing up.
                tracing::info!(ingress = %Key::of(&stray.metadata), %error, "a finalizer of a group that does not know it stays");
            }
        }
        Ok(())
    }

    /// The finalizer that is written may have been added unseen; others are removed where they are.
    async fn let_loose(&self, view: &View, ingress: &Ingress) -> Result<(), PassError> {
        for (n, finalizer) in view.finalizers.iter().enumerate() {
            if n > 0 && !ingress.metadata.finalizers.iter().flatten().any(|held| held == finalizer) {
                continue;
            }
            self.shared.cluster.remove_finalizer(&self.shared.lease_proof, ingress, finalizer).await?;
        }
        Ok(())
    }

    /// Deletes a binding and waits until it is gone: its targets are deregistered by then. Who changes something of the group meanwhile does
    /// not wait for long.
    pub(super) async fn delete_binding(&self, group: &GroupId, key: &Key) -> Result<(), PassError> {
        let lookup = || self.shared.cluster.read(|world| world.binding(key).cloned());
        let Some(binding) = lookup() else { return Ok(()) };
        if binding.metadata.deletion_timestamp.is_none() {
            self.shared.cluster.delete_binding(&self.shared.lease_proof, &binding).await?;
        }
        let (unit, began) = (Unit::Group(group.clone()), Instant::now());
        let is_over = |binding: &TargetGroupBinding| {
            self.shared.cluster.read(|world| is_released(binding, world.group_object(group).map(AsRef::as_ref)))
        };
        while let Some(binding) = lookup().filter(|binding| !is_over(binding)) {
            let most = if self.shared.queue.is_touched(&unit) { LETTING_GO_TOUCHED } else { LETTING_GO };
            if began.elapsed() > most {
                let held = binding.metadata.finalizers.clone().unwrap_or_default().join(", ");
                return Err(PassError::Unreleased(format!(
                    "TargetGroupBinding {key} to let go of its targets, which its events tell about (finalizers {held})"
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// An Ingress that belongs to no group because something about it is wrong hears so.
    pub(super) fn misplaced(&self, group: &GroupId) {
        let GroupId::Implicit { namespace, name } = group else { return };
        let key = Key::new(namespace, name);
        let Some(ingress) = self.shared.cluster.read(|world| world.ingress(&key).cloned()) else { return };
        let text = match self.shared.cluster.read(|world| world.membership(&ingress)) {
            Membership::InvalidGroup(name) if name.len() > 63 => {
                "invalid ingress group: groupName must be no more than 63 characters".to_owned()
            }
            Membership::InvalidGroup(_) => "invalid ingress group: groupName must consist of lower case alphanumeric \
                characters, '-' or '.', and must start and end with an alphanumeric character"
                .to_owned(),
            Membership::Unknown(error) => error.to_string(),
            Membership::Member(..) | Membership::None => return,
        };
        self.warn(&ingress, "FailedLoadGroupID", format!("failed load groupID due to {text}"));
    }

    pub(super) fn warn(&self, ingress: &Ingress, reason: &str, text: String) {
        let subject = Subject::ingress(ingress);
        self.shared.events.publish(Note { subject, severity: Severity::Warning, reason: reason.to_owned(), text });
    }
}
