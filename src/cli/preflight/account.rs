//! What AWS holds, as far as the report needs it; nothing is changed.

use std::collections::BTreeMap;

use albedo_engine::facts::Facts;
use albedo_engine::lbc;
use albedo_engine::preflight::{Account, Tried, Unread, Untagged};
use albedo_engine::settings::{Gate, Settings};
use albedo_engine::stack::{Observed, Tags};
use albedo_engine::targets::{AttachedGroup, Interface};
use albedo_engine::world::World;
use jiff::Timestamp;

use crate::cli::place::Place;
use crate::cloud::{Cloud, CloudConfig, CloudError, FactKind, NodePlace, identify};
use crate::cluster::with_sources;

/// Reads the account. What cannot be read is in the result.
///
/// # Errors
/// If a flag cannot be read.
pub(super) async fn read(
    place: &Place,
    words: &[String],
    settings: &Settings,
    world: &World,
) -> anyhow::Result<(Facts, Account)> {
    let (mut facts, mut account) = (Facts::default(), Account::default());
    let arguments = lbc::arguments(words);
    let of_lbc = |name: &str| {
        let given = arguments.iter().rev().find(|argument| argument.name == name);
        given.map(|argument| argument.value.clone()).filter(|value| !value.is_empty())
    };
    let asked = place.asked_or(of_lbc)?;
    let places: Vec<NodePlace> = world.nodes().filter_map(|node| NodePlace::parse(&node.provider_id)).collect();
    let identity = match identify(&asked, &places).await {
        Ok(identity) => identity,
        Err(error) => {
            let error = with_sources(&error);
            account.unread.push(Unread { what: "the account".to_owned(), error, denied: false, needed: true });
            return Ok((facts, account));
        }
    };
    let config = CloudConfig { endpoints: asked.endpoints, ..CloudConfig::of(&identity, settings) };
    let cloud = Cloud::new(config).await;
    let failed = Box::pin(cloud.refresh(&mut facts, Timestamp::now(), true)).await;
    for (kind, error) in failed {
        account.unread.push(unread(kind.as_str(), &error, is_needed(kind)));
    }
    if settings.cluster_name.is_empty() {
        let error = "the name of the cluster is not known; give it with --cluster-name".to_owned();
        let what = "load balancers and security groups of this cluster".to_owned();
        account.unread.push(Unread { what, error, denied: false, needed: true });
    } else {
        interfaces(&cloud, &places, &facts, &mut account).await;
        groups(&cloud, world, settings, &mut account).await;
    }
    let attached = account.interfaces.iter().flat_map(|interface| &interface.security_groups);
    let attached = attached.map(|group| group.id.clone()).next();
    for (action, outcome) in cloud.dry_run(attached.as_deref()).await {
        let outcome = outcome.map_err(|error| (matches!(error, CloudError::Denied(_)), with_sources(&error)));
        account.tried.push(Tried { action, outcome });
    }
    Ok((facts, account))
}

/// Network interfaces of the nodes, the first of each.
async fn interfaces(cloud: &Cloud, places: &[NodePlace], facts: &Facts, account: &mut Account) {
    let ids: Vec<String> = places.iter().filter_map(|place| place.instance_id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    let known: BTreeMap<&str, &Tags> = facts
        .security_groups
        .iter()
        .flat_map(|groups| &groups.value)
        .map(|group| (group.id.as_str(), &group.tags))
        .collect();
    let tags = |id: &str| known.get(id).map(|tags| (*tags).clone()).unwrap_or_default();
    match Box::pin(cloud.node_interfaces(&ids)).await {
        Ok(read) => account.interfaces.extend(read.into_iter().filter(|one| one.primary).map(|one| Interface {
            id: one.id,
            security_groups: one.security_groups.into_iter().map(|id| AttachedGroup { tags: tags(&id), id }).collect(),
        })),
        Err(error) => account.unread.push(unread("network interfaces of nodes", &error, true)),
    }
}

/// What AWS holds of the groups: whether it can be read, and whether its listeners and rules have tags.
async fn groups(cloud: &Cloud, world: &World, settings: &Settings, account: &mut Account) {
    for group in world.group_ids() {
        match Box::pin(cloud.observe(&group)).await {
            Ok(observed) => {
                account.groups += 1;
                if settings.gate(Gate::ListenerRulesTagging) {
                    account.untagged.extend(untagged(group.to_string(), &observed));
                }
            }
            Err(error) => {
                account.unread.push(unread(&format!("the load balancer of group {group}"), &error, true));
                // The next groups would fail in the same way.
                return;
            }
        }
    }
}

fn untagged(group: String, observed: &Observed) -> Option<Untagged> {
    let listeners = || observed.load_balancers.iter().flat_map(|balancer| &balancer.listeners);
    let rules = listeners().flat_map(|listener| &listener.rules).filter(|rule| rule.is.tags.all().is_empty()).count();
    let listeners = listeners().filter(|listener| listener.is.tags.is_empty()).count();
    (listeners + rules > 0).then_some(Untagged { group, listeners, rules })
}

fn unread(what: &str, error: &CloudError, needed: bool) -> Unread {
    let denied = matches!(error, CloudError::Denied(_));
    Unread { what: what.to_owned(), error: with_sources(error), denied, needed }
}

/// Whether Albedo provisions nothing without these facts.
fn is_needed(kind: FactKind) -> bool {
    match kind {
        FactKind::VpcCidrs
        | FactKind::Subnets
        | FactKind::Routes
        | FactKind::Certificates
        | FactKind::SecurityGroups
        | FactKind::TargetGroups => true,
        FactKind::WebAcls
        | FactKind::TrustStores
        | FactKind::PrefixLists
        | FactKind::Shield
        | FactKind::AccountLimits => false,
    }
}
