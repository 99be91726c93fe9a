//! Add-ons of a load balancer: how AWS is asked for each, and how it is attached and detached.

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::{Addon, Attachment, Ref, SHIELD_PROTECTION};
use aws_sdk_elasticloadbalancingv2::types::MinimumLoadBalancerCapacity;

use super::Cloud;
use super::error::{CloudError, need};
use super::facts::FactKind;
use super::known::Applied;
use super::operations::{Writing, done, gone_is_fine, send};
use super::unlisted;

impl Cloud {
    /// What is attached of an add-on to a load balancer.
    ///
    /// # Errors
    ///
    /// Whatever AWS says.
    pub async fn attached(&self, addon: Addon, balancer: &str) -> Result<Attachment, CloudError> {
        match addon {
            Addon::WebAcl => self.web_acl_of(balancer).await,
            Addon::ClassicWebAcl => self.classic_web_acl_of(balancer).await,
            Addon::Shield => self.protection_of(balancer).await,
            Addon::Capacity => self.capacity_of(balancer).await,
        }
    }

    async fn web_acl_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let op = ApiService::WafV2.call("GetWebACLForResource");
        let answer = self.call(op, self.read().wafv2.get_web_acl_for_resource().resource_arn(balancer).send()).await?;
        Ok(answer.web_acl.map_or(Attachment::Nothing, |acl| Attachment::To(acl.arn)))
    }

    async fn classic_web_acl_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let op = ApiService::WafRegional.call("GetWebACLForResource");
        let request = self.read().waf_regional.get_web_acl_for_resource().resource_arn(balancer);
        let answer = self.call(op, request.send()).await?;
        Ok(answer.web_acl_summary.map_or(Attachment::Nothing, |acl| Attachment::To(acl.web_acl_id)))
    }

    async fn protection_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let op = ApiService::Shield.call("DescribeProtection");
        match self.call(op, self.read().shield.describe_protection().resource_arn(balancer).send()).await {
            Ok(answer) => {
                let protection = need(op.name, "Protection", answer.protection)?;
                let id = need(op.name, "Id", protection.id)?;
                Ok(Attachment::of_protection(id, &protection.name.unwrap_or_default()))
            }
            Err(CloudError::NotFound(_)) => Ok(Attachment::Nothing),
            Err(error) => Err(error),
        }
    }

    async fn capacity_of(&self, balancer: &str) -> Result<Attachment, CloudError> {
        let request = self.read().elbv2.describe_capacity_reservation().load_balancer_arn(balancer);
        let answer = self.call(ApiService::Elbv2.call("DescribeCapacityReservation"), request.send()).await?;
        let units = answer.minimum_load_balancer_capacity.and_then(|reserved| reserved.capacity_units);
        Ok(Attachment::units(units.unwrap_or_default()))
    }
}

impl Writing<'_> {
    pub(super) async fn attach(&self, balancer: &Ref, addon: Addon, is: &str) -> Result<Applied, CloudError> {
        let arn = self.arn(balancer)?;
        match addon {
            Addon::WebAcl => {
                let acl = unlisted::id(self.call.name, FactKind::WebAcls, is)?;
                send!(self, wafv2.associate_web_acl().web_acl_arn(acl).resource_arn(arn)).map(done)
            }
            Addon::ClassicWebAcl => {
                send!(self, waf_regional.associate_web_acl().web_acl_id(is).resource_arn(arn)).map(done)
            }
            Addon::Shield => match send!(self, shield.create_protection().name(SHIELD_PROTECTION).resource_arn(arn)) {
                Ok(_) | Err(CloudError::AlreadyExists(_)) => Ok(Applied::default()),
                Err(error) => Err(error),
            },
            Addon::Capacity => {
                let units = MinimumLoadBalancerCapacity::builder().set_capacity_units(is.parse().ok()).build();
                send!(
                    self,
                    elbv2.modify_capacity_reservation().load_balancer_arn(arn).minimum_load_balancer_capacity(units)
                )
                .map(done)
            }
        }
    }

    pub(super) async fn detach(&self, balancer: &Ref, addon: Addon, was: &str) -> Result<Applied, CloudError> {
        let arn = self.arn(balancer)?;
        match addon {
            Addon::WebAcl => send!(self, wafv2.disassociate_web_acl().resource_arn(arn)).map(done),
            Addon::ClassicWebAcl => send!(self, waf_regional.disassociate_web_acl().resource_arn(arn)).map(done),
            Addon::Shield => gone_is_fine(send!(self, shield.delete_protection().protection_id(was))),
            Addon::Capacity => {
                send!(self, elbv2.modify_capacity_reservation().load_balancer_arn(arn).reset_capacity_reservation(true))
                    .map(done)
            }
        }
    }
}
