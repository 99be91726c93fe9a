//! The services of AWS that are called, and actions of their APIs.

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiService {
    /// Elastic Load Balancing, version 2.
    Elbv2,
    /// EC2: networks and security groups.
    Ec2,
    /// Certificates.
    Acm,
    /// Web ACLs.
    WafV2,
    /// Web ACLs of WAF Classic.
    WafRegional,
    /// Shield Advanced.
    Shield,
}

impl ApiService {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Elbv2, Self::Ec2, Self::Acm, Self::WafV2, Self::WafRegional, Self::Shield];

    /// The service's id as AWS's SDKs, flags and metrics write it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Elbv2 => "Elastic Load Balancing v2",
            Self::Ec2 => "EC2",
            Self::Acm => "ACM",
            Self::WafV2 => "WAFV2",
            Self::WafRegional => "WAF Regional",
            Self::Shield => "Shield",
        }
    }

    /// An action of it.
    #[must_use]
    pub const fn call(self, name: &'static str) -> ApiCall {
        ApiCall { api: self, name }
    }

    /// From its id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.id() == id)
    }
}

/// An action of AWS's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiCall {
    /// The service.
    pub api: ApiService,
    /// AWS's name of the action.
    pub name: &'static str,
}
