//! The NLB in front of a group's load balancer: what differs from an ALB in the same requests.

use albedo_engine::stack::{NlbTargetGroup, ProtocolVersion, Ref, Tags, Target};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, ProtocolEnum, TargetGroupTuple, TargetTypeEnum,
};

use super::targets::NewTargetGroup;
use super::{Applied, CloudError, Writing};

impl Writing<'_> {
    pub(super) async fn create_nlb_target_group(&self, is: &NlbTargetGroup) -> Result<Applied, CloudError> {
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

    pub(super) async fn create_nlb_listener(
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
