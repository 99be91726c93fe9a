//! The VPC: address blocks, subnets, routes, security groups. And the names of target groups.

use std::collections::{BTreeMap, BTreeSet};

use albedo_engine::facts::{Facts, SecurityGroupFact, Subnet};
use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::TargetGroupTraits;
use aws_sdk_ec2::types::{Filter, RouteTable, SubnetCidrBlockStateCode, VpcCidrBlockStateCode};
use futures::future::try_join_all;
use tokio::sync::Mutex;

use crate::cloud::Cloud;
use crate::cloud::call::paged;
use crate::cloud::convert::ec2::{filter, tags};
use crate::cloud::describe::FILTER_VALUES;
use crate::cloud::error::{CloudError, need};
use albedo_elbv2::traits;

/// Types of availability zones by name; a zone keeps its type, so they are read once and when a new name comes up.
#[derive(Debug, Default)]
pub(in crate::cloud) struct Zones(Mutex<BTreeMap<String, String>>);

/// All target groups of the region.
pub(super) struct Groups {
    /// ARN by name.
    pub(super) names: BTreeMap<String, String>,
    /// What they cannot change, by ARN.
    pub(super) traits: BTreeMap<String, TargetGroupTraits>,
}

impl Cloud {
    /// IPv4 and IPv6 blocks of the VPC.
    pub(super) async fn vpc_cidrs(&self) -> Result<Vec<String>, CloudError> {
        let op = ApiService::Ec2.call("DescribeVpcs");
        let request = self.read().ec2.describe_vpcs().vpc_ids(&self.config().vpc_id);
        let answer = self.call(op, request.send()).await?;
        let vpc = need(op.name, "Vpcs", answer.vpcs.unwrap_or_default().into_iter().next())?;
        let associated = |code: Option<&VpcCidrBlockStateCode>| code == Some(&VpcCidrBlockStateCode::Associated);
        let v4 = vpc.cidr_block_association_set().iter();
        let v4 = v4.filter(|one| associated(one.cidr_block_state().and_then(|state| state.state())));
        let v6 = vpc.ipv6_cidr_block_association_set().iter();
        let v6 = v6.filter(|one| associated(one.ipv6_cidr_block_state().and_then(|state| state.state())));
        let blocks = v4.map(|one| one.cidr_block.clone()).chain(v6.map(|one| one.ipv6_cidr_block.clone()));
        Ok(blocks.flatten().collect())
    }

    /// The subnets of the VPC and those of `foreign` that are there. The second is what went wrong with routes: then no
    /// subnet is known to be public or private.
    pub(super) async fn subnets(&self, foreign: &[String]) -> Result<(Vec<Subnet>, Option<CloudError>), CloudError> {
        let mut subnets = self.describe_subnets(filter("vpc-id", vec![self.config().vpc_id.clone()])).await?;
        if !foreign.is_empty() {
            subnets.extend(self.foreign_by_id(foreign).await?);
        }
        subnets.sort_by(|one, other| one.id.cmp(&other.id));
        let routes = self.routed(&mut subnets).await.err();
        Ok((subnets, routes))
    }

    /// Ids of subnets of other VPCs among the facts.
    pub(super) fn foreign_subnets(&self, facts: &Facts) -> Vec<String> {
        let subnets = facts.subnets.iter().flat_map(|subnets| &subnets.value);
        subnets.filter(|subnet| subnet.vpc_id != self.config().vpc_id).map(|subnet| subnet.id.clone()).collect()
    }

    /// Subnets by id, of whichever VPC. Those that are not there are left out. Once they are among the facts,
    /// [`Cloud::refresh`] keeps them up to date.
    ///
    /// # Errors
    ///
    /// What AWS says; routes that cannot be read are no error, whether the subnets are public is then not known.
    pub async fn extra_subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, CloudError> {
        let mut subnets = self.foreign_by_id(ids).await?;
        if let Err(error) = self.routed(&mut subnets).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "routes of subnets are not known");
        }
        Ok(subnets)
    }

    async fn foreign_by_id(&self, ids: &[String]) -> Result<Vec<Subnet>, CloudError> {
        let chunks = ids.chunks(FILTER_VALUES).map(|ids| self.describe_subnets(filter("subnet-id", ids.to_vec())));
        Ok(try_join_all(chunks).await?.into_iter().flatten().collect())
    }

    async fn describe_subnets(&self, by: Filter) -> Result<Vec<Subnet>, CloudError> {
        let described = paged("DescribeSubnets", |token| async {
            let request = self.read().ec2.describe_subnets().filters(by.clone()).set_next_token(token);
            let page = self.call(ApiService::Ec2.call("DescribeSubnets"), request.max_results(1000).send()).await?;
            Ok((page.subnets, page.next_token))
        })
        .await?;
        let zones = self.zone_types(described.iter().filter_map(|subnet| subnet.availability_zone())).await?;
        described.into_iter().map(|subnet| fact(subnet, &zones)).collect()
    }

    async fn zone_types(&self, of: impl Iterator<Item = &str>) -> Result<BTreeMap<String, String>, CloudError> {
        let mut known = self.zones().0.lock().await;
        if of.into_iter().any(|zone| !known.contains_key(zone)) {
            // All of them: those that the account has not opted into may hold subnets that others share with it.
            let request = self.read().ec2.describe_availability_zones().all_availability_zones(true);
            let answer = self.call(ApiService::Ec2.call("DescribeAvailabilityZones"), request.send()).await?;
            let zones = answer.availability_zones.unwrap_or_default().into_iter();
            known.extend(zones.filter_map(|zone| zone.zone_name.zip(zone.zone_type)));
        }
        Ok(known.clone())
    }

    /// Finds out which subnets are public: a route of their table leads to an internet gateway.
    async fn routed(&self, subnets: &mut [Subnet]) -> Result<(), CloudError> {
        let vpcs: BTreeSet<_> = subnets.iter().map(|subnet| subnet.vpc_id.clone()).collect();
        let by = filter("vpc-id", vpcs.into_iter().collect());
        let tables = paged("DescribeRouteTables", |token| async {
            let request = self.read().ec2.describe_route_tables().filters(by.clone()).set_next_token(token);
            let page = self.call(ApiService::Ec2.call("DescribeRouteTables"), request.max_results(100).send()).await?;
            Ok((page.route_tables, page.next_token))
        })
        .await?;
        for subnet in subnets {
            subnet.public = table_of(subnet, &tables).map(leads_to_the_internet);
        }
        Ok(())
    }

    pub(super) async fn security_group_facts(&self) -> Result<Vec<SecurityGroupFact>, CloudError> {
        let vpc = filter("vpc-id", vec![self.config().vpc_id.clone()]);
        let groups = self.describe_security_groups(vec![vpc]).await?;
        let fact = |group: aws_sdk_ec2::types::SecurityGroup| {
            let tags = tags(group.tags());
            Some(SecurityGroupFact { id: group.group_id?, name: group.group_name?, tags })
        };
        let mut facts: Vec<_> = groups.into_iter().filter_map(fact).collect();
        facts.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(facts)
    }

    /// Most entries by id, of the prefix lists of AWS and those of the account.
    pub(super) async fn prefix_lists(&self) -> Result<BTreeMap<String, i64>, CloudError> {
        let lists = paged("DescribeManagedPrefixLists", |token| async {
            let request = self.read().ec2.describe_managed_prefix_lists().max_results(100).set_next_token(token);
            let page = self.call(ApiService::Ec2.call("DescribeManagedPrefixLists"), request.send()).await?;
            Ok((page.prefix_lists, page.next_token))
        })
        .await?;
        Ok(lists.into_iter().filter_map(|list| list.prefix_list_id.zip(list.max_entries.map(i64::from))).collect())
    }

    /// All target groups of the region.
    pub(super) async fn all_target_groups(&self) -> Result<Groups, CloudError> {
        let mut all = Groups { names: BTreeMap::new(), traits: BTreeMap::new() };
        for group in self.describe_target_groups(Vec::new()).await? {
            let traits = traits(&group);
            let Some((name, arn)) = group.target_group_name.zip(group.target_group_arn) else { continue };
            all.names.insert(name, arn.clone());
            all.traits.insert(arn, traits);
        }
        Ok(all)
    }
}

fn fact(from: aws_sdk_ec2::types::Subnet, zones: &BTreeMap<String, String>) -> Result<Subnet, CloudError> {
    let op = "DescribeSubnets";
    let zone = need(op, "AvailabilityZone", from.availability_zone.clone())?;
    let locale = match &from.outpost_arn {
        Some(_) => "outpost".to_owned(),
        None => need("DescribeAvailabilityZones", "ZoneType", zones.get(&zone).cloned())?,
    };
    let associated = |one: &aws_sdk_ec2::types::SubnetIpv6CidrBlockAssociation| {
        let state = one.ipv6_cidr_block_state().and_then(|state| state.state());
        state == Some(&SubnetCidrBlockStateCode::Associated)
    };
    Ok(Subnet {
        vpc_id: need(op, "VpcId", from.vpc_id.clone())?,
        zone,
        locale,
        free_addresses: need(op, "AvailableIpAddressCount", from.available_ip_address_count)?.into(),
        ipv6: from.ipv6_cidr_block_association_set().iter().any(associated),
        public: None,
        tags: tags(from.tags()),
        id: need(op, "SubnetId", from.subnet_id)?,
    })
}

/// The table that the subnet is associated with, otherwise the main one of its VPC.
fn table_of<'a>(subnet: &Subnet, tables: &'a [RouteTable]) -> Option<&'a RouteTable> {
    let own = |table: &&RouteTable| table.associations().iter().any(|one| one.subnet_id() == Some(subnet.id.as_str()));
    let main = |table: &&RouteTable| {
        table.vpc_id() == Some(subnet.vpc_id.as_str())
            && table.associations().iter().any(|one| one.main() == Some(true))
    };
    tables.iter().find(own).or_else(|| tables.iter().find(main))
}

fn leads_to_the_internet(table: &RouteTable) -> bool {
    table.routes().iter().any(|route| route.gateway_id().is_some_and(|id| id.starts_with("igw")))
}
