//! Web ACLs, Shield and reserved capacity of load balancers.

use albedo_engine::stack::{Ref, SHIELD_PROTECTION};
use aws_sdk_elasticloadbalancingv2::types::MinimumLoadBalancerCapacity;

use super::{CloudError, Writing, gone_is_fine};
use crate::cloud::call::{elbv2, shield, waf_regional, wafv2};

impl Writing<'_> {
    pub(super) async fn associate_web_acl(&self, balancer: &Ref, web_acl: &str) -> Result<(), CloudError> {
        let op = wafv2("AssociateWebACL");
        if !web_acl.starts_with("arn:") {
            return Err(CloudError::Unlisted { operation: op.name, name: web_acl.to_owned() });
        }
        let request = self.cloud.write().wafv2.associate_web_acl().web_acl_arn(web_acl);
        let request = request.resource_arn(self.names(op).resolve(balancer)?);
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn disassociate_web_acl(&self, balancer: &Ref) -> Result<(), CloudError> {
        let op = wafv2("DisassociateWebACL");
        let request = self.cloud.write().wafv2.disassociate_web_acl();
        let request = request.resource_arn(self.names(op).resolve(balancer)?);
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn associate_classic_web_acl(&self, balancer: &Ref, web_acl: &str) -> Result<(), CloudError> {
        let op = waf_regional("AssociateWebACL");
        let request = self.cloud.write().waf_regional.associate_web_acl().web_acl_id(web_acl);
        let request = request.resource_arn(self.names(op).resolve(balancer)?);
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn disassociate_classic_web_acl(&self, balancer: &Ref) -> Result<(), CloudError> {
        let op = waf_regional("DisassociateWebACL");
        let request = self.cloud.write().waf_regional.disassociate_web_acl();
        let request = request.resource_arn(self.names(op).resolve(balancer)?);
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn create_protection(&self, balancer: &Ref) -> Result<(), CloudError> {
        let op = shield("CreateProtection");
        let request = self.cloud.write().shield.create_protection().name(SHIELD_PROTECTION);
        let request = request.resource_arn(self.names(op).resolve(balancer)?);
        match self.send(op, || request.clone().send()).await {
            Ok(_) | Err(CloudError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn delete_protection(&self, protection: &str) -> Result<(), CloudError> {
        let request = self.cloud.write().shield.delete_protection().protection_id(protection);
        gone_is_fine(self.send(shield("DeleteProtection"), || request.clone().send()).await)
    }

    pub(super) async fn modify_capacity_reservation(&self, balancer: &Ref, units: i32) -> Result<(), CloudError> {
        let op = elbv2("ModifyCapacityReservation");
        let request = self.cloud.write().elbv2.modify_capacity_reservation();
        let request = request.load_balancer_arn(self.names(op).resolve(balancer)?);
        let request = if units == 0 {
            request.reset_capacity_reservation(true)
        } else {
            let capacity = MinimumLoadBalancerCapacity::builder().capacity_units(units).build();
            request.minimum_load_balancer_capacity(capacity)
        };
        self.send(op, || request.clone().send()).await.map(|_| ())
    }
}
