//! Security groups and the permissions they carry:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html>.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Ref, Tags};

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Birth-only.
    pub name: String,
    /// Birth-only.
    pub description: String,
    /// Who may come in.
    pub ingress: BTreeSet<Permission>,
    /// Tags, tracking ones included.
    pub tags: Tags,
}

/// One permission: a range of ports from one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Permission {
    /// `tcp`, `udp`, or `-1` for all.
    pub protocol: String,
    /// First and last port; `None` with protocol `-1`.
    pub ports: Option<(u16, u16)>,
    /// From where.
    pub source: PeerSource,
    /// Description of the rule; not part of what is compared on managed groups.
    pub description: Option<String>,
}

impl Permission {
    /// What AWS tells permissions apart by: all but the description, and of a block the network that it stands for
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html>).
    #[must_use]
    pub fn meaning(&self) -> Self {
        let source = match &self.source {
            PeerSource::Ipv4(text) => PeerSource::Ipv4(network(text)),
            PeerSource::Ipv6(text) => PeerSource::Ipv6(network(text)),
            other @ (PeerSource::PrefixList(_) | PeerSource::SecurityGroup(_)) => other.clone(),
        };
        Self { source, description: None, ..self.clone() }
    }
}

/// A block as AWS writes it: without the bits of hosts, IPv6 in its short form and lower case. What is none stays as it is.
#[must_use]
pub fn network(text: &str) -> String {
    text.parse::<IpNet>().map_or_else(|_| text.to_owned(), |block| block.trunc().to_string())
}

/// Where a permission's traffic comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PeerSource {
    /// An IPv4 block, as text.
    Ipv4(String),
    /// An IPv6 block, as text.
    Ipv6(String),
    /// A managed prefix list (`pl-…`).
    PrefixList(String),
    /// Another security group.
    SecurityGroup(Ref),
}

impl fmt::Display for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(text) | Self::Ipv6(text) | Self::PrefixList(text) => f.write_str(text),
            Self::SecurityGroup(group) => group.fmt(f),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ports {
            Some((from, to)) if from == to => write!(f, "{} {from} from {}", self.protocol, self.source),
            Some((from, to)) => write!(f, "{} {from}-{to} from {}", self.protocol, self.source),
            None => write!(f, "all from {}", self.source),
        }
    }
}
