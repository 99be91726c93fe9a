//! Permissions that the security groups of nodes and pods need, so that load balancers reach the targets of all bindings.
//! One range of ports for each (security group, protocol, source), so that their number is far below the quota of 60 rules.

mod needs;

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::{Key, Pod, TargetGroupBindingNetworking};
use crate::stack::{PeerSource, Permission, Ref, Tags};

pub use needs::{NetworkingError, endpoint_group};

/// Description of our permissions. A permission with another description is not ours, and is never revoked.
pub const DESCRIPTION: &str = "elbv2.k8s.aws/targetGroupBinding=shared";

/// All ports.
const ALL_PORTS: (u16, u16) = (0, 65535);

/// How to select the security group that gets the permission, if a network interface has several.
#[derive(Debug, Clone, Copy)]
pub struct EndpointGroups<'a> {
    /// The cluster in the tag key `kubernetes.io/cluster/NAME`.
    pub cluster: &'a str,
    /// `--service-target-eni-security-group-tags`: further tags that the group has.
    pub tags: &'a Tags,
}

/// A network interface of targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// `eni-…`.
    pub id: String,
    /// Security groups on it.
    pub security_groups: Vec<AttachedGroup>,
}

/// A security group on a network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttachedGroup {
    /// `sg-…`.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
}

/// What is behind a target.
#[derive(Debug, Clone, Copy)]
pub struct Backend<'a> {
    /// Its network interface; `None` for one that has no security groups in this VPC (a hybrid node).
    pub interface: Option<&'a Interface>,
    /// The pod, with target type `ip`.
    pub pod: Option<&'a Pod>,
}

/// What one binding needs.
#[derive(Debug, Clone)]
pub struct Need<'a> {
    /// The binding.
    pub binding: Key,
    /// Its `spec.networking`; bindings without one need nothing and are not listed.
    pub networking: &'a TargetGroupBindingNetworking,
    /// What is behind its targets.
    pub backends: Vec<Backend<'a>>,
    /// Whether this is complete. It is not while a target, or what is behind it, is unknown.
    pub complete: bool,
}

impl Need<'_> {
    /// Whether the binding needs a permission of this source on this security group.
    #[must_use]
    pub fn concerns(&self, group: &str, source: &PeerSource) -> bool {
        let on = |interface: &Interface| interface.security_groups.iter().any(|attached| attached.id == group);
        self.backends.iter().filter_map(|backend| backend.interface).any(on)
            && needs::sources(self.networking).any(|one| one == *source)
    }
}

/// The permissions that are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Permissions by security group, all with [`DESCRIPTION`].
    pub groups: BTreeMap<String, BTreeSet<Permission>>,
    /// Why the needs of some bindings are not known completely.
    pub faults: Vec<(Key, NetworkingError)>,
    /// Sources that those bindings allow. No permission of these sources is revoked: it may be one that the bindings use.
    /// Permissions of other sources may be revoked: otherwise one bad binding would prevent that the security group of any load
    /// balancer can be deleted.
    pub held: BTreeSet<PeerSource>,
}

/// The changes of one security group: first authorize, then revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionChange {
    /// `sg-…`.
    pub group: String,
    /// Permissions to authorize.
    pub authorize: Vec<Permission>,
    /// Permissions to revoke.
    pub revoke: Vec<Permission>,
}

impl PermissionChange {
    /// Revokes nothing, because the needs are unknown. A permission that exists is not authorized again.
    pub fn shut_nothing_out(&mut self) {
        let kept = std::mem::take(&mut self.revoke);
        self.authorize.retain(|new| !kept.iter().any(|old| covers(old, new)));
    }
}

/// Whether one permission allows everything that another allows.
fn covers(one: &Permission, other: &Permission) -> bool {
    let around = match (one.ports, other.ports) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((from, to)), Some((first, last))) => from <= first && last <= to,
    };
    one.source == other.source && one.protocol == other.protocol && around
}

/// The permissions that all bindings together need. `restricted` collapses the ports of a source that is a security group
/// to one range; with `--disable-restricted-sg-rules` each port stays separate. CIDR blocks always stay separate.
#[must_use]
pub fn wanted(needs: &[Need<'_>], groups: EndpointGroups<'_>, restricted: bool) -> Wanted {
    let mut wanted = Wanted::default();
    for need in needs {
        let mut faults = Vec::new();
        for (group, permissions) in needs::of(need, groups, &mut faults) {
            wanted.groups.entry(group).or_default().extend(permissions);
        }
        if !need.complete || !faults.is_empty() {
            wanted.held.extend(needs::sources(need.networking));
        }
        wanted.faults.extend(faults.into_iter().map(|fault| (need.binding.clone(), fault)));
    }
    if restricted {
        for permissions in wanted.groups.values_mut() {
            *permissions = collapse(permissions);
        }
    }
    wanted
}

/// From the lowest to the highest port for each protocol and source group.
fn collapse(permissions: &BTreeSet<Permission>) -> BTreeSet<Permission> {
    let mut ranges: BTreeMap<(&str, &PeerSource), (u16, u16)> = BTreeMap::new();
    let mut collapsed = BTreeSet::new();
    for permission in permissions {
        match (&permission.source, permission.ports) {
            (PeerSource::SecurityGroup(_), Some((from, to))) => {
                let range = ranges.entry((&permission.protocol, &permission.source)).or_insert((from, to));
                *range = (range.0.min(from), range.1.max(to));
            }
            _ => {
                collapsed.insert(permission.clone());
            }
        }
    }
    let ranges = ranges.into_iter().map(|((protocol, source), ports)| ours(protocol, ports, source.clone()));
    collapsed.extend(ranges);
    collapsed
}

/// The changes from the observed permissions to the desired ones. `observed` holds all permissions of the groups that are
/// desired, and of those that have permissions of ours. The permissions of a group that is missing there are unknown: it gets all of its desired ones.
///
/// A permission that exists with another description is left as it is: AWS would refuse a second one as a duplicate.
#[must_use]
pub fn diff(wanted: &Wanted, observed: &BTreeMap<String, BTreeSet<Permission>>) -> Vec<PermissionChange> {
    let none = BTreeSet::new();
    let groups: BTreeSet<&String> = wanted.groups.keys().chain(observed.keys()).collect();
    let change = |group: &String| {
        let needed = wanted.groups.get(group).unwrap_or(&none);
        let there = observed.get(group).unwrap_or(&none);
        let has = |set: &BTreeSet<Permission>, one: &Permission| set.iter().any(|other| same(one, other));
        let surplus = |one: &&Permission| is_ours(one) && !has(needed, one) && !wanted.held.contains(&one.source);
        PermissionChange {
            group: group.clone(),
            authorize: needed.iter().filter(|one| !has(there, one)).cloned().collect(),
            revoke: there.iter().filter(surplus).cloned().collect(),
        }
    };
    let changes = groups.into_iter().map(change);
    changes.filter(|change| !change.authorize.is_empty() || !change.revoke.is_empty()).collect()
}

fn same(a: &Permission, b: &Permission) -> bool {
    a.meaning() == b.meaning()
}

/// A description is a list of labels, separated by commas.
fn is_ours(permission: &Permission) -> bool {
    permission.description.iter().flat_map(|text| text.split(',')).any(|label| label.trim() == DESCRIPTION)
}

fn ours(protocol: &str, ports: (u16, u16), source: PeerSource) -> Permission {
    Permission { protocol: protocol.to_owned(), ports: Some(ports), source, description: Some(DESCRIPTION.to_owned()) }
}

fn group_source(id: &str) -> PeerSource {
    PeerSource::SecurityGroup(Ref::Known(id.to_owned()))
}

#[cfg(test)]
mod tests;
