//! Which writes AWS allows, asked without a change: EC2 checks a request with `DryRun` and does nothing else
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html>). Elastic Load Balancing has no such thing.

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::CLUSTER_TAG;
use aws_sdk_ec2::types::{IpPermission, ResourceType, Tag, TagSpecification, UserIdGroupPair};

use super::Cloud;
use super::error::CloudError;

/// The code with which EC2 says that it would have done it.
const ALLOWED: &str = "DryRunOperation";

impl Cloud {
    /// Actions of EC2, each with `Ok` if these credentials may do it. `group` is a security group (`sg-…`) of targets; without one,
    /// only the creation of a security group is tried.
    pub async fn dry_run(&self, group: Option<&str>) -> Vec<(&'static str, Result<(), CloudError>)> {
        let mut tried = vec![("ec2:CreateSecurityGroup", self.dry_create().await)];
        if let Some(group) = group {
            tried.push(("ec2:AuthorizeSecurityGroupIngress", self.dry_authorize(group).await));
            tried.push(("ec2:RevokeSecurityGroupIngress", self.dry_revoke(group).await));
        }
        tried
    }

    async fn dry_create(&self) -> Result<(), CloudError> {
        let tag = Tag::builder().key(CLUSTER_TAG).value(&self.config().cluster_name).build();
        let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroup).tags(tag).build();
        let request = self.read().ec2.create_security_group().dry_run(true).group_name("albedo-preflight");
        let request = request.description("not created: a dry run").vpc_id(&self.config().vpc_id);
        allowed(self.call(ApiService::Ec2.call("CreateSecurityGroup"), request.tag_specifications(tags).send()).await)
    }

    async fn dry_authorize(&self, group: &str) -> Result<(), CloudError> {
        let request = self.read().ec2.authorize_security_group_ingress().dry_run(true).group_id(group);
        let request = request.ip_permissions(permission(group));
        allowed(self.call(ApiService::Ec2.call("AuthorizeSecurityGroupIngress"), request.send()).await)
    }

    async fn dry_revoke(&self, group: &str) -> Result<(), CloudError> {
        let request = self.read().ec2.revoke_security_group_ingress().dry_run(true).group_id(group);
        let request = request.ip_permissions(permission(group));
        allowed(self.call(ApiService::Ec2.call("RevokeSecurityGroupIngress"), request.send()).await)
    }
}

/// A permission from a group to itself.
fn permission(group: &str) -> IpPermission {
    let source = UserIdGroupPair::builder().group_id(group).build();
    IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443).user_id_group_pairs(source).build()
}

fn allowed<T>(answer: Result<T, CloudError>) -> Result<(), CloudError> {
    match answer {
        Err(error) if error.code() == ALLOWED => Ok(()),
        answer => answer.map(drop),
    }
}
