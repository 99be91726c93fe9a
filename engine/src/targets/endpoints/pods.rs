//! Pods as targets, by address: the addresses in `EndpointSlice`s, checked against the pods and their nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::ServicePort;

use super::{Origin, Resolved, SkipReason, Sources};
use crate::kinds::{Endpoint, Endpoints, Key, Node, Pod, TargetGroupBinding, readiness_gate};
use crate::stack::Target;

/// The result for one endpoint.
enum Fate {
    Target,
    /// A target only if there is no other: its containers run, but the state of its node is unknown.
    LastResort,
    Skip(SkipReason),
}

pub(super) fn resolve(
    binding: &TargetGroupBinding,
    service: &Key,
    port: &ServicePort,
    sources: Sources<'_>,
) -> Resolved {
    let nodes: BTreeMap<&str, &Node> = sources.nodes.iter().map(|node| (node.name.as_str(), node.as_ref())).collect();
    let gate = readiness_gate(binding.metadata.name.as_deref().unwrap_or_default());
    let zones = Zones::new(binding, sources.vpc_cidrs);
    let (mut resolved, mut last_resort) = (Resolved::default(), Vec::new());
    for (number, endpoint) in endpoints(binding, service, port, sources) {
        // Endpoints without a pod, written by hand, are not targets.
        let Some(key) = endpoint.pod_key(&service.namespace) else { continue };
        let origin = Origin::Pod(key.clone());
        let Some(pod) = (sources.pods)(&key) else {
            resolved.skip(origin, SkipReason::PodNotSeen);
            continue;
        };
        if endpoint.address.is_empty() {
            resolved.skip(origin, SkipReason::NoAddress);
            continue;
        }
        let Some(number) = u16::try_from(number).ok().filter(|number| *number > 0) else {
            resolved.skip(origin, SkipReason::InvalidPort);
            continue;
        };
        let availability_zone = zones.of(&endpoint.address);
        let target = Target { id: endpoint.address.clone(), port: number, availability_zone };
        match fate(endpoint, &pod, &nodes, &gate) {
            Fate::Target => resolved.add(target, origin),
            Fate::LastResort => last_resort.push((target, origin)),
            Fate::Skip(reason) => resolved.skip(origin, reason),
        }
    }
    let open = sources.fail_open && resolved.targets.is_empty();
    resolved.failed_open = open && !last_resort.is_empty();
    for (target, origin) in last_resort {
        if open {
            resolved.add(target, origin);
        } else if resolved.origins.get(&target) != Some(&origin) {
            resolved.skip(origin, SkipReason::NodeNotReady);
        }
    }
    resolved
}

/// The endpoints of the port of the Service, with their port numbers, in the address family of the binding.
fn endpoints<'a>(
    binding: &TargetGroupBinding,
    service: &'a Key,
    port: &'a ServicePort,
    sources: Sources<'a>,
) -> impl Iterator<Item = (i32, &'a Endpoint)> {
    let family = if binding.spec.ip_address_type.as_deref() == Some("ipv6") { "IPv6" } else { "IPv4" };
    let name = port.name.as_deref().unwrap_or_default();
    let ours = move |slice: &&'a Endpoints| {
        slice.address_type == family && slice.service == service.name && slice.key.namespace == service.namespace
    };
    sources.slices.iter().map(AsRef::as_ref).filter(ours).flat_map(move |slice: &Endpoints| {
        // A port without a name is the only port of its Service.
        let ports = slice.ports.iter().filter(move |port| name.is_empty() || port.name == name);
        ports.flat_map(|port| slice.endpoints.iter().map(|endpoint| (port.port, endpoint)))
    })
}

/// A pod that waits for the health of its target cannot be ready before it is a target: then its containers and its node count.
fn fate(endpoint: &Endpoint, pod: &Pod, nodes: &BTreeMap<&str, &Node>, gate: &str) -> Fate {
    if endpoint.ready {
        return Fate::Target;
    }
    if !pod.containers_ready {
        let waits = pod.gate(gate).is_some();
        return Fate::Skip(if waits { SkipReason::AwaitsHealth } else { SkipReason::NotReady });
    }
    let Some(node) = nodes.get(&*pod.node) else { return Fate::Skip(SkipReason::NodeNotSeen) };
    match node.ready.as_str() {
        "True" if endpoint.terminating => Fate::Skip(SkipReason::Terminating),
        "True" => Fate::Target,
        "Unknown" => Fate::LastResort,
        _ => Fate::Skip(SkipReason::NodeNotReady),
    }
}

/// AWS finds the zone of an address in the VPC itself. An address outside must be registered for `all` zones:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetDescription.html>.
struct Zones {
    /// The VPC belongs to another account: then every address is outside.
    foreign: bool,
    blocks: Vec<IpNet>,
}

impl Zones {
    fn new(binding: &TargetGroupBinding, blocks: Option<&[String]>) -> Self {
        Self {
            foreign: binding.spec.iam_role_arn_to_assume.as_deref().is_some_and(|role| !role.is_empty()),
            blocks: blocks.unwrap_or_default().iter().filter_map(|block| block.parse().ok()).collect(),
        }
    }

    fn of(&self, address: &str) -> Option<String> {
        let all = self.foreign || address.parse().is_ok_and(|address| self.is_outside(&address));
        all.then(|| "all".to_owned())
    }

    /// Without a block of the address family the result is unknown.
    fn is_outside(&self, address: &IpAddr) -> bool {
        let mut family = self.blocks.iter().filter(|block| block.addr().is_ipv4() == address.is_ipv4()).peekable();
        family.peek().is_some() && !family.any(|block| block.contains(address))
    }
}
