//! An Application Load Balancer: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Attributes, FrontendNlb, Ref, Tags};

/// Whether the load balancer is reached from the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Private addresses.
    Internal,
    /// Public addresses.
    InternetFacing,
}

impl Scheme {
    /// Both, as AWS writes them.
    pub const ALL: [&'static str; 2] = ["internal", "internet-facing"];

    /// As AWS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::InternetFacing => "internet-facing",
        }
    }

    /// From AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Internal, Self::InternetFacing].into_iter().find(|scheme| scheme.as_str() == text)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which addresses the load balancer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpAddressType {
    /// IPv4 alone.
    Ipv4,
    /// IPv4 and IPv6.
    Dualstack,
    /// IPv6 public, IPv4 private.
    DualstackWithoutPublicIpv4,
}

impl IpAddressType {
    /// All, as AWS writes them.
    pub const ALL: [&'static str; 3] = ["ipv4", "dualstack", "dualstack-without-public-ipv4"];

    /// As AWS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Dualstack => "dualstack",
            Self::DualstackWithoutPublicIpv4 => "dualstack-without-public-ipv4",
        }
    }

    /// From AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ipv4, Self::Dualstack, Self::DualstackWithoutPublicIpv4].into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether it has IPv6 addresses.
    #[must_use]
    pub fn is_dualstack(self) -> bool {
        self != Self::Ipv4
    }
}

/// State of a load balancer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadBalancerState {
    /// Being set up; it has a DNS name already.
    Provisioning,
    /// Routes traffic.
    Active,
    /// Routes traffic, but lacks resources to scale.
    ActiveImpaired,
    /// Could not be set up.
    Failed,
}

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Birth-only: ≤ 32 characters, hashes the group and the scheme. Never compared.
    pub name: String,
    /// A change replaces the load balancer.
    pub scheme: Scheme,
    /// IPv4 or both.
    pub ip_address_type: IpAddressType,
    /// Subnet ids, one a zone, sorted.
    pub subnets: Vec<String>,
    /// Security groups, in the order they were given.
    pub security_groups: Vec<Ref>,
    /// Birth-only: the pool of customer-owned addresses of an Outpost.
    pub customer_owned_ipv4_pool: Option<String>,
    /// IPAM pool of public IPv4 addresses.
    pub ipv4_ipam_pool_id: Option<String>,
    /// Desired: those that are asked for. Observed: all.
    pub attributes: Attributes,
    /// Tags, tracking ones included.
    pub tags: Tags,
}

/// What a load balancer cannot change while it lives. Its resource id and this are what identifies it: of the same id and
/// another generation is the one that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadBalancerGeneration(Scheme);

impl LoadBalancer {
    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> LoadBalancerGeneration {
        LoadBalancerGeneration(self.scheme)
    }

    /// The pools that its addresses come from.
    pub fn pools(&self) -> impl Iterator<Item = &String> {
        [&self.customer_owned_ipv4_pool, &self.ipv4_ipam_pool_id].into_iter().flatten()
    }
}

impl FrontendNlb {
    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> LoadBalancerGeneration {
        LoadBalancerGeneration(self.scheme)
    }
}
