//! The targets of a binding: pods by address from `EndpointSlice`s, or nodes by instance id through a `NodePort`.

mod instances;
mod pods;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::{Endpoints, Key, Node, Pod, TargetGroupBinding};
use crate::stack::{Target, TargetType};

/// What is known of the Service of a binding. A Service that is missing in the cache may exist. Only if the API server itself
/// says that it does not, targets may be deregistered.
#[derive(Debug, Clone, Copy)]
pub enum ServiceRead<'a> {
    /// It exists.
    Found(&'a Service),
    /// It is not in the cache.
    NotCached,
    /// The API server says that it does not exist.
    Gone,
}

/// The input that targets are derived from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The Service that the binding names.
    pub service: ServiceRead<'a>,
    /// `EndpointSlice`s; those of other Services are ignored. Not used with target type `instance`.
    pub slices: &'a [Arc<Endpoints>],
    /// Pods by namespace and name.
    pub pods: &'a dyn Fn(&Key) -> Option<Arc<Pod>>,
    /// All nodes.
    pub nodes: &'a [Arc<Node>],
    /// CIDR blocks of the VPC of the target group, IPv4 and IPv6; `None` while they are unknown, and then no
    /// address counts as outside.
    pub vpc_cidrs: Option<&'a [String]>,
    /// Feature gate `EndpointsFailOpen`: if no endpoint is ready, those whose node's state is unknown are targets.
    pub fail_open: bool,
}

/// The result for a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// These targets, possibly none.
    Targets(Resolved),
    /// The Service was deleted: everything may be deregistered, if the caller agrees.
    Gone,
}

/// Targets and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The targets.
    pub targets: BTreeSet<Target>,
    /// What is behind each of them.
    pub origins: BTreeMap<Target, Origin>,
    /// Endpoints and nodes that are no targets, and why.
    pub skipped: Vec<Skipped>,
    /// Nothing is ready, and the targets are those on nodes of unknown state.
    pub failed_open: bool,
}

/// What is behind a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A pod.
    Pod(Key),
    /// A node, by name.
    Node(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(key) => write!(f, "Pod {key}"),
            Self::Node(name) => write!(f, "Node {name}"),
        }
    }
}

/// Something that is not a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What it is.
    pub origin: Origin,
    /// The reason.
    pub reason: SkipReason,
}

/// Why something is not a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// The watch has not reported the pod yet. The binding must be resolved again when it does.
    PodNotSeen,
    /// Its containers are not ready.
    NotReady,
    /// Its containers are not ready, and it waits for the health of this target: resolve again when they are ready.
    AwaitsHealth,
    /// It is terminating.
    Terminating,
    /// Its node is unknown.
    NodeNotSeen,
    /// Its node, or the node itself, is not ready.
    NodeNotReady,
    /// The port number is invalid.
    InvalidPort,
    /// The node is not an EC2 instance: a hybrid node, or one without a `providerID` yet.
    NotAnInstance,
    /// The pod's endpoint has no address.
    NoAddress,
    /// The node has a label that excludes it.
    ExcludedByLabel,
    /// The binding's node selector does not match it.
    NotSelected,
    /// The node is about to be removed by an autoscaler.
    BeingRemoved,
}

impl SkipReason {
    /// Whether this needs an event: it looks like a target and cannot be one, and this will not change without an action.
    #[must_use]
    pub fn is_worth_telling(self) -> bool {
        matches!(self, Self::PodNotSeen | Self::NotAnInstance | Self::NoAddress | Self::InvalidPort)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PodNotSeen => "the pod has not been seen yet",
            Self::NotReady => "its containers are not ready",
            Self::AwaitsHealth => "its containers are not ready and it waits for its target to be healthy",
            Self::Terminating => "it is terminating",
            Self::NodeNotSeen => "its node is not known",
            Self::NodeNotReady => "the node is not ready",
            Self::InvalidPort => "its port is no port",
            Self::NotAnInstance => "its providerID names no EC2 instance",
            Self::NoAddress => "it has no address",
            Self::ExcludedByLabel => "a label of the node keeps it out",
            Self::NotSelected => "the node selector does not match",
            Self::BeingRemoved => "an autoscaler removes the node",
        })
    }
}

/// Why the targets of a binding are unknown. No target may be deregistered for this: what is registered stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetsError {
    /// The Service is not in the cache; read it from the API server.
    #[error("Service {0} not found")]
    ServiceNotFound(Key),
    /// The Service has no such port, for example because it was renamed and the binding has the old name.
    #[error("unable to find port {port} on service {service}; it has {}", known.join(", "))]
    PortNotFound {
        /// The Service.
        service: Key,
        /// The port as the binding names it.
        port: String,
        /// The ports of the Service: `80 (http)`.
        known: Vec<String>,
    },
    /// Instances are reached only through a `NodePort`.
    #[error("service type must be either 'NodePort' or 'LoadBalancer': {0}")]
    ServiceType(Key),
    /// The port has no `NodePort` (yet).
    #[error("port {port} of service {service} has no nodePort")]
    NoNodePort {
        /// The Service.
        service: Key,
        /// Its port.
        port: i32,
    },
    /// `spec.targetType` is neither `instance` nor `ip`.
    #[error("spec.targetType is {0:?}, allowed are instance and ip")]
    TargetType(String),
    /// `spec.nodeSelector` is invalid.
    #[error("spec.nodeSelector: {0:?} is no operator, allowed are In, NotIn, Exists and DoesNotExist")]
    Selector(String),
}

/// The targets of a binding.
///
/// # Errors
/// If they are unknown; see [`TargetsError`].
pub fn resolve(binding: &TargetGroupBinding, sources: Sources<'_>) -> Result<Resolution, TargetsError> {
    let reference = &binding.spec.service_ref;
    let key = Key::new(binding.metadata.namespace.as_deref().unwrap_or_default(), &reference.name);
    let service = match sources.service {
        ServiceRead::Found(service) => service,
        ServiceRead::NotCached => return Err(TargetsError::ServiceNotFound(key)),
        ServiceRead::Gone => return Ok(Resolution::Gone),
    };
    let port = service_port(service, &reference.port, &key)?;
    let kind = binding.spec.target_type.as_deref().unwrap_or_default();
    let resolved = match TargetType::parse(kind) {
        Some(TargetType::Ip) => pods::resolve(binding, &key, port, sources),
        Some(TargetType::Instance) => instances::resolve(binding, &key, service, port, sources)?,
        None => return Err(TargetsError::TargetType(kind.to_owned())),
    };
    Ok(Resolution::Targets(resolved))
}

fn service_port<'s>(service: &'s Service, port: &IntOrString, key: &Key) -> Result<&'s ServicePort, TargetsError> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let found = ports.iter().find(|candidate| match port {
        IntOrString::Int(number) => candidate.port == *number,
        IntOrString::String(name) => candidate.name.as_deref() == Some(name),
    });
    found.ok_or_else(|| TargetsError::PortNotFound {
        service: key.clone(),
        port: match port {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(name) => name.clone(),
        },
        known: ports
            .iter()
            .map(|port| {
                port.name.as_ref().map_or_else(|| port.port.to_string(), |name| format!("{} ({name})", port.port))
            })
            .collect(),
    })
}

impl Resolved {
    fn add(&mut self, target: Target, origin: Origin) {
        self.targets.insert(target.clone());
        self.origins.insert(target, origin);
    }

    fn skip(&mut self, origin: Origin, reason: SkipReason) {
        self.skipped.push(Skipped { origin, reason });
    }
}

#[cfg(test)]
mod tests;
