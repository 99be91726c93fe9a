//! Web ACLs, Shield and reserved capacity: what is attached to the load balancer, once its listeners answer.

use super::Differ;
use crate::plan::difference::Input;
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::stack::{Addons, LoadBalancerState, ObservedAddons, ObservedLoadBalancer, Ref, ResourceId, Shield, WebAcl};

impl Differ<'_> {
    /// Behind what serves and before what goes: AWS may refuse clean-up for minutes, and nothing may be unprotected meanwhile.
    pub(super) fn addons(&mut self) {
        let Input { desired, .. } = self.input();
        if desired.load_balancer.is_none() {
            return;
        }
        let kept = self.kept_load_balancer();
        let reference = kept.map_or_else(
            || Ref::Of(ResourceId::load_balancer()),
            |found: &ObservedLoadBalancer| Ref::Known(found.arn.clone()),
        );
        let asked = &desired.addons;
        // A load balancer that is made in this pass has nothing yet.
        let fresh = ObservedAddons {
            wafv2: Some(WebAcl::Nothing),
            waf_classic: Some(WebAcl::Nothing),
            shield: Some(Shield::Unprotected),
            capacity_units: Some(0),
        };
        let there = kept.map_or(&fresh, |found| &found.addons).clone();
        self.web_acls(&reference, asked, &there);
        self.shield(&reference, asked, &there);
        let active = [LoadBalancerState::Active, LoadBalancerState::ActiveImpaired];
        let active = kept.is_some_and(|found| active.contains(&found.state));
        self.capacity(&reference, asked, &there, active);
    }

    fn web_acls(&mut self, load_balancer: &Ref, asked: &Addons, there: &ObservedAddons) {
        let load_balancer = load_balancer.clone();
        match differing(asked.wafv2.as_ref(), there.wafv2.as_ref()).cloned() {
            Some(WebAcl::Associated(web_acl)) => {
                self.aws(
                    Stage::Attach,
                    AwsOperation::AssociateWebAcl { load_balancer: load_balancer.clone(), web_acl },
                );
            }
            Some(WebAcl::Nothing) => {
                self.aws(Stage::Attach, AwsOperation::DisassociateWebAcl { load_balancer: load_balancer.clone() });
            }
            None => {}
        }
        match differing(asked.waf_classic.as_ref(), there.waf_classic.as_ref()).cloned() {
            Some(WebAcl::Associated(web_acl)) => {
                self.aws(Stage::Attach, AwsOperation::AssociateClassicWebAcl { load_balancer, web_acl });
            }
            Some(WebAcl::Nothing) => self.aws(Stage::Attach, AwsOperation::DisassociateClassicWebAcl { load_balancer }),
            None => {}
        }
    }

    fn shield(&mut self, load_balancer: &Ref, asked: &Addons, there: &ObservedAddons) {
        match (asked.shield, &there.shield) {
            (Some(true), Some(Shield::Unprotected)) => {
                self.aws(Stage::Attach, AwsOperation::CreateProtection { load_balancer: load_balancer.clone() });
            }
            (Some(false), Some(shield)) => {
                if let Some(protection) = shield.ours() {
                    let protection = protection.to_owned();
                    self.aws(
                        Stage::Attach,
                        AwsOperation::DeleteProtection { load_balancer: load_balancer.clone(), protection },
                    );
                }
            }
            _ => {}
        }
    }

    /// AWS takes a reservation for an active load balancer only. Nothing else waits for it.
    fn capacity(&mut self, load_balancer: &Ref, asked: &Addons, there: &ObservedAddons, active: bool) {
        let Some(&units) = differing(asked.capacity_units.as_ref(), there.capacity_units.as_ref()) else { return };
        if active {
            self.aws(
                Stage::Attach,
                AwsOperation::ModifyCapacityReservation { load_balancer: load_balancer.clone(), units },
            );
        } else {
            self.later(format!("the load balancer to be active before {units} capacity units are reserved"));
        }
    }
}

/// What is asked, if it was read what is there and that is something else.
fn differing<'a, T: PartialEq>(asked: Option<&'a T>, there: Option<&T>) -> Option<&'a T> {
    asked.filter(|asked| there.is_some_and(|there| there != *asked))
}
