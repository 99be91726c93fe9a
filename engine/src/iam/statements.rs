//! The statements of the policies: what each is for, and on which conditions it allows.

use std::collections::BTreeSet;

use super::Purpose;

/// One statement. Its actions and resources are those of the rows of [`super::ACTIONS`] that name it.
#[derive(Debug)]
pub struct Statement {
    /// Its name in the policy.
    pub sid: &'static str,
    /// The policy that it belongs to.
    pub purpose: Purpose,
    /// All of them have to be met.
    pub conditions: &'static [Condition],
}

/// A type of resource that an action may be restricted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// Application and Network Load Balancers.
    LoadBalancer,
    /// Application Load Balancers alone.
    Alb,
    /// Target groups.
    TargetGroup,
    /// Listeners.
    Listener,
    /// Rules of Application Load Balancers.
    Rule,
    /// Load balancers, listeners and rules, in one.
    PartOfLoadBalancer,
    /// Security groups.
    SecurityGroup,
    /// The VPC.
    Vpc,
    /// Web ACLs of `WAFv2`.
    WebAcl,
    /// Web ACLs of WAF Classic.
    ClassicWebAcl,
    /// The service-linked role of Elastic Load Balancing.
    ServiceLinkedRole,
}

impl ResourceType {
    /// The same types in fewer patterns, because AWS limits the length of a policy.
    pub(super) fn in_short(mut types: BTreeSet<Self>) -> BTreeSet<Self> {
        let parts = [Self::LoadBalancer, Self::Listener, Self::Rule];
        if parts.iter().all(|part| types.contains(part)) {
            types.retain(|one| !parts.contains(one));
            types.insert(Self::PartOfLoadBalancer);
        }
        types
    }

    /// The patterns of its ARNs in a partition.
    pub(super) fn arns(self, partition: &str, vpc: Option<&str>) -> Vec<String> {
        let elb = "elasticloadbalancing:*:*:";
        let (service, resources): (&str, &[&str]) = match self {
            Self::LoadBalancer => (elb, &["loadbalancer/app/*", "loadbalancer/net/*"]),
            Self::Listener => (elb, &["listener/app/*", "listener/net/*"]),
            Self::Rule => (elb, &["listener-rule/app/*"]),
            Self::PartOfLoadBalancer => (elb, &["*/app/*", "*/net/*"]),
            Self::Alb => (elb, &["loadbalancer/app/*"]),
            Self::TargetGroup => (elb, &["targetgroup/*"]),
            Self::SecurityGroup => ("ec2:*:*:", &["security-group/*"]),
            Self::Vpc => return vec![format!("arn:{partition}:ec2:*:*:vpc/{}", vpc.unwrap_or("*"))],
            Self::WebAcl => ("wafv2:*:*:", &["regional/webacl/*"]),
            Self::ClassicWebAcl => ("waf-regional:*:*:", &["webacl/*"]),
            Self::ServiceLinkedRole => ("iam::*:", &["role/aws-service-role/elasticloadbalancing.amazonaws.com/*"]),
        };
        resources.iter().map(|resource| format!("arn:{partition}:{service}{resource}")).collect()
    }
}

/// A condition of a statement.
#[derive(Debug, Clone, Copy)]
pub enum Condition {
    /// The request gives the resource the cluster's tag.
    GivesClusterTag,
    /// The resource has the cluster's tag.
    HasClusterTag,
    /// The resource has no cluster's tag.
    HasNoClusterTag,
    /// The resource has the cluster's tag of LBC's version 1.
    HasOldClusterTag,
    /// The tags that the request sets or removes are others than the cluster's.
    LeavesClusterTag,
    /// The request sets or removes tags. Without this, [`Self::LeavesClusterTag`] is met by a request that AWS has no keys of.
    NamesTags,
    /// The tags are those of a resource of Elastic Load Balancing that is created.
    CreatesInElb,
    /// The tags are those of a security group that is created.
    CreatesSecurityGroup,
    /// The security group belongs to the VPC.
    InVpc,
    /// The service-linked role is that of Elastic Load Balancing.
    ForElb,
}

/// Operator, key, values.
type Test<'a> = (&'static str, &'static str, Vec<&'a str>);

const TAG: &str = "elbv2.k8s.aws/cluster";
const IN_REQUEST: &str = "aws:RequestTag/elbv2.k8s.aws/cluster";
const ON_RESOURCE: &str = "aws:ResourceTag/elbv2.k8s.aws/cluster";
/// <https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/main/docs/deploy/upgrade/migrate_v1_v2.md>
const ON_RESOURCE_OF_VERSION_1: &str = "aws:ResourceTag/ingress.k8s.aws/cluster";

impl Condition {
    /// What is tested: for one cluster that a tag has its name, for any that there is the tag. Without a VPC there is nothing to test of it.
    pub(super) fn test<'a>(self, cluster: Option<&'a str>, vpc: Option<&'a str>) -> Option<Test<'a>> {
        let named = |key| match cluster {
            Some(name) => ("StringEquals", key, vec![name]),
            None => ("Null", key, vec!["false"]),
        };
        Some(match self {
            Self::GivesClusterTag => named(IN_REQUEST),
            Self::HasClusterTag => named(ON_RESOURCE),
            Self::HasNoClusterTag => ("Null", ON_RESOURCE, vec!["true"]),
            Self::HasOldClusterTag => named(ON_RESOURCE_OF_VERSION_1),
            Self::LeavesClusterTag => ("ForAllValues:StringNotEquals", "aws:TagKeys", vec![TAG]),
            Self::NamesTags => ("Null", "aws:TagKeys", vec!["false"]),
            Self::CreatesInElb => (
                "StringEquals",
                "elasticloadbalancing:CreateAction",
                vec!["CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule"],
            ),
            Self::CreatesSecurityGroup => ("StringEquals", "ec2:CreateAction", vec!["CreateSecurityGroup"]),
            Self::InVpc => ("ArnLike", "ec2:Vpc", vec![vpc?]),
            Self::ForElb => ("StringEquals", "iam:AWSServiceName", vec!["elasticloadbalancing.amazonaws.com"]),
        })
    }
}

use Condition::{
    CreatesInElb, CreatesSecurityGroup, ForElb, GivesClusterTag, HasClusterTag, HasNoClusterTag, HasOldClusterTag,
    InVpc, LeavesClusterTag, NamesTags,
};
use Purpose::{Run, TagUntagged};

/// All statements. What each is for stands in `docs/iam.md`, under its name.
pub const STATEMENTS: &[Statement] = &[
    of("ServiceLinkedRoleOfElb", Run, &[ForElb]),
    of("Read", Run, &[]),
    of("ReadByAwsInOurName", Run, &[]),
    of("CreateSecurityGroupInVpc", Run, &[]),
    of("CreateTagged", Run, &[GivesClusterTag]),
    of("TagSecurityGroupOnCreate", Run, &[CreatesSecurityGroup, GivesClusterTag]),
    of("TagOnCreate", Run, &[CreatesInElb, GivesClusterTag]),
    of("RetagWhatIsOurs", Run, &[HasClusterTag, LeavesClusterTag, NamesTags]),
    of("ChangeWhatIsOurs", Run, &[HasClusterTag]),
    of("RulesOfSecurityGroupsInVpc", Run, &[InVpc]),
    of("TargetsOfAnyTargetGroup", Run, &[]),
    of("WebAclsAssociate", Run, &[]),
    of("WebAclsAndShield", Run, &[]),
    of("TagListenersAndRulesWithoutTag", TagUntagged, &[HasNoClusterTag, GivesClusterTag]),
    of("TagWhatVersion1Made", TagUntagged, &[HasNoClusterTag, HasOldClusterTag, GivesClusterTag]),
];

const fn of(sid: &'static str, purpose: Purpose, conditions: &'static [Condition]) -> Statement {
    Statement { sid, purpose, conditions }
}
