//! Network interfaces of nodes and pods with their security groups, for the rules that let load balancers in.

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::{Found, SecurityGroup};
use aws_sdk_ec2::types::{Filter, GroupIdentifier, InstanceNetworkInterface, NetworkInterface, Reservation};
use futures::future::try_join_all;

use super::Cloud;
use super::call::paged;
use super::convert;
use super::convert::ec2::filter;
use super::describe::FILTER_VALUES;
use super::error::{CloudError, need};

/// Instances in a page. The largest, with all addresses that its interfaces can have, has 150 KiB.
const INSTANCES: i32 = 50;
/// Instances that are asked for in one list.
const INSTANCES_OF_LIST: usize = 100;
/// Interfaces in a page: as many as a filter has values.
const INTERFACES: i32 = 200;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceFact {
    /// `eni-…`.
    pub id: String,
    /// The instance that it is attached to.
    pub instance_id: Option<String>,
    /// Whether it is the instance's first one.
    pub primary: bool,
    /// Its VPC.
    pub vpc_id: String,
    /// Its security groups (`sg-…`).
    pub security_groups: Vec<String>,
    /// Private IPv4 and IPv6 addresses.
    pub addresses: Vec<String>,
    /// Blocks that are delegated to it: pods of its node have addresses from them.
    pub prefixes: Vec<String>,
}

impl Cloud {
    /// All network interfaces of the instances. Instances that are not there are left out.
    ///
    /// # Errors
    ///
    /// What AWS says.
    pub async fn node_interfaces(&self, instance_ids: &[String]) -> Result<Vec<InterfaceFact>, CloudError> {
        let filters: Vec<Filter> =
            instance_ids.chunks(INSTANCES_OF_LIST).map(|ids| filter("instance-id", ids.to_vec())).collect();
        let chunks = filters.into_iter().map(|by| async move {
            let by = &by;
            paged("DescribeInstances", |token| async move {
                let request = self.read().ec2.describe_instances().filters(by.clone()).set_next_token(token);
                let request = request.max_results(INSTANCES).send();
                let page = self.call(ApiService::Ec2.call("DescribeInstances"), request).await?;
                // An instance has kilobytes of which hardly any is needed, so nothing but that is kept of a page.
                Ok((Some(of_instances(page.reservations.unwrap_or_default())?), page.next_token))
            })
            .await
        });
        Ok(try_join_all(chunks).await?.into_iter().flatten().collect())
    }

    /// Network interfaces by id. Those that are not there are left out.
    ///
    /// # Errors
    ///
    /// What AWS says.
    pub async fn interfaces_by_id(&self, ids: &[String]) -> Result<Vec<InterfaceFact>, CloudError> {
        let chunks = ids.chunks(FILTER_VALUES);
        self.describe_network_interfaces(chunks.map(|ids| vec![filter("network-interface-id", ids.to_vec())])).await
    }

    /// Network interfaces of the VPC that have one of the private addresses, IPv4 or IPv6.
    ///
    /// # Errors
    ///
    /// What AWS says.
    pub async fn interfaces_by_address(&self, addresses: &[String]) -> Result<Vec<InterfaceFact>, CloudError> {
        let (v6, v4): (Vec<_>, Vec<_>) = addresses.iter().cloned().partition(|address| address.contains(':'));
        let of = |name: &'static str, addresses: Vec<String>| {
            let chunks: Vec<_> = addresses.chunks(FILTER_VALUES).map(<[String]>::to_vec).collect();
            chunks.into_iter().map(move |addresses| {
                vec![filter(name, addresses), filter("vpc-id", vec![self.config().vpc_id.clone()])]
            })
        };
        let by = of("addresses.private-ip-address", v4).chain(of("ipv6-addresses.ipv6-address", v6));
        self.describe_network_interfaces(by).await
    }

    async fn describe_network_interfaces(
        &self,
        by: impl Iterator<Item = Vec<Filter>>,
    ) -> Result<Vec<InterfaceFact>, CloudError> {
        let reads = by.map(|by| async move {
            let by = &by;
            paged("DescribeNetworkInterfaces", |token| async move {
                let request = self.read().ec2.describe_network_interfaces().set_filters(Some(by.clone()));
                let request = request.set_next_token(token).max_results(INTERFACES);
                let page = self.call(ApiService::Ec2.call("DescribeNetworkInterfaces"), request.send()).await?;
                let interfaces = page.network_interfaces.into_iter().flatten().map(of_network);
                Ok((Some(interfaces.collect::<Result<Vec<_>, _>>()?), page.next_token))
            })
            .await
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    /// Security groups with their permissions, by id. Those that are not there are left out.
    ///
    /// # Errors
    ///
    /// What AWS says.
    pub async fn security_groups(&self, ids: &[String]) -> Result<Vec<Found<SecurityGroup>>, CloudError> {
        self.security_groups_by_id(ids).await?.into_iter().map(found).collect()
    }

    /// Security groups of the VPC that carry a tag with one of the values, with their permissions.
    ///
    /// # Errors
    ///
    /// What AWS says.
    pub async fn security_groups_tagged(
        &self,
        key: &str,
        values: &[&str],
    ) -> Result<Vec<Found<SecurityGroup>>, CloudError> {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let vpc = filter("vpc-id", vec![self.config().vpc_id.clone()]);
        let groups = self.describe_security_groups(vec![vpc, filter(&format!("tag:{key}"), values)]).await?;
        groups.into_iter().map(found).collect()
    }
}

fn found(group: aws_sdk_ec2::types::SecurityGroup) -> Result<Found<SecurityGroup>, CloudError> {
    let is = convert::ec2::security_group(&group)?;
    Ok(Found { arn: need("DescribeSecurityGroups", "GroupId", group.group_id)?, is })
}

fn groups(from: Option<Vec<GroupIdentifier>>) -> Vec<String> {
    from.into_iter().flatten().filter_map(|group| group.group_id).collect()
}

fn of_instances(reservations: Vec<Reservation>) -> Result<Vec<InterfaceFact>, CloudError> {
    let mut facts = Vec::new();
    for instance in reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()) {
        let id = need("DescribeInstances", "InstanceId", instance.instance_id)?;
        for interface in instance.network_interfaces.unwrap_or_default() {
            facts.push(of_instance(interface, &id)?);
        }
    }
    Ok(facts)
}

fn of_instance(from: InstanceNetworkInterface, instance: &str) -> Result<InterfaceFact, CloudError> {
    let op = "DescribeInstances";
    let v4 = from.private_ip_addresses.into_iter().flatten().filter_map(|one| one.private_ip_address);
    let v6 = from.ipv6_addresses.into_iter().flatten().filter_map(|one| one.ipv6_address);
    let v4_blocks = from.ipv4_prefixes.into_iter().flatten().filter_map(|one| one.ipv4_prefix);
    let v6_blocks = from.ipv6_prefixes.into_iter().flatten().filter_map(|one| one.ipv6_prefix);
    Ok(InterfaceFact {
        id: need(op, "NetworkInterfaceId", from.network_interface_id)?,
        instance_id: Some(instance.to_owned()),
        primary: from.attachment.is_some_and(|attachment| attachment.device_index == Some(0)),
        vpc_id: need(op, "VpcId", from.vpc_id)?,
        security_groups: groups(from.groups),
        addresses: v4.chain(v6).collect(),
        prefixes: v4_blocks.chain(v6_blocks).collect(),
    })
}

fn of_network(from: NetworkInterface) -> Result<InterfaceFact, CloudError> {
    let op = "DescribeNetworkInterfaces";
    let v4 = from.private_ip_addresses.into_iter().flatten().filter_map(|one| one.private_ip_address);
    let v6 = from.ipv6_addresses.into_iter().flatten().filter_map(|one| one.ipv6_address);
    let v4_blocks = from.ipv4_prefixes.into_iter().flatten().filter_map(|one| one.ipv4_prefix);
    let v6_blocks = from.ipv6_prefixes.into_iter().flatten().filter_map(|one| one.ipv6_prefix);
    let attachment = from.attachment.as_ref();
    Ok(InterfaceFact {
        id: need(op, "NetworkInterfaceId", from.network_interface_id)?,
        instance_id: attachment.and_then(|attachment| attachment.instance_id.clone()),
        primary: attachment.is_some_and(|attachment| attachment.device_index == Some(0)),
        vpc_id: need(op, "VpcId", from.vpc_id)?,
        security_groups: groups(from.groups),
        addresses: v4.chain(v6).collect(),
        prefixes: v4_blocks.chain(v6_blocks).collect(),
    })
}
