//! Security groups.

use albedo_engine::stack::{Permission, Ref, SecurityGroup, Tags};
use aws_sdk_ec2::types::{IpPermission, ResourceType, Tag, TagSpecification};

use super::{Applied, CloudError, Writing, gone_is_fine};
use crate::cloud::call::ec2;
use crate::cloud::convert::ec2::{permissions_to_aws, tags_to_aws};
use crate::cloud::error::need;

impl Writing<'_> {
    pub(super) async fn create_security_group(&self, is: &SecurityGroup) -> Result<Applied, CloudError> {
        let op = ec2("CreateSecurityGroup");
        // In the call itself: the IAM policy allows creating only with the cluster's tag.
        let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroup);
        let request = self
            .cloud
            .write()
            .ec2
            .create_security_group()
            .group_name(&is.name)
            .description(&is.description)
            .vpc_id(&self.cloud.config().vpc_id)
            .tag_specifications(tags.set_tags(Some(tags_to_aws(&is.tags))).build());
        let answer = self.send(op, || request.clone().send()).await?;
        Ok(Applied { arn: Some(need(op.name, "GroupId", answer.group_id)?), dns_name: None })
    }

    pub(super) async fn authorize(&self, group: &Ref, permissions: &[Permission]) -> Result<(), CloudError> {
        let op = ec2("AuthorizeSecurityGroupIngress");
        let names = self.names(op);
        let (id, all) = (names.resolve(group)?, permissions_to_aws(permissions, &names)?);
        let send = |some: Vec<IpPermission>| async move {
            let request =
                self.cloud.write().ec2.authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(some));
            self.send(op, || request.clone().send()).await.map(|_| ())
        };
        each_unless(all, |error| matches!(error, CloudError::AlreadyExists(_)), send).await
    }

    pub(super) async fn revoke(&self, group: &Ref, permissions: &[Permission]) -> Result<(), CloudError> {
        let op = ec2("RevokeSecurityGroupIngress");
        let names = self.names(op);
        let (id, all) = (names.resolve(group)?, permissions_to_aws(permissions, &names)?);
        let send = |some: Vec<IpPermission>| async move {
            let request =
                self.cloud.write().ec2.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(some));
            self.send(op, || request.clone().send()).await.map(|_| ())
        };
        each_unless(all, |error| error.code() == "InvalidPermission.NotFound", send).await
    }

    pub(super) async fn tag_security_group(&self, group: &Ref, tags: &Tags) -> Result<(), CloudError> {
        let op = ec2("CreateTags");
        let id = self.names(op).resolve(group)?.to_owned();
        let request = self.cloud.write().ec2.create_tags().resources(id).set_tags(Some(tags_to_aws(tags)));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn untag_security_group(&self, group: &Ref, keys: &[String]) -> Result<(), CloudError> {
        let op = ec2("DeleteTags");
        let id = self.names(op).resolve(group)?.to_owned();
        // A key without a value: whatever its value is.
        let tags = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
        let request = self.cloud.write().ec2.delete_tags().resources(id).set_tags(Some(tags));
        self.send(op, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn delete_security_group(&self, group: &str) -> Result<(), CloudError> {
        let request = self.cloud.write().ec2.delete_security_group().group_id(group);
        gone_is_fine(self.send(ec2("DeleteSecurityGroup"), || request.clone().send()).await)
    }
}

/// Sends all permissions in one call. AWS refuses the whole call for one that `is_done` already, so that they then go one
/// by one, and those that are done are passed over.
async fn each_unless<S>(
    all: Vec<IpPermission>,
    is_done: impl Fn(&CloudError) -> bool,
    send: impl Fn(Vec<IpPermission>) -> S,
) -> Result<(), CloudError>
where
    S: Future<Output = Result<(), CloudError>>,
{
    match send(all.clone()).await {
        Err(error) if is_done(&error) => {}
        done => return done,
    }
    if all.len() == 1 {
        return Ok(());
    }
    for one in all {
        match send(vec![one]).await {
            Err(error) if !is_done(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
