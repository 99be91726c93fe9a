//! Load balancers.

use albedo_engine::stack::{Attributes, LoadBalancer, Ref};
use aws_sdk_elasticloadbalancingv2::types::{IpamPools, RemoveIpamPoolEnum};

use super::{Applied, CloudError, Writing, done, send};
use crate::cloud::convert::write::{self, some};
use crate::cloud::error::need;
use crate::cloud::unlisted;

/// Most attributes of a load balancer that one call takes:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyLoadBalancerAttributes.html>.
const ATTRIBUTES_A_CALL: usize = 20;

impl Writing<'_> {
    pub(super) async fn create_load_balancer(&self, is: &LoadBalancer) -> Result<Applied, CloudError> {
        unlisted::subnets(self.call.name, &is.subnets)?;
        let request = self
            .cloud
            .write()
            .elbv2
            .create_load_balancer()
            .name(&is.name)
            .r#type(is.kind.as_str().into())
            .scheme(is.scheme.as_str().into())
            .ip_address_type(is.ip_address_type.as_str().into())
            .set_subnet_mappings(some(write::subnets(&is.subnets, &is.allocation_ids)))
            .set_security_groups(some(self.security_groups(&is.security_groups)?))
            .set_tags(write::tags(&is.tags))
            .set_customer_owned_ipv4_pool(is.pools.customer_owned.clone())
            .set_ipam_pools(is.pools.public.as_deref().map(ipam_pools));
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
                .set_ipam_pools(pool.map(ipam_pools))
                .set_remove_ipam_pools(remove)
        )
        .map(done)
    }
}

fn ipam_pools(pool: &str) -> IpamPools {
    IpamPools::builder().ipv4_ipam_pool_id(pool).build()
}
