//! Load balancers, and the tags of everything in `ELBv2`.

use albedo_engine::stack::{Attributes, IpAddressType, LoadBalancer, Ref, Tags};
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerTypeEnum, RemoveIpamPoolEnum};

use super::{Applied, CloudError, Writing, gone_is_fine};
use crate::cloud::call::elbv2;
use crate::cloud::convert::write::{self, some};
use crate::cloud::error::need;

impl Writing<'_> {
    pub(super) async fn create_load_balancer(&self, is: &LoadBalancer) -> Result<Applied, CloudError> {
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
            .r#type(LoadBalancerTypeEnum::Application)
            .scheme(is.scheme.as_str().into())
            .ip_address_type(is.ip_address_type.as_str().into())
            .set_subnet_mappings(some(write::subnets(&is.subnets)))
            .set_security_groups(some(groups))
            .set_customer_owned_ipv4_pool(is.customer_owned_ipv4_pool.clone())
            .set_ipam_pools(is.ipv4_ipam_pool_id.as_deref().map(write::ipam_pools))
            .set_tags(write::tags(&is.tags));
        let answer = self.send(op, || request.clone().send()).await?;
        let made = need(op.name, "LoadBalancers", answer.load_balancers.unwrap_or_default().into_iter().next())?;
        let arn = need(op.name, "LoadBalancerArn", made.load_balancer_arn)?;
        Ok(Applied { arn: Some(arn), dns_name: made.dns_name })
    }

    pub(super) async fn modify_load_balancer_attributes(
        &self,
        load_balancer: &Ref,
        attributes: &Attributes,
    ) -> Result<(), CloudError> {
        let op = elbv2("ModifyLoadBalancerAttributes");
        let request = self
            .cloud
            .write()
            .elbv2
            .modify_load_balancer_attributes()
            .load_balancer_arn(self.names(op).resolve(load_balancer)?)
            .set_attributes(write::load_balancer_attributes(attributes));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn set_security_groups(&self, arn: &str, groups: &[Ref]) -> Result<(), CloudError> {
        let op = elbv2("SetSecurityGroups");
        let names = self.names(op);
        let mut request = self.cloud.write().elbv2.set_security_groups().load_balancer_arn(arn);
        for group in groups {
            request = request.security_groups(names.resolve(group)?);
        }
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn set_subnets(&self, arn: &str, subnets: &[String]) -> Result<(), CloudError> {
        let request = self.cloud.write().elbv2.set_subnets().load_balancer_arn(arn);
        let request = request.set_subnet_mappings(some(write::subnets(subnets)));
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
