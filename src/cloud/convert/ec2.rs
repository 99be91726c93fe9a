//! Security groups and their permissions, to and from AWS.

use std::collections::BTreeSet;

use albedo_engine::stack::{PeerSource, Permission, Ref, SecurityGroup, Tags};
use aws_sdk_ec2::types as sdk;

use crate::cloud::error::{CloudError, need};
use crate::cloud::known::Names;

pub(in crate::cloud) fn tags(from: &[sdk::Tag]) -> Tags {
    let pair = |tag: &sdk::Tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()));
    from.iter().filter_map(pair).collect()
}

/// Sorted by key.
pub(in crate::cloud) fn tags_to_aws(tags: &Tags) -> Vec<sdk::Tag> {
    tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build()).collect()
}

/// Tags to remove. A key without a value: whatever its value is.
pub(in crate::cloud) fn keys_to_aws(keys: &[String]) -> Vec<sdk::Tag> {
    keys.iter().map(|key| sdk::Tag::builder().key(key).build()).collect()
}

pub(in crate::cloud) fn security_group(from: &sdk::SecurityGroup) -> Result<SecurityGroup, CloudError> {
    Ok(SecurityGroup {
        name: need("DescribeSecurityGroups", "GroupName", from.group_name.clone())?,
        description: from.description.clone().unwrap_or_default(),
        ingress: from.ip_permissions().iter().flat_map(permissions).collect(),
        tags: tags(from.tags()),
    })
}

/// AWS puts all sources of a range of ports together; here each is its own permission.
fn permissions(from: &sdk::IpPermission) -> BTreeSet<Permission> {
    let protocol = from.ip_protocol().unwrap_or(ALL).to_owned();
    let ports = ports(&protocol, from.from_port, from.to_port);
    let one = |source: Option<PeerSource>, description: &Option<String>| {
        // The predecessor sends empty ones, which AWS gives back or leaves out: they are none.
        let (protocol, description) = (protocol.clone(), description.clone().filter(|text| !text.is_empty()));
        source.map(|source| Permission { protocol, ports, source, description })
    };
    let v4 = from.ip_ranges().iter().map(|r| one(r.cidr_ip.clone().map(PeerSource::Ipv4), &r.description));
    let v6 = from.ipv6_ranges().iter().map(|r| one(r.cidr_ipv6.clone().map(PeerSource::Ipv6), &r.description));
    let lists = from
        .prefix_list_ids()
        .iter()
        .map(|r| one(r.prefix_list_id.clone().map(PeerSource::PrefixList), &r.description));
    let groups = from
        .user_id_group_pairs()
        .iter()
        .map(|r| one(r.group_id.clone().map(|id| PeerSource::SecurityGroup(Ref::Known(id))), &r.description));
    v4.chain(v6).chain(lists).chain(groups).flatten().collect()
}

/// All protocols and ports.
const ALL: &str = "-1";

/// AWS writes -1 for "all types" of ICMP. Such permissions are never wanted, but have to be named again to be revoked, so
/// -1 goes into a port as its two's complement and comes out of [`from_port`] as it was.
fn ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> Option<(u16, u16)> {
    let (from, to) = from.zip(to)?;
    if protocol == ALL || (from, to) == (-1, -1) {
        return None;
    }
    let port = |number: i32| u16::try_from(number).unwrap_or(u16::MAX);
    Some((port(from), port(to)))
}

fn from_port(protocol: &str, port: u16) -> i32 {
    if protocol.starts_with("icmp") && port == u16::MAX { -1 } else { port.into() }
}

/// One range a permission.
pub(in crate::cloud) fn permissions_to_aws(
    permissions: &[Permission],
    names: &Names<'_>,
) -> Result<Vec<sdk::IpPermission>, CloudError> {
    permissions.iter().map(|permission| permission_to_aws(permission, names)).collect()
}

fn permission_to_aws(from: &Permission, names: &Names<'_>) -> Result<sdk::IpPermission, CloudError> {
    let to = sdk::IpPermission::builder().ip_protocol(&from.protocol);
    let to = match from.ports {
        Some((first, last)) => to.from_port(from_port(&from.protocol, first)).to_port(from_port(&from.protocol, last)),
        None if from.protocol == ALL => to,
        None => to.from_port(-1).to_port(-1),
    };
    let description = from.description.clone().filter(|text| !text.is_empty());
    Ok(match &from.source {
        PeerSource::Ipv4(cidr) => {
            to.ip_ranges(sdk::IpRange::builder().cidr_ip(cidr).set_description(description).build())
        }
        PeerSource::Ipv6(cidr) => {
            to.ipv6_ranges(sdk::Ipv6Range::builder().cidr_ipv6(cidr).set_description(description).build())
        }
        PeerSource::PrefixList(id) => {
            to.prefix_list_ids(sdk::PrefixListId::builder().prefix_list_id(id).set_description(description).build())
        }
        PeerSource::SecurityGroup(group) => to.user_id_group_pairs(
            sdk::UserIdGroupPair::builder().group_id(names.resolve(group)?).set_description(description).build(),
        ),
    }
    .build())
}

pub(in crate::cloud) fn filter(name: &str, values: Vec<String>) -> sdk::Filter {
    sdk::Filter::builder().name(name).set_values(Some(values)).build()
}
