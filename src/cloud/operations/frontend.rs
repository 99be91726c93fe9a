//! The NLB in front of a group's load balancer: what differs from an ALB in the same requests.

use albedo_engine::stack::{FrontendNlb, FrontendTargetGroup, ProtocolVersion, Ref, Tags, Target};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, LoadBalancerTypeEnum, ProtocolEnum, TargetGroupTuple, TargetTypeEnum,
};

use super::balancers::NewBalancer;
use super::targets::NewTargetGroup;
use super::{Applied, CloudError, Writing};
use crate::cloud::convert::write;
use crate::cloud::unlisted;

impl Writing<'_> {
    pub(super) async fn create_frontend_nlb(&self, is: &FrontendNlb) -> Result<Applied, CloudError> {
        unlisted::subnets(self.call.name, is.subnets.iter().map(|one| &one.subnet))?;
        let new = NewBalancer {
            kind: LoadBalancerTypeEnum::Network,
            name: &is.name,
            scheme: is.scheme,
            ip_address_type: is.ip_address_type,
            subnets: write::mappings(&is.subnets),
            security_groups: &is.security_groups,
            tags: &is.tags,
        };
        self.create_balancer(new, |request| request).await
    }

    pub(super) async fn create_frontend_target_group(&self, is: &FrontendTargetGroup) -> Result<Applied, CloudError> {
        let new = NewTargetGroup {
            name: &is.name,
            kind: TargetTypeEnum::Alb,
            port: is.port,
            protocol: ProtocolEnum::Tcp,
            version: ProtocolVersion::Http1,
            check: &is.health_check,
            tags: &is.tags,
        };
        self.create_group(new, |request| request.health_check_enabled(true)).await
    }

    pub(super) async fn create_frontend_listener(
        &self,
        load_balancer: &Ref,
        port: u16,
        target_group: &Ref,
        tags: &Tags,
    ) -> Result<Applied, CloudError> {
        let request = self.new_listener(self.arn(load_balancer)?, port, tags).protocol(ProtocolEnum::Tcp);
        self.send_listener(request.default_actions(forward_to(self.arn(target_group)?))).await
    }

    pub(super) async fn register_load_balancer(
        &self,
        target_group: &Ref,
        load_balancer: &str,
        port: u16,
    ) -> Result<Applied, CloudError> {
        let target = Target { id: load_balancer.to_owned(), port, availability_zone: None };
        self.register(self.arn(target_group)?, &[target]).await
    }
}

pub(super) fn forward_to(target_group: &str) -> Action {
    let tuple = TargetGroupTuple::builder().target_group_arn(target_group).build();
    let config = ForwardActionConfig::builder().target_groups(tuple).build();
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config).build()
}
