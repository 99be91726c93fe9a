//! What AWS holds in a golden case: the standard world of the recordings and the items of the case's `aws.json`.

use std::collections::BTreeMap;

use albedo_engine::facts::{Aged, Certificate, Facts, Quota, SecurityGroupFact, Subnet};
use albedo_engine::stack::Tags;
use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::Value;

/// The VPC of the cluster.
pub const VPC: &str = "vpc-0a1b2c3d4e5f60001";
/// The web ACL of the standard world.
const WEB_ACL: &str =
    "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/demo-acl/11111111-2222-3333-4444-555555555555";
/// The security group of the nodes.
pub const NODE_GROUP: &str = "sg-0c0000000000000de";
/// Name, instance, zone and address.
pub const NODES: [(&str, &str, &str, &str); 2] = [
    ("node-a", "i-0d00000000000000a", "us-east-1a", "10.77.32.4"),
    ("node-b", "i-0d00000000000000b", "us-east-1b", "10.77.64.4"),
];
/// Name, id, zone, block and whether it is public.
pub const SUBNETS: [(&str, &str, &str, &str, bool); 6] = [
    ("public-a", "subnet-0a00000000000000a", "us-east-1a", "10.77.0.0/24", true),
    ("public-b", "subnet-0a00000000000000b", "us-east-1b", "10.77.1.0/24", true),
    ("public-c", "subnet-0a00000000000000c", "us-east-1c", "10.77.2.0/24", true),
    ("private-a", "subnet-0b00000000000000a", "us-east-1a", "10.77.32.0/19", false),
    ("private-b", "subnet-0b00000000000000b", "us-east-1b", "10.77.64.0/19", false),
    ("private-c", "subnet-0b00000000000000c", "us-east-1c", "10.77.96.0/19", false),
];

/// The standard world and the items of a case.
pub fn facts(items: &Value, now: Timestamp) -> Facts {
    let mut account = Account::standard();
    for item in items.as_array().into_iter().flatten() {
        account.plant(item);
    }
    Facts {
        region: Some("us-east-1".to_owned()),
        vpc_id: Some(VPC.to_owned()),
        vpc_cidrs: Some(Aged { value: vec!["10.77.0.0/16".to_owned()], read_at: now }),
        subnets: Some(Aged { value: account.subnets, read_at: now }),
        certificates: Some(Aged { value: account.certificates, read_at: now }),
        security_groups: Some(Aged { value: account.security_groups, read_at: now }),
        target_groups: None,
        target_group_names: Some(Aged { value: account.target_groups, read_at: now }),
        web_acls: Some(Aged { value: account.web_acls, read_at: now }),
        trust_stores: Some(Aged { value: account.trust_stores, read_at: now }),
        prefix_lists: None,
        shield_subscribed: Some(Aged { value: true, read_at: now }),
        account_limits: Some(Aged { value: limits(), read_at: now }),
    }
}

/// `DescribeAccountLimits` of an account that never asked for more. Rules of security groups are not in it.
fn limits() -> BTreeMap<String, i64> {
    let told = Quota::ALL.iter().filter(|quota| quota.is_told_with_limits());
    told.map(|quota| (quota.name().to_owned(), i64::try_from(quota.default()).unwrap_or(i64::MAX))).collect()
}

struct Account {
    subnets: Vec<Subnet>,
    certificates: Vec<Certificate>,
    security_groups: Vec<SecurityGroupFact>,
    target_groups: BTreeMap<String, String>,
    web_acls: BTreeMap<String, String>,
    trust_stores: BTreeMap<String, String>,
}

fn word(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_default().to_owned()
}

fn words(item: &Value) -> Vec<String> {
    item.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Addresses of a block that AWS does not keep for itself.
fn addresses(block: &str) -> i64 {
    let block: IpNet = block.parse().unwrap_or_else(|error| panic!("{block}: {error}"));
    (1_i64 << (32 - i64::from(block.prefix_len()))) - 5
}

impl Account {
    fn standard() -> Self {
        let own = || ("kubernetes.io/cluster/demo".to_owned(), "shared".to_owned());
        let subnets = SUBNETS.map(|(name, id, zone, block, public)| Subnet {
            id: id.to_owned(),
            vpc_id: VPC.to_owned(),
            zone: zone.to_owned(),
            locale: "availability-zone".to_owned(),
            // Each of the two nodes has an address, and so have the pods' interfaces.
            free_addresses: addresses(block) - 2,
            ipv6: true,
            public: Some(public),
            tags: Tags::from([
                ("Name".to_owned(), name.to_owned()),
                own(),
                (format!("kubernetes.io/role/{}", if public { "elb" } else { "internal-elb" }), "1".to_owned()),
            ]),
        });
        let nodes = SecurityGroupFact {
            id: NODE_GROUP.to_owned(),
            name: "demo-node".to_owned(),
            tags: Tags::from([
                ("Name".to_owned(), "demo-node".to_owned()),
                ("kubernetes.io/cluster/demo".to_owned(), "owned".to_owned()),
            ]),
        };
        Self {
            subnets: subnets.into(),
            certificates: Vec::new(),
            security_groups: vec![nodes],
            target_groups: BTreeMap::new(),
            web_acls: BTreeMap::from([("demo-acl".to_owned(), WEB_ACL.to_owned())]),
            trust_stores: BTreeMap::new(),
        }
    }

    fn plant(&mut self, item: &Value) {
        match item["kind"].as_str().unwrap_or_default() {
            "certificate" => self.certificate(item),
            "subnet" => self.subnet(item),
            "subnet-tags" => {
                let id = word(item, "id");
                let subnet = self.subnets.iter_mut().find(|subnet| subnet.id == id).expect("a subnet");
                for (key, value) in item["tags"].as_object().into_iter().flatten() {
                    match value.as_str() {
                        Some(value) => subnet.tags.insert(key.clone(), value.to_owned()),
                        None => subnet.tags.remove(key),
                    };
                }
            }
            "security-group" => {
                let id = word(item, "id");
                let named = item["name"].as_str().or(id.get(3..)).unwrap_or_default().to_owned();
                if !self.security_groups.iter().any(|group| group.id == id) {
                    self.security_groups.push(SecurityGroupFact { id, name: named, tags: tags(&item["tags"]) });
                }
            }
            "target-group" => {
                let arn = word(item, "arn");
                let name = item["name"].as_str().or(arn.split('/').nth(1)).unwrap_or_default().to_owned();
                let arn = if arn.is_empty() {
                    format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/0123456789abcdef")
                } else {
                    arn
                };
                self.target_groups.insert(name, arn);
            }
            "web-acl" => {
                let arn = word(item, "arn");
                let name = arn.split('/').nth(2).unwrap_or_default().to_owned();
                self.web_acls.insert(name, arn);
            }
            "trust-store" => {
                self.trust_stores.insert(word(item, "name"), word(item, "arn"));
            }
            "node" | "prefix-list" => {}
            other => panic!("aws.json has a {other}, which its loader does not know"),
        }
    }

    fn certificate(&mut self, item: &Value) {
        let arn = word(item, "arn");
        // Facts hold what discovery would find: issued ones of the account and region.
        let here = arn.starts_with("arn:aws:acm:us-east-1:123456789012:");
        let issued = item["status"].as_str().is_none_or(|status| status == "ISSUED");
        if !here || !issued || self.certificates.iter().any(|known| known.arn == arn) {
            return;
        }
        let domains = words(&item["domains"]);
        self.certificates.push(Certificate {
            arn,
            status: "ISSUED".to_owned(),
            domains: if domains.is_empty() { vec!["unrelated.invalid".to_owned()] } else { domains },
            certificate_authority: item["authority"].as_str().map(str::to_owned),
        });
    }

    fn subnet(&mut self, item: &Value) {
        let id = word(item, "id");
        if self.subnets.iter().any(|known| known.id == id) {
            return;
        }
        self.subnets.push(Subnet {
            id,
            vpc_id: VPC.to_owned(),
            zone: word(item, "az"),
            locale: if item["outpost"].is_string() { "outpost" } else { "availability-zone" }.to_owned(),
            free_addresses: addresses(&word(item, "cidr")),
            ipv6: item["ipv6"].is_string(),
            public: Some(item["public"].as_bool().unwrap_or_default()),
            tags: tags(&item["tags"]),
        });
    }
}

fn tags(from: &Value) -> Tags {
    let pairs = from.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}
