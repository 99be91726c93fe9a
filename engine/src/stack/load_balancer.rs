//! An Application Load Balancer: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Attributes, Ref, ResourceId, Tags};

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

/// Which of the two load balancers of a group it is. AWS calls it the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadBalancerKind {
    /// An Application Load Balancer, which answers requests by rules.
    Application,
    /// The Network Load Balancer in front of it.
    Network,
}

impl LoadBalancerKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Application, Self::Network];

    /// As AWS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Network => "network",
        }
    }

    /// The load balancer of this kind in a stack.
    #[must_use]
    pub fn resource(self) -> ResourceId {
        match self {
            Self::Application => ResourceId::load_balancer(),
            Self::Network => ResourceId::nlb(),
        }
    }
}

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// ALB or NLB.
    pub kind: LoadBalancerKind,
    /// Birth-only: ≤ 32 characters, of an ALB with a hash of group and scheme, of an NLB the ALB's with `-nlb`. Never compared.
    pub name: String,
    /// A change replaces the load balancer.
    pub scheme: Scheme,
    /// IPv4 or both.
    pub ip_address_type: IpAddressType,
    /// Subnet ids, one a zone, sorted.
    pub subnets: Vec<String>,
    /// Birth-only: the elastic addresses (`eipalloc-…`) of an NLB, by subnet. AWS gives an address of its own to the others.
    pub allocation_ids: BTreeMap<String, String>,
    /// Security groups, in the order they were given.
    pub security_groups: Vec<Ref>,
    /// Pools of its addresses; an NLB has none.
    pub pools: AddressPools,
    /// Desired: those that are asked for. Observed: all.
    pub attributes: Attributes,
    /// Tags, tracking ones included.
    pub tags: Tags,
}

/// The pools that addresses of a load balancer come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPools {
    /// Birth-only: customer-owned addresses of an Outpost.
    pub customer_owned: Option<String>,
    /// Public IPv4 addresses, from IPAM.
    pub public: Option<String>,
}

impl AddressPools {
    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        [&self.customer_owned, &self.public].into_iter().flatten()
    }
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
}
