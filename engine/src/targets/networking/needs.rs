//! The permissions that one binding needs, by security group.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ALL_PORTS, EndpointGroups, Interface, Need, group_source, ours};
use crate::kinds::{NetworkingPeer, NetworkingPortSpec, Pod, TargetGroupBindingNetworking};
use crate::stack::{PeerSource, Permission};

/// Why the needs of a binding are unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkingError {
    /// It is unknown which security group must get the permission.
    #[error(
        "expected exactly one securityGroup tagged with {tag} for eni {interface}, got: [{}]",
        found.join(", ")
    )]
    AmbiguousGroup {
        /// `eni-…`.
        interface: String,
        /// The tag that selects it.
        tag: String,
        /// Groups with that tag: none or several.
        found: Vec<String>,
    },
    /// A peer is neither a block nor a security group.
    #[error("either ipBlock or securityGroup should be specified")]
    EmptyPeer,
    /// Nodes have no named ports.
    #[error("port {0:?} is a name: named ports can only be used with pod endpoints")]
    NamedPortOfNode(String),
    /// A pod has no container port of that name.
    #[error("unable to find port {port:?} on pod {pod}")]
    NamedPortMissing {
        /// The name.
        port: String,
        /// The pod.
        pod: String,
    },
    /// An invalid port number.
    #[error("invalid port {0}: write a number from 1 to 65535")]
    InvalidPort(i32),
}

type Pods<'a> = Vec<&'a Pod>;

/// Permissions by security group.
pub(super) fn of(
    need: &Need<'_>,
    groups: EndpointGroups<'_>,
    faults: &mut Vec<NetworkingError>,
) -> BTreeMap<String, BTreeSet<Permission>> {
    let mut pods: BTreeMap<&str, Pods<'_>> = BTreeMap::new();
    for backend in &need.backends {
        let Some(interface) = backend.interface else { continue };
        match endpoint_group(interface, groups) {
            Ok(group) => pods.entry(group).or_default().extend(backend.pod),
            Err(fault) if faults.contains(&fault) => {}
            Err(fault) => faults.push(fault),
        }
    }
    pods.into_iter().map(|(group, pods)| (group.to_owned(), permissions(need, &pods, faults))).collect()
}

/// The security group (`sg-…`) that gets the permission: the only one, or the only one with the tag of the cluster.
///
/// # Errors
/// [`NetworkingError::AmbiguousGroup`] if several groups are attached, and not exactly one of them has the tags.
pub fn endpoint_group<'i>(interface: &'i Interface, groups: EndpointGroups<'_>) -> Result<&'i str, NetworkingError> {
    if let [only] = interface.security_groups.as_slice() {
        return Ok(&only.id);
    }
    let tag = format!("kubernetes.io/cluster/{}", groups.cluster);
    let marked = interface.security_groups.iter().filter(|group| {
        group.tags.contains_key(&tag) && groups.tags.iter().all(|(key, value)| group.tags.get(key) == Some(value))
    });
    let found: Vec<&str> = marked.map(|group| group.id.as_str()).collect();
    match found.as_slice() {
        [one] => Ok(one),
        _ => Err(NetworkingError::AmbiguousGroup {
            interface: interface.id.clone(),
            tag,
            found: found.into_iter().map(str::to_owned).collect(),
        }),
    }
}

fn permissions(need: &Need<'_>, pods: &[&Pod], faults: &mut Vec<NetworkingError>) -> BTreeSet<Permission> {
    let mut permissions = BTreeSet::new();
    // A rule without ports allows all ports, as the CRD says.
    let all = [NetworkingPortSpec::default()];
    for rule in &need.networking.ingress {
        let ports = if rule.ports.is_empty() { all.as_slice() } else { rule.ports.as_slice() };
        for peer in &rule.from {
            let Some(source) = source(peer) else {
                faults.push(NetworkingError::EmptyPeer);
                continue;
            };
            for port in ports {
                let protocol = if port.protocol.as_deref() == Some("UDP") { "udp" } else { "tcp" };
                let ranges = ranges(port, pods, faults);
                permissions.extend(ranges.into_iter().map(|range| ours(protocol, range, source.clone())));
            }
        }
    }
    permissions
}

/// All sources that a binding allows.
pub(super) fn sources(networking: &TargetGroupBindingNetworking) -> impl Iterator<Item = PeerSource> {
    networking.ingress.iter().flat_map(|rule| &rule.from).filter_map(source)
}

fn source(peer: &NetworkingPeer) -> Option<PeerSource> {
    if let Some(group) = &peer.security_group {
        return Some(group_source(&group.group_id));
    }
    let cidr = &peer.ip_block.as_ref()?.cidr;
    Some(if cidr.contains(':') { PeerSource::Ipv6(cidr.clone()) } else { PeerSource::Ipv4(cidr.clone()) })
}

/// A named port may have another number on each pod.
fn ranges(port: &NetworkingPortSpec, pods: &[&Pod], faults: &mut Vec<NetworkingError>) -> BTreeSet<(u16, u16)> {
    let mut ranges = BTreeSet::new();
    let mut add = |number: i32, faults: &mut Vec<NetworkingError>| match u16::try_from(number) {
        Ok(number) if number > 0 => {
            ranges.insert((number, number));
        }
        _ => faults.push(NetworkingError::InvalidPort(number)),
    };
    match &port.port {
        None => return BTreeSet::from([ALL_PORTS]),
        Some(IntOrString::Int(number)) => add(*number, faults),
        Some(IntOrString::String(name)) if pods.is_empty() => {
            faults.push(NetworkingError::NamedPortOfNode(name.clone()));
        }
        Some(IntOrString::String(name)) => {
            for pod in pods {
                let Some(number) = pod.port(name) else {
                    let pod = pod.key.to_string();
                    faults.push(NetworkingError::NamedPortMissing { port: name.clone(), pod });
                    continue;
                };
                add(number, faults);
            }
        }
    }
    ranges
}
