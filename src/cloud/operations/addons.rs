//! Web ACLs, Shield and reserved capacity of load balancers.

use albedo_engine::stack::{Ref, SHIELD_PROTECTION};
use aws_sdk_elasticloadbalancingv2::types::MinimumLoadBalancerCapacity;

use crate::cloud::facts::FactKind;
use crate::cloud::unlisted;

use super::{Applied, CloudError, Writing, done, send};

impl Writing<'_> {
    pub(super) async fn associate_web_acl(&self, balancer: &Ref, web_acl: &str) -> Result<Applied, CloudError> {
        let web_acl = unlisted::id(self.call.name, FactKind::WebAcls, web_acl)?;
        send!(self, wafv2.associate_web_acl().web_acl_arn(web_acl).resource_arn(self.arn(balancer)?)).map(done)
    }

    pub(super) async fn create_protection(&self, balancer: &Ref) -> Result<Applied, CloudError> {
        let arn = self.arn(balancer)?;
        match send!(self, shield.create_protection().name(SHIELD_PROTECTION).resource_arn(arn)) {
            Ok(_) | Err(CloudError::AlreadyExists(_)) => Ok(Applied::default()),
            Err(error) => Err(error),
        }
    }

    /// No units give the reservation back.
    pub(super) async fn modify_capacity_reservation(&self, balancer: &Ref, units: i32) -> Result<Applied, CloudError> {
        let reserved = (units != 0).then(|| MinimumLoadBalancerCapacity::builder().capacity_units(units).build());
        let reset = reserved.is_none().then_some(true);
        send!(
            self,
            elbv2
                .modify_capacity_reservation()
                .load_balancer_arn(self.arn(balancer)?)
                .set_minimum_load_balancer_capacity(reserved)
                .set_reset_capacity_reservation(reset)
        )
        .map(done)
    }
}
