//! Add-ons: what is attached to the load balancer, once its listeners answer.

use super::Differ;
use crate::plan::difference::Input;
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::stack::{Addon, Addons, Attachment, LoadBalancerState, Ref, ResourceId};

impl Differ<'_> {
    /// Behind what serves and before what goes: AWS may refuse clean-up for minutes, and nothing may be unprotected meanwhile.
    pub(super) fn addons(&mut self) {
        let Input { desired, .. } = self.input();
        if desired.load_balancer.is_none() {
            return;
        }
        let kept = self.kept_load_balancer();
        let reference =
            kept.map_or_else(|| Ref::Of(ResourceId::load_balancer()), |found| Ref::Known(found.arn.clone()));
        // A load balancer that is made in this pass has nothing yet.
        let fresh = Addons::from(Addon::ALL.map(|addon| (addon, Attachment::Nothing)));
        let there = kept.map_or(&fresh, |found| &found.addons);
        let active = [LoadBalancerState::Active, LoadBalancerState::ActiveImpaired];
        let active = kept.is_some_and(|found| active.contains(&found.state));
        for (&addon, asked) in &desired.addons {
            let Some(there) = there.get(&addon).filter(|there| !addon.is_met(asked, there)) else { continue };
            let load_balancer = reference.clone();
            let operation = match (asked, there) {
                // AWS takes a reservation for an active load balancer only. Nothing else waits for it.
                _ if addon == Addon::Capacity && !active => {
                    let units = if let Attachment::To(units) = asked { units } else { "0" };
                    self.later(format!("the load balancer to be active before {units} capacity units are reserved"));
                    continue;
                }
                (Attachment::To(is), _) => AwsOperation::Attach { load_balancer, addon, is: is.clone() },
                (Attachment::Nothing, Attachment::To(was)) => {
                    AwsOperation::Detach { load_balancer, addon, was: was.clone() }
                }
                (Attachment::Nothing | Attachment::Foreign, _) => continue,
            };
            self.aws(Stage::Attach, operation);
        }
    }
}
