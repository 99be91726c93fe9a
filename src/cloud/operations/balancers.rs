//! Load balancers.

use albedo_engine::stack::{Attributes, IpAddressType, LoadBalancer, Ref, Scheme, Tags};
use aws_sdk_elasticloadbalancingv2::operation::create_load_balancer::builders::CreateLoadBalancerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerTypeEnum, RemoveIpamPoolEnum, SubnetMapping};

use super::{Applied, CloudError, Writing, done, send};
use crate::cloud::convert::write::{self, some};
use crate::cloud::error::need;
use crate::cloud::unlisted;

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
        unlisted::subnets(self.call.name, &is.subnets)?;
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
            .set_security_groups(some(self.security_groups(new.security_groups)?))
            .set_tags(write::tags(new.tags));
        let request = more(request);
        let answer = self.send(|| request.clone().send()).await?;
        let made = need(self.call.name, "LoadBalancers", answer.load_balancers.unwrap_or_default().into_iter().next())?;
        let arn = need(self.call.name, "LoadBalancerArn", made.load_balancer_arn)?;
        Ok(Applied { arn: Some(arn), dns_name: made.dns_name })
    }

    /// In parts: one call takes so many.
    pub(super) async fn modify_load_balancer_attributes(
        &self,
        load_balancer: &Ref,
        attributes: &Attributes,
    ) -> Result<Applied, CloudError> {
        let arn = self.arn(load_balancer)?;
        for some in write::at_most(attributes, ATTRIBUTES_A_CALL) {
            let some = write::load_balancer_attributes(&some);
            send!(self, elbv2.modify_load_balancer_attributes().load_balancer_arn(arn).set_attributes(some))?;
        }
        Ok(Applied::default())
    }

    pub(super) async fn modify_ip_pools(&self, arn: &str, pool: Option<&str>) -> Result<Applied, CloudError> {
        let remove = pool.is_none().then(|| vec![RemoveIpamPoolEnum::Ipv4]);
        send!(
            self,
            elbv2
                .modify_ip_pools()
                .load_balancer_arn(arn)
                .set_ipam_pools(pool.map(write::ipam_pools))
                .set_remove_ipam_pools(remove)
        )
        .map(done)
    }
}
