//! The NLB in front of a group's load balancer.

use albedo_engine::stack::{FrontendNlb, FrontendTargetGroup, ProtocolVersion, Ref, SubnetMapping, Tags};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, LoadBalancerTypeEnum, ProtocolEnum, TargetDescription,
    TargetGroupTuple, TargetTypeEnum,
};

use super::{Applied, CloudError, Writing};
use crate::cloud::call::elbv2;
use crate::cloud::convert::write::{self, some};
use crate::cloud::error::need;

impl Writing<'_> {
    pub(super) async fn create_frontend_nlb(&self, is: &FrontendNlb) -> Result<Applied, CloudError> {
        let op = elbv2("CreateLoadBalancer");
        let names = self.names(op);
        let groups: Vec<_> =
            is.security_groups.iter().map(|group| names.resolve(group).map(str::to_owned)).collect::<Result<_, _>>()?;
        let request = self
            .cloud
            .write()
            .elbv2
            .create_load_balancer()
            .name(&is.name)
            .r#type(LoadBalancerTypeEnum::Network)
            .scheme(is.scheme.as_str().into())
            .ip_address_type(is.ip_address_type.as_str().into())
            .set_subnet_mappings(some(write::mappings(&is.subnets)))
            .set_security_groups(some(groups))
            .set_tags(write::tags(&is.tags));
        let answer = self.send(op, || request.clone().send()).await?;
        let made = need(op.name, "LoadBalancers", answer.load_balancers.unwrap_or_default().into_iter().next())?;
        let arn = need(op.name, "LoadBalancerArn", made.load_balancer_arn)?;
        Ok(Applied { arn: Some(arn), dns_name: made.dns_name })
    }

    pub(super) async fn set_frontend_subnets(&self, arn: &str, subnets: &[SubnetMapping]) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.set_subnets().load_balancer_arn(arn);
        let request = request.set_subnet_mappings(some(write::mappings(subnets)));
        self.send(elbv2("SetSubnets"), || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn create_frontend_target_group(&self, is: &FrontendTargetGroup) -> Result<Applied, CloudError> {
        let op = elbv2("CreateTargetGroup");
        let check = &is.health_check;
        let request = self
            .cloud
            .write()
            .elbv2
            .create_target_group()
            .name(&is.name)
            .target_type(TargetTypeEnum::Alb)
            .port(is.port.into())
            .protocol(ProtocolEnum::Tcp)
            .vpc_id(&self.cloud.config().vpc_id)
            .health_check_enabled(true)
            .health_check_port(&check.port)
            .health_check_protocol(check.protocol.as_str().into())
            .health_check_path(&check.path)
            .health_check_interval_seconds(check.interval_seconds)
            .health_check_timeout_seconds(check.timeout_seconds)
            .healthy_threshold_count(check.healthy_threshold)
            .unhealthy_threshold_count(check.unhealthy_threshold)
            .matcher(write::matcher(ProtocolVersion::Http1, check))
            .set_tags(write::tags(&is.tags));
        let answer = self.send(op, || request.clone().send()).await?;
        let made = answer.target_groups.unwrap_or_default().into_iter().next();
        let arn = need(op.name, "TargetGroupArn", made.and_then(|one| one.target_group_arn))?;
        Ok(Applied { arn: Some(arn), dns_name: None })
    }

    pub(super) async fn create_frontend_listener(
        &self,
        load_balancer: &Ref,
        port: u16,
        target_group: &Ref,
        tags: &Tags,
    ) -> Result<Applied, CloudError> {
        let op = elbv2("CreateListener");
        let names = self.names(op);
        let request = self
            .cloud
            .write()
            .elbv2
            .create_listener()
            .load_balancer_arn(names.resolve(load_balancer)?)
            .port(port.into())
            .protocol(ProtocolEnum::Tcp)
            .default_actions(forward_to(names.resolve(target_group)?))
            .set_tags(write::tags(tags));
        let answer = self.send(op, || request.clone().send()).await?;
        let made = answer.listeners.unwrap_or_default().into_iter().next();
        Ok(Applied { arn: Some(need(op.name, "ListenerArn", made.and_then(|one| one.listener_arn))?), dns_name: None })
    }

    pub(super) async fn modify_frontend_listener(&self, arn: &str, target_group: &Ref) -> Result<(), CloudError> {
        let op = elbv2("ModifyListener");
        let names = self.names(op);
        let request = self.cloud.write().elbv2.modify_listener().listener_arn(arn);
        let request = request.default_actions(forward_to(names.resolve(target_group)?));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn register_load_balancer(
        &self,
        target_group: &Ref,
        load_balancer: &str,
        port: u16,
    ) -> Result<(), CloudError> {
        let op = elbv2("RegisterTargets");
        let names = self.names(op);
        let request = self.cloud.write().elbv2.register_targets().target_group_arn(names.resolve(target_group)?);
        let request = request.targets(TargetDescription::builder().id(load_balancer).port(port.into()).build());
        self.send(op, || request.clone().send()).await.map(|_| ())
    }
}

fn forward_to(target_group: &str) -> Action {
    let tuple = TargetGroupTuple::builder().target_group_arn(target_group).build();
    let config = ForwardActionConfig::builder().target_groups(tuple).build();
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config).build()
}
