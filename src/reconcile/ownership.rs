//! What a group may touch: never what another cluster's tag is on, and nothing that only bears its tags.

use albedo_engine::link::{self, Linked, Orphan};
use albedo_engine::stack::{CLUSTER_TAG, Observed};
use albedo_engine::world::View;
use futures::FutureExt as _;

use super::group::ledger_status;
use super::observing::Observation;
use super::{PassError, Reconciler};

impl Reconciler {
    /// Why a group is held: the load balancer that its ledger names is there and carries the tag of another cluster. `--cluster-name` was
    /// changed, or the ledger was restored into another cluster: a second load balancer would be made in silence.
    pub(super) async fn is_another_clusters(
        &self,
        view: &View,
        linked: &Linked,
        seen: &Observation,
    ) -> Result<Option<String>, PassError> {
        let known = ledger_status(view).and_then(|status| status.load_balancer.as_ref());
        let Some(known) = known.filter(|known| seen.is_fresh && !known.arn.is_empty()) else { return Ok(None) };
        if seen.observed.load_balancers.iter().any(|found| found.arn == known.arn) {
            return Ok(None);
        }
        let own = &self.shared.settings.cluster_name;
        let tagged = self.shared.cloud.cluster_of(&known.arn).boxed().await?;
        let held = tagged.filter(|cluster| !cluster.is_empty() && cluster != own).map(|cluster| {
            format!(
                "load balancer {} to be this cluster's: it carries the tag {CLUSTER_TAG}={cluster}, and --cluster-name is {own}. Set \
                 --cluster-name={cluster}, or let go of it with `kubectl delete ingressgroup {}`: then another one is made here",
                known.name,
                view.group.object_name(),
            )
        });
        // Where members cannot be linked they hear that alone: subnets that are tagged for the other cluster, say.
        for held in held.iter().filter(|_| linked.desired.is_none()) {
            let told = match view.is_of_one_namespace() {
                true => held.clone(),
                false => format!("somebody to act; IngressGroup {} says what for", view.group.object_name()),
            };
            for member in &view.members {
                self.warn(&member.ingress, "FailedDeployModel", format!("Failed deploy model: waiting for {told}"));
            }
        }
        Ok(held)
    }

    /// Leaves alone what carries the group's tags and was not made for it, and says so once.
    pub(super) fn set_strangers_apart(&self, view: &View, observed: &mut Observed) {
        for orphan in link::set_strangers_apart(observed, view, &self.shared.settings.cluster_name) {
            let Orphan { arn, name } = &orphan;
            if !self.shared.observations.first_told(arn) {
                continue;
            }
            let fix = orphan.fix();
            tracing::warn!(group = %view.group, arn, name, "something carries the tags of the group and was not made for it; it stays: {fix}");
            let text = format!(
                "{arn} carries the tags of this group and was not made for it, so that it stays as it is: {fix}"
            );
            for ingress in view.ingresses() {
                self.warn(ingress, "OrphanedResource", text.clone());
            }
        }
    }
}
