//! What the emulator says: a region's world, the calls it got, what it holds. Every `rest` has what has no field of its own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A region's standard world.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    pub account: String,
    pub region: String,
    pub cluster: String,
    pub vpc_id: String,
    pub cidr: String,
    pub zones: Vec<String>,
    pub subnets: Vec<Subnet>,
    pub node_security_group: String,
    pub nodes: Vec<Node>,
    pub pod_network_interface: String,
    pub web_acl: String,
    pub prefix_list: String,
}

/// `public-a` … `private-c`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    pub name: String,
    pub id: String,
    pub zone: String,
    pub cidr: String,
    pub public: bool,
}

/// An instance. Its ids are the same in every region; its pods' addresses come from `pod_cidr`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub name: String,
    pub instance_id: String,
    pub network_interface: String,
    pub zone: String,
    pub ip: String,
    pub pod_cidr: String,
}

impl World {
    /// A subnet's id by its name.
    pub fn subnet(&self, name: &str) -> Option<&str> {
        self.subnets.iter().find(|s| s.name == name).map(|s| s.id.as_str())
    }

    pub fn public_subnets(&self) -> impl Iterator<Item = &str> {
        self.subnets.iter().filter(|s| s.public).map(|s| s.id.as_str())
    }

    pub fn private_subnets(&self) -> impl Iterator<Item = &str> {
        self.subnets.iter().filter(|s| !s.public).map(|s| s.id.as_str())
    }
}

/// One AWS call.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Counts the calls of all regions.
    pub seq: u64,
    /// Seconds since 1970.
    pub at: f64,
    pub region: String,
    /// As SDKs call it: `elbv2`, `ec2`, `acm`, …
    pub service: String,
    pub operation: String,
    /// Whether it may change something.
    pub write: bool,
    pub params: Value,
    pub status: u16,
    /// The error's code.
    pub error: Option<String>,
    /// The access key id that it was signed with.
    pub caller: String,
    pub user_agent: String,
}

/// What a region holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub load_balancers: Vec<LoadBalancer>,
    pub target_groups: Vec<TargetGroup>,
    pub security_groups: Vec<SecurityGroup>,
}

type Pairs = BTreeMap<String, String>;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoadBalancer {
    #[serde(rename = "LoadBalancerArn")]
    pub arn: String,
    #[serde(rename = "LoadBalancerName")]
    pub name: String,
    #[serde(rename = "DNSName")]
    pub dns_name: String,
    pub scheme: Option<String>,
    pub ip_address_type: Option<String>,
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Those that were set; a missing key has AWS's default.
    pub attributes: Pairs,
    #[serde(default)]
    pub tags: Pairs,
    /// The web ACL's ARN.
    pub web_acl: Option<String>,
    /// The id of the web ACL of WAF Classic.
    pub classic_web_acl: Option<String>,
    /// The protection's name.
    pub shield_protection: Option<String>,
    pub capacity: Option<u32>,
    pub listeners: Vec<Listener>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listener {
    #[serde(rename = "ListenerArn")]
    pub arn: String,
    pub port: u16,
    pub protocol: String,
    pub ssl_policy: Option<String>,
    pub default_actions: Vec<Value>,
    /// The default one and the others, each with `IsDefault`.
    #[serde(default)]
    pub all_certificates: Vec<Value>,
    pub attributes: Pairs,
    #[serde(default)]
    pub tags: Pairs,
    /// By priority, the default rule last.
    pub rules: Vec<Rule>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rule {
    #[serde(rename = "RuleArn")]
    pub arn: String,
    /// A number, or `default`.
    pub priority: String,
    pub is_default: bool,
    #[serde(default)]
    pub conditions: Vec<Value>,
    pub actions: Vec<Value>,
    #[serde(default)]
    pub transforms: Vec<Value>,
    #[serde(default)]
    pub tags: Pairs,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetGroup {
    #[serde(rename = "TargetGroupArn")]
    pub arn: String,
    #[serde(rename = "TargetGroupName")]
    pub name: String,
    pub protocol: Option<String>,
    pub port: Option<u16>,
    pub target_type: String,
    #[serde(default)]
    pub load_balancer_arns: Vec<String>,
    pub attributes: Pairs,
    #[serde(default)]
    pub tags: Pairs,
    pub targets: Vec<Target>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A registered target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "TargetHealthDescription")]
pub struct Target {
    pub id: String,
    pub port: u16,
    /// `healthy`, `unhealthy`, `unused`, …
    pub state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetHealthDescription {
    target: TargetId,
    target_health: TargetHealth,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetId {
    id: String,
    port: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetHealth {
    state: String,
}

impl From<TargetHealthDescription> for Target {
    fn from(d: TargetHealthDescription) -> Self {
        Self { id: d.target.id, port: d.target.port, state: d.target_health.state }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecurityGroup {
    #[serde(rename = "GroupId")]
    pub id: String,
    #[serde(rename = "GroupName")]
    pub name: String,
    /// As `DescribeSecurityGroups` has them.
    #[serde(default)]
    pub ip_permissions: Vec<Value>,
    #[serde(default)]
    pub tags: Pairs,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl State {
    pub fn load_balancer(&self, name: &str) -> Option<&LoadBalancer> {
        self.load_balancers.iter().find(|lb| lb.name == name)
    }

    pub fn target_group(&self, arn: &str) -> Option<&TargetGroup> {
        self.target_groups.iter().find(|tg| tg.arn == arn)
    }

    pub fn security_group(&self, id: &str) -> Option<&SecurityGroup> {
        self.security_groups.iter().find(|sg| sg.id == id)
    }
}

impl LoadBalancer {
    pub fn listener(&self, port: u16) -> Option<&Listener> {
        self.listeners.iter().find(|l| l.port == port)
    }
}
