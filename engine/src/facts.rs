//! Facts about the AWS account, each kind with the time when it was read.

mod filter;
mod published;
mod quota;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stack::{Tags, TargetGroupTraits};

pub use filter::passes;
pub use published::{FORM, Published};
pub use quota::{Limit, Quota};

/// Free addresses that a subnet of a load balancer needs:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer>.
pub const FREE_ADDRESSES: i64 = 8;

/// Facts of one kind and the time when they were read. "Never read" is not the same as "none exist".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aged<T> {
    /// The facts.
    pub value: T,
    /// When they were read.
    pub read_at: Timestamp,
}

impl<T> Aged<T> {
    /// How long ago they were read; zero if the clock was set back.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        age(self.read_at, now)
    }
}

/// How long ago something was read; zero if the clock was set back.
#[must_use]
pub fn age(read_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(read_at)).unwrap_or_default()
}

/// What is known of the account in one region. `None`: never read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Region, `eu-central-1`.
    pub region: Option<String>,
    /// The VPC of the cluster.
    pub vpc_id: Option<String>,
    /// CIDR blocks associated with the VPC.
    pub vpc_cidrs: Option<Aged<Vec<String>>>,
    /// Subnets of the VPC, and subnets of other VPCs that an Ingress names by id.
    pub subnets: Option<Aged<Vec<Subnet>>>,
    /// Issued certificates.
    pub certificates: Option<Aged<Vec<Certificate>>>,
    /// Security groups of the VPC.
    pub security_groups: Option<Aged<Vec<SecurityGroupFact>>>,
    /// ARNs of target groups by name, for actions that name a target group that is not ours.
    pub target_group_names: Option<Aged<BTreeMap<String, String>>>,
    /// The immutable properties of the target groups of the region, by ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_groups: Option<Aged<BTreeMap<String, TargetGroupTraits>>>,
    /// ARNs of the region's web ACLs by name (scope REGIONAL).
    pub web_acls: Option<Aged<BTreeMap<String, String>>>,
    /// ARNs of trust stores by name.
    pub trust_stores: Option<Aged<BTreeMap<String, String>>>,
    /// The most entries of prefix lists by id: a rule with the list counts as so many rules of its security group
    /// (<https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html>).
    pub prefix_lists: Option<Aged<BTreeMap<String, i64>>>,
    /// Whether the account is subscribed to Shield Advanced.
    pub shield_subscribed: Option<Aged<bool>>,
    /// Limits of Elastic Load Balancing by AWS's name for them (`rules-per-application-load-balancer`):
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeAccountLimits.html>.
    pub account_limits: Option<Aged<BTreeMap<String, i64>>>,
}

impl Facts {
    /// The limit of the account for a quota: as read from AWS, else the documented default.
    #[must_use]
    pub fn limit(&self, quota: Quota, now: Timestamp) -> Limit {
        let known = self.account_limits.as_ref();
        let known = known.and_then(|limits| Some((*limits.value.get(quota.name())?, limits.age(now))));
        match known.map(|(max, age)| (u64::try_from(max).unwrap_or_default(), age)) {
            Some((max, age)) => Limit { max, age: Some(age), firm: true },
            None => Limit { max: quota.default(), age: None, firm: !quota.is_adjustable() },
        }
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Name of the availability zone, `eu-central-1a`.
    pub zone: String,
    /// `availability-zone`, `local-zone`, `wavelength-zone`, or `outpost`.
    pub locale: String,
    /// Free addresses.
    pub free_addresses: i64,
    /// Whether it has an IPv6 block.
    pub ipv6: bool,
    /// Whether its route table has a route to an internet gateway; `None`: unknown.
    pub public: Option<bool>,
    /// Tags.
    pub tags: Tags,
}

/// A certificate of ACM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// ARN.
    pub arn: String,
    /// `ISSUED`, `EXPIRED`, …
    pub status: String,
    /// Domain names it covers, `*.example.com` included.
    pub domains: Vec<String>,
    /// The private CA that issued it, if any.
    pub certificate_authority: Option<String>,
}

/// A security group of the VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupFact {
    /// `sg-…`.
    pub id: String,
    /// Group name.
    pub name: String,
    /// Tags.
    pub tags: Tags,
}
