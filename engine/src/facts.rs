//! What is known of the AWS account, each kind of fact with the time it was read.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stack::Tags;

/// Facts of one kind and when they were read; never read is not the same as none there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aged<T> {
    /// The facts.
    pub value: T,
    /// When AWS said so.
    pub read_at: Timestamp,
}

impl<T> Aged<T> {
    /// How long ago they were read; zero if the clock went back.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.read_at)).unwrap_or_default()
    }
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
    /// Subnets of the VPC, and those of other VPCs that were asked for by id.
    pub subnets: Option<Aged<Vec<Subnet>>>,
    /// Issued certificates.
    pub certificates: Option<Aged<Vec<Certificate>>>,
    /// Security groups of the VPC.
    pub security_groups: Option<Aged<Vec<SecurityGroupFact>>>,
    /// Target groups by name, for actions that name one which is not ours.
    pub target_group_names: Option<Aged<std::collections::BTreeMap<String, String>>>,
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
    /// Addresses left.
    pub free_addresses: i64,
    /// Has an IPv6 block.
    pub ipv6: bool,
    /// Its route table leads to an internet gateway; `None`: not known.
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
    /// The private authority that issued it, if one did.
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
