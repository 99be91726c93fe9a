//! Reads of `ELBv2` and of security groups that more than one reader needs, paged and in chunks.

use std::collections::{BTreeMap, BTreeSet};

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::{SHARED_RESOURCE_TAG, STACK_TAG, Tags, TargetGroupTraits};
use aws_sdk_ec2::types::SecurityGroup;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer, TargetGroup};
use futures::future::{try_join, try_join_all};

use super::Cloud;
use super::call::paged;
use super::convert::ec2::filter;
use super::convert::write::some;
use super::error::{CloudError, need};

/// Resources that AWS takes in one `DescribeTags`, `DescribeLoadBalancers` or `DescribeTargetGroups`.
const CHUNK: usize = 20;
/// Values that AWS takes in one filter of EC2.
pub(super) const FILTER_VALUES: usize = 200;
/// Security groups in a page. One with 60 permissions has 15 KiB.
const SECURITY_GROUPS: i32 = 100;

impl Cloud {
    /// Load balancers by ARN, or all of the region. One that is not there fails the call.
    pub(super) async fn describe_load_balancers(&self, arns: Vec<String>) -> Result<Vec<LoadBalancer>, CloudError> {
        paged("DescribeLoadBalancers", |marker| async {
            let request = self.read().elbv2.describe_load_balancers().set_marker(marker);
            let request = request.set_load_balancer_arns(some(arns.clone()));
            let page = self.call(ApiService::Elbv2.call("DescribeLoadBalancers"), request.send()).await?;
            Ok((page.load_balancers, page.next_marker))
        })
        .await
    }

    /// Target groups by ARN, or all of the region. One that is not there fails the call.
    pub(super) async fn describe_target_groups(&self, arns: Vec<String>) -> Result<Vec<TargetGroup>, CloudError> {
        paged("DescribeTargetGroups", |marker| async {
            let request = self.read().elbv2.describe_target_groups().set_marker(marker);
            let request = request.set_target_group_arns(some(arns.clone()));
            let page = self.call(ApiService::Elbv2.call("DescribeTargetGroups"), request.send()).await?;
            Ok((page.target_groups, page.next_marker))
        })
        .await
    }

    /// ARNs of all load balancers and target groups of the region.
    ///
    /// # Errors
    ///
    /// One of the two cannot be listed.
    pub async fn listed_arns(&self) -> Result<BTreeSet<String>, CloudError> {
        let lists = try_join(self.describe_load_balancers(Vec::new()), self.describe_target_groups(Vec::new()));
        let (balancers, groups) = lists.await?;
        let balancers = balancers.into_iter().filter_map(|one| one.load_balancer_arn);
        Ok(balancers.chain(groups.into_iter().filter_map(|one| one.target_group_arn)).collect())
    }

    /// What a target group cannot change, and its tags.
    ///
    /// # Errors
    ///
    /// `NotFound` when it is not there.
    pub async fn target_group(&self, arn: &str) -> Result<(TargetGroupTraits, Tags), CloudError> {
        let arns = vec![arn.to_owned()];
        let (groups, mut tags) = try_join(self.describe_target_groups(arns.clone()), self.tags_of(arns)).await?;
        let group = need("DescribeTargetGroups", "TargetGroups", groups.first())?;
        Ok((albedo_elbv2::traits(group), tags.remove(arn).unwrap_or_default()))
    }

    /// The ARN of the target group of a name.
    ///
    /// # Errors
    ///
    /// `NotFound` when no target group has it.
    pub async fn target_group_arn(&self, name: &str) -> Result<String, CloudError> {
        let request = self.read().elbv2.describe_target_groups().names(name);
        let answer = self.call(ApiService::Elbv2.call("DescribeTargetGroups"), request.send()).await?;
        let first = answer.target_groups.into_iter().flatten().next();
        need("DescribeTargetGroups", "TargetGroupArn", first.and_then(|group| group.target_group_arn))
    }

    /// The VPC of the cluster, `vpc-…`.
    #[must_use]
    pub fn vpc_id(&self) -> &str {
        &self.config().vpc_id
    }

    /// Those of the load balancers that are there.
    pub(super) async fn existing_load_balancers(&self, arns: Vec<String>) -> Result<Vec<LoadBalancer>, CloudError> {
        existing(arns, |arns| self.describe_load_balancers(arns)).await
    }

    /// Those of the target groups that are there.
    pub(super) async fn existing_target_groups(&self, arns: Vec<String>) -> Result<Vec<TargetGroup>, CloudError> {
        existing(arns, |arns| self.describe_target_groups(arns)).await
    }

    /// Tags by ARN of load balancers, target groups, listeners and rules; those that are gone are left out.
    pub(super) async fn tags_of(&self, arns: Vec<String>) -> Result<BTreeMap<String, Tags>, CloudError> {
        let described = existing(arns, |arns| async {
            let request = self.read().elbv2.describe_tags().set_resource_arns(Some(arns));
            let answer = self.call(ApiService::Elbv2.call("DescribeTags"), request.send()).await?;
            Ok(answer.tag_descriptions.unwrap_or_default())
        })
        .await?;
        Ok(described
            .into_iter()
            .filter_map(|one| Some((one.resource_arn.clone()?, albedo_elbv2::tags(one.tags()))))
            .collect())
    }

    /// Security groups of the VPC with tags of any stack, or of what a cluster's stacks share.
    pub(super) async fn stack_security_groups(&self) -> Result<Vec<SecurityGroup>, CloudError> {
        let keys = vec![STACK_TAG.to_owned(), SHARED_RESOURCE_TAG.to_owned()];
        self.describe_security_groups(vec![
            filter("vpc-id", vec![self.config().vpc_id.clone()]),
            filter("tag-key", keys),
        ])
        .await
    }

    /// Those of the security groups that are there.
    pub(super) async fn security_groups_by_id(&self, ids: &[String]) -> Result<Vec<SecurityGroup>, CloudError> {
        let chunks =
            ids.chunks(FILTER_VALUES).map(|ids| self.describe_security_groups(vec![filter("group-id", ids.to_vec())]));
        Ok(try_join_all(chunks).await?.into_iter().flatten().collect())
    }

    pub(super) async fn describe_security_groups(
        &self,
        filters: Vec<aws_sdk_ec2::types::Filter>,
    ) -> Result<Vec<SecurityGroup>, CloudError> {
        paged("DescribeSecurityGroups", |token| async {
            let request = self.read().ec2.describe_security_groups().set_filters(Some(filters.clone()));
            let page = self
                .call(
                    ApiService::Ec2.call("DescribeSecurityGroups"),
                    request.set_next_token(token).max_results(SECURITY_GROUPS).send(),
                )
                .await?;
            Ok((page.security_groups, page.next_token))
        })
        .await
    }
}

/// Reads in chunks. AWS refuses a chunk of which one member is gone; its members are then read one by one.
//
// Futures that are named by a type, not async closures: those of [`AsyncFn`] cannot be sent between threads.
async fn existing<T, R>(arns: Vec<String>, read: impl Fn(Vec<String>) -> R) -> Result<Vec<T>, CloudError>
where
    R: Future<Output = Result<Vec<T>, CloudError>>,
{
    let chunks: Vec<_> = arns.chunks(CHUNK).map(<[String]>::to_vec).collect();
    let read = &read;
    let chunks = chunks.into_iter().map(|chunk| async move {
        match read(chunk.clone()).await {
            Err(CloudError::NotFound(_)) => one_by_one(chunk, read).await,
            done => done,
        }
    });
    Ok(try_join_all(chunks).await?.into_iter().flatten().collect())
}

async fn one_by_one<T, R>(arns: Vec<String>, read: impl Fn(Vec<String>) -> R) -> Result<Vec<T>, CloudError>
where
    R: Future<Output = Result<Vec<T>, CloudError>>,
{
    let mut found = Vec::new();
    for arn in arns {
        match read(vec![arn]).await {
            Ok(read) => found.extend(read),
            Err(CloudError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
