//! Load balancers, and the tags of everything in `ELBv2`.

use albedo_engine::stack::{Attributes, IpAddressType, LoadBalancer, Ref, Scheme, Tags};
use aws_sdk_elasticloadbalancingv2::operation::create_load_balancer::builders::CreateLoadBalancerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerTypeEnum, RemoveIpamPoolEnum, SubnetMapping};

use super::{Applied, CloudError, Writing, gone_is_fine};
use crate::cloud::call::{Op, elbv2};
use crate::cloud::convert::write::{self, some};
use crate::cloud::error::need;

/// Most attributes of a load balancer that one call takes:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyLoadBalancerAttributes.html>.
const ATTRIBUTES_A_CALL: usize = 20;

/// What an ALB and the NLB in front of it are made with alike.
pub(super) struct NewBalancer<'a> {
    pub kind: LoadBalancerTypeEnum,
    pub name: &'a str,
    pub scheme: Scheme,
    pub ip_address_type: IpAddressType,
    pub subnets: Vec<SubnetMapping>,
    pub security_groups: &'a [Ref],
    pub tags: &'a Tags,
}

impl Writing<'_> {
    pub(super) async fn create_load_balancer(&self, is: &LoadBalancer) -> Result<Applied, CloudError> {
        let new = NewBalancer {
            kind: LoadBalancerTypeEnum::Application,
            name: &is.name,
            scheme: is.scheme,
            ip_address_type: is.ip_address_type,
            subnets: write::subnets(&is.subnets),
            security_groups: &is.security_groups,
            tags: &is.tags,
        };
        self.create_balancer(new, |request| {
            request
                .set_customer_owned_ipv4_pool(is.customer_owned_ipv4_pool.clone())
                .set_ipam_pools(is.ipv4_ipam_pool_id.as_deref().map(write::ipam_pools))
        })
        .await
    }

    /// `more` adds what one kind alone takes.
    pub(super) async fn create_balancer(
        &self,
        new: NewBalancer<'_>,
        more: impl FnOnce(CreateLoadBalancerFluentBuilder) -> CreateLoadBalancerFluentBuilder,
    ) -> Result<Applied, CloudError> {
        let op = elbv2("CreateLoadBalancer");
        let request = self
            .cloud
            .write()
            .elbv2
            .create_load_balancer()
            .name(new.name)
            .r#type(new.kind)
            .scheme(new.scheme.as_str().into())
            .ip_address_type(new.ip_address_type.as_str().into())
            .set_subnet_mappings(some(new.subnets))
            .set_security_groups(some(self.ids(op, new.security_groups)?))
            .set_tags(write::tags(new.tags));
        let request = more(request);
        let answer = self.send(op, || request.clone().send()).await?;
        let made = need(op.name, "LoadBalancers", answer.load_balancers.unwrap_or_default().into_iter().next())?;
        let arn = need(op.name, "LoadBalancerArn", made.load_balancer_arn)?;
        Ok(Applied { arn: Some(arn), dns_name: made.dns_name })
    }

    fn ids(&self, op: Op, groups: &[Ref]) -> Result<Vec<String>, CloudError> {
        let names = self.names(op);
        groups.iter().map(|group| names.resolve(group).map(str::to_owned)).collect()
    }

    pub(super) async fn modify_load_balancer_attributes(
        &self,
        load_balancer: &Ref,
        attributes: &Attributes,
    ) -> Result<(), CloudError> {
        let op = elbv2("ModifyLoadBalancerAttributes");
        for some in write::at_most(attributes, ATTRIBUTES_A_CALL) {
            let request = self
                .cloud
                .write()
                .elbv2
                .modify_load_balancer_attributes()
                .load_balancer_arn(self.names(op).resolve(load_balancer)?)
                .set_attributes(write::load_balancer_attributes(&some));
            self.send(op, || request.clone().send()).await?;
        }
        Ok(())
    }

    pub(super) async fn set_security_groups(&self, arn: &str, groups: &[Ref]) -> Result<(), CloudError> {
        let op = elbv2("SetSecurityGroups");
        let request = self.cloud.write().elbv2.set_security_groups().load_balancer_arn(arn);
        let request = request.set_security_groups(Some(self.ids(op, groups)?));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn set_subnets(&self, arn: &str, subnets: Vec<SubnetMapping>) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.set_subnets().load_balancer_arn(arn);
        let request = request.set_subnet_mappings(some(subnets));
        self.send(elbv2("SetSubnets"), || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn set_ip_address_type(&self, arn: &str, kind: IpAddressType) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.set_ip_address_type().load_balancer_arn(arn);
        let request = request.ip_address_type(kind.as_str().into());
        self.send(elbv2("SetIpAddressType"), || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn modify_ip_pools(&self, arn: &str, pool: Option<&str>) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.modify_ip_pools().load_balancer_arn(arn);
        let request = match pool {
            Some(pool) => request.ipam_pools(write::ipam_pools(pool)),
            None => request.remove_ipam_pools(RemoveIpamPoolEnum::Ipv4),
        };
        self.send(elbv2("ModifyIpPools"), || request.clone().send()).await.map(|_| ())
    }

    /// Deletion protection is honoured, whoever switched it on: it is an error and stays.
    pub(super) async fn delete_load_balancer(&self, arn: &str) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.delete_load_balancer().load_balancer_arn(arn);
        gone_is_fine(self.send(elbv2("DeleteLoadBalancer"), || request.clone().send()).await)
    }

    pub(super) async fn add_tags(&self, resource: &Ref, tags: &Tags) -> Result<(), CloudError> {
        let op = elbv2("AddTags");
        let arn = self.names(op).resolve(resource)?;
        let request = self.cloud.write().elbv2.add_tags().resource_arns(arn).set_tags(write::tags(tags));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn remove_tags(&self, arn: &str, keys: &[String]) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.remove_tags().resource_arns(arn).set_tag_keys(Some(keys.to_vec()));
        self.send(elbv2("RemoveTags"), || request.clone().send()).await.map(|_| ())
    }
}
