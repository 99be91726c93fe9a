//! Security groups.

use albedo_engine::stack::{Permission, Ref, SecurityGroup};
use aws_sdk_ec2::types::{IpPermission, ResourceType, TagSpecification};

use super::{Applied, CloudError, Writing, done, send};
use crate::cloud::convert::ec2::{permissions_to_aws, tags_to_aws};
use crate::cloud::error::need;

impl Writing<'_> {
    pub(super) async fn create_security_group(&self, is: &SecurityGroup) -> Result<Applied, CloudError> {
        // In the call itself: the IAM policy allows creating only with the cluster's tag.
        let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroup);
        let answer = send!(
            self,
            ec2.create_security_group()
                .group_name(&is.name)
                .description(&is.description)
                .vpc_id(&self.cloud.config().vpc_id)
                .tag_specifications(tags.set_tags(Some(tags_to_aws(&is.tags))).build())
        )?;
        Ok(Applied { arn: Some(need(self.call.name, "GroupId", answer.group_id)?), dns_name: None })
    }

    pub(super) async fn authorize(&self, group: &Ref, permissions: &[Permission]) -> Result<Applied, CloudError> {
        let (id, all) = (self.arn(group)?, permissions_to_aws(permissions, &self.names())?);
        let send = |some: Vec<IpPermission>| async move {
            send!(self, ec2.authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(some))).map(done)
        };
        each_unless(all, |error| matches!(error, CloudError::AlreadyExists(_)), send).await
    }

    pub(super) async fn revoke(&self, group: &Ref, permissions: &[Permission]) -> Result<Applied, CloudError> {
        let (id, all) = (self.arn(group)?, permissions_to_aws(permissions, &self.names())?);
        let send = |some: Vec<IpPermission>| async move {
            send!(self, ec2.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(some))).map(done)
        };
        each_unless(all, |error| error.code() == "InvalidPermission.NotFound", send).await
    }
}

/// Sends all permissions in one call. AWS refuses the whole call for one that `is_done` already, so that they then go one
/// by one, and those that are done are passed over.
async fn each_unless<S>(
    all: Vec<IpPermission>,
    is_done: impl Fn(&CloudError) -> bool,
    send: impl Fn(Vec<IpPermission>) -> S,
) -> Result<Applied, CloudError>
where
    S: Future<Output = Result<Applied, CloudError>>,
{
    match send(all.clone()).await {
        Err(error) if is_done(&error) => {}
        done => return done,
    }
    if all.len() == 1 {
        return Ok(Applied::default());
    }
    for one in all {
        match send(vec![one]).await {
            Err(error) if !is_done(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(Applied::default())
}
