//! Target groups, their bindings and targets:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Attributes, Ref, Tags};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// All, as AWS writes them.
            pub const ALL: &'static [&'static str] = &[$($word,)+];

            /// As AWS writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// From AWS's word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Protocol of a listener, of targets or of health checks.
    Protocol {
        /// Plain.
        Http = "HTTP",
        /// Over TLS.
        Https = "HTTPS",
    }
}

words! {
    /// What a target is.
    TargetType {
        /// A node, by instance id, through a `NodePort`.
        Instance = "instance",
        /// A pod, by address.
        Ip = "ip",
    }
}

words! {
    /// Version of HTTP towards targets.
    ProtocolVersion {
        /// HTTP/1.1.
        Http1 = "HTTP1",
        /// HTTP/2.
        Http2 = "HTTP2",
        /// gRPC over HTTP/2.
        Grpc = "GRPC",
    }
}

/// Stands for the `NodePort` of a Service that no cluster has allocated yet: no cluster allocates it.
pub const UNALLOCATED_NODE_PORT: u16 = 1;

/// A port of a Service as an object refers to it: by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServicePort {
    /// By number.
    Number(i32),
    /// By name.
    Name(String),
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// How AWS checks targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// A number or `traffic-port`.
    pub port: String,
    /// HTTP or HTTPS.
    pub protocol: Protocol,
    /// Path, or method of a gRPC service.
    pub path: String,
    /// Seconds between two checks, 5–300.
    pub interval_seconds: i32,
    /// Seconds until a check failed, 2–120.
    pub timeout_seconds: i32,
    /// 2–10 in a row.
    pub healthy_threshold: i32,
    /// 2–10 in a row.
    pub unhealthy_threshold: i32,
    /// HTTP codes, or gRPC codes with version GRPC: `200`, `200,202`, `200-299`.
    pub success_codes: String,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Birth-only: ≤ 32 characters, hashes the Service's uid. Never compared.
    pub name: String,
    /// A change replaces the target group.
    pub target_type: TargetType,
    /// A change replaces the target group.
    pub protocol: Protocol,
    /// A change replaces the target group.
    pub protocol_version: ProtocolVersion,
    /// A change replaces the target group. Port of the target control agent.
    pub target_control_port: Option<u16>,
    /// Birth-only: each target is registered with a port of its own.
    pub port: u16,
    /// Birth-only: IPv6 targets.
    pub ipv6: bool,
    /// Health checks.
    pub health_check: HealthCheck,
    /// Desired: those that are asked for. Observed: all.
    pub attributes: Attributes,
    /// Tags, tracking ones included.
    pub tags: Tags,
}

/// What a target group cannot change while it lives. Its resource id and this are what identifies it: of the same id and
/// another generation is the one that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetGroupGeneration {
    target_type: TargetType,
    protocol: Protocol,
    protocol_version: ProtocolVersion,
    target_control_port: Option<u16>,
}

impl TargetGroup {
    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> TargetGroupGeneration {
        let Self { target_type, protocol, protocol_version, target_control_port, .. } = *self;
        TargetGroupGeneration { target_type, protocol, protocol_version, target_control_port }
    }
}

/// What a target group cannot change while it lives, each as AWS writes it and empty where AWS says nothing:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroup.html>.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetGroupTraits {
    /// `instance`, `ip`, `lambda` or `alb`.
    pub target_type: String,
    /// `HTTP`, `TCP`, …
    pub protocol: String,
    /// `ipv4` or `ipv6`.
    pub ip_address_type: String,
    /// `vpc-…`.
    pub vpc_id: String,
}

/// The `TargetGroupBinding` of a target group: the only hand-over between rules and targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Birth-only: the target group's name when it was made.
    pub name: String,
    /// The Service's namespace.
    pub namespace: String,
    /// Exactly the group's labels.
    pub labels: Tags,
    /// Identity.
    pub target_group: Ref,
    /// Nodes or pods.
    pub target_type: TargetType,
    /// Protocol of the target group.
    pub target_group_protocol: Protocol,
    /// The Service.
    pub service: String,
    /// Its port as the Ingress refers to it.
    pub service_port: ServicePort,
    /// Who may reach the targets: the source security group and, each its own rule, the ports; `None` leaves the targets' security groups alone.
    pub networking: Option<(Ref, Vec<NetworkingPort>)>,
    /// With `instance`: labels that nodes must carry.
    pub node_labels: BTreeMap<String, String>,
    /// IPv6 targets.
    pub ipv6: bool,
    /// The VPC of the targets.
    pub vpc_id: String,
    /// Several clusters register targets with the target group.
    pub multi_cluster: bool,
}

/// A port in a binding's networking: a port of the targets, or all (`None`).
pub type NetworkingPort = Option<ServicePort>;

/// A target of a target group. `R` is how a load balancer as a target is referred to, as in [`Observed`](super::Observed).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target<R = String> {
    /// Instance id, IP address, or the ARN of a load balancer.
    pub id: R,
    /// Port.
    pub port: u16,
    /// `all` for an address outside the VPC's blocks, otherwise AWS finds the zone itself.
    pub availability_zone: Option<String>,
}

/// A registered target and what AWS says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The target.
    pub target: Target,
    /// `initial`, `healthy`, `unhealthy`, `unused`, `draining`, `unavailable`, `unhealthy.draining`.
    pub state: String,
    /// AWS's reason, e.g. `Elb.RegistrationInProgress`.
    pub reason: Option<String>,
    /// AWS's words on it.
    pub description: Option<String>,
}

impl TargetHealth {
    /// Whether the target is on its way out.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        matches!(self.state.as_str(), "draining" | "unhealthy.draining")
    }
}
