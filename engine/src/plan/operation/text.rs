//! Operations as text for people, one line each.

use super::{Aspect, AwsOperation, CallEffect, KubeOperation, Operation, ResourceParts, addons};
use crate::stack::LoadBalancerKind;

/// One operation: a sign (`+` creates or adds, `~` changes, `-` deletes or removes), the call and what it is about.
#[must_use]
pub fn line(operation: &Operation) -> String {
    let about = match operation {
        Operation::Kube(KubeOperation::ApplyBinding(binding)) => {
            format!("{}/{} for {}", binding.namespace, binding.name, binding.target_group)
        }
        Operation::Kube(KubeOperation::DeleteBinding { namespace, name }) => format!("{namespace}/{name}"),
        Operation::Aws(operation) => operation.about(),
    };
    format!("{} {about}", call(operation))
}

/// The sign and the call of an operation, without anything that a member of the group wrote.
#[must_use]
pub fn call(operation: &Operation) -> String {
    let (sign, name) = match operation {
        Operation::Kube(KubeOperation::ApplyBinding(_)) => ('~', "TargetGroupBinding"),
        Operation::Kube(KubeOperation::DeleteBinding { .. }) => ('-', "TargetGroupBinding"),
        Operation::Aws(operation) => {
            let described = operation.describe();
            (sign(&described.effect), described.call.name)
        }
    };
    format!("{sign} {name}")
}

fn sign(effect: &CallEffect<'_>) -> char {
    match effect {
        CallEffect::Create(_) => '+',
        CallEffect::Delete(..) => '-',
        CallEffect::Change(_, _, Aspect::Attachment(addon, is)) => addons::sign(*addon, *is),
        CallEffect::Change(..) | CallEffect::Reorder(_) => '~',
        CallEffect::Add(_, ResourceParts::Tags(_)) | CallEffect::Remove(_, ResourceParts::Tags(_)) => '~',
        CallEffect::Add(..) => '+',
        CallEffect::Remove(..) => '-',
    }
}

impl AwsOperation {
    /// What it is about.
    fn about(&self) -> String {
        match self {
            Self::CreateSecurityGroup { is, .. } => is.name.clone(),
            Self::AuthorizeSecurityGroupIngress { group, permissions }
            | Self::RevokeSecurityGroupIngress { group, permissions } => format!("{group}: {}", list(permissions)),
            Self::CreateTags { group: of, tags: values }
            | Self::AddTags { resource: of, tags: values }
            | Self::ModifyTargetGroupAttributes { target_group: of, attributes: values }
            | Self::ModifyLoadBalancerAttributes { load_balancer: of, attributes: values }
            | Self::ModifyListenerAttributes { listener: of, attributes: values } => {
                format!("{of}: {}", list(values.keys()))
            }
            Self::DeleteTags { group, keys } => format!("{group}: {}", list(keys)),
            Self::RemoveTags { resource, keys } => format!("{resource}: {}", list(keys)),
            Self::CreateTargetGroup { id, is } => format!("{} for {id}", is.name),
            Self::RegisterTargets { target_group, targets } | Self::DeregisterTargets { target_group, targets } => {
                format!("{target_group}: {} targets", targets.len())
            }
            Self::CreateLoadBalancer { is } => match is.kind {
                LoadBalancerKind::Application => format!("{} ({})", is.name, is.scheme),
                LoadBalancerKind::Network => format!("{} ({}, NLB)", is.name, is.scheme),
            },
            Self::SetSecurityGroups { load_balancer, security_groups } => {
                format!("{load_balancer}: {}", list(security_groups))
            }
            Self::SetSubnets { load_balancer, subnets, .. } => format!("{load_balancer}: {}", list(subnets)),
            Self::SetIpAddressType { load_balancer, ip_address_type } => {
                format!("{load_balancer}: {}", ip_address_type.as_str())
            }
            Self::ModifyIpPools { load_balancer: of, .. }
            | Self::ModifyTargetGroup { target_group: of, .. }
            | Self::DeleteSecurityGroup { group: of }
            | Self::DeleteTargetGroup { target_group: of }
            | Self::DeleteLoadBalancer { load_balancer: of }
            | Self::DeleteListener { listener: of }
            | Self::DeleteRule { rule: of } => of.clone(),
            Self::Attach { load_balancer, addon, is } => addons::about(load_balancer, *addon, Some(is)),
            Self::Detach { load_balancer, addon, .. } => addons::about(load_balancer, *addon, None),
            Self::CreateNlbTargetGroup { id, is } => format!("{} for {id}", is.name),
            Self::CreateNlbListener { port, .. } => format!("TCP {port}"),
            Self::ModifyNlbListener { listener, port, .. } => format!("TCP {port} ({listener})"),
            Self::RegisterLoadBalancer { target_group, port, .. } => {
                format!("{target_group}: the load balancer's port {port}")
            }
            Self::CreateListener { is, .. } => format!("{} {}", is.protocol, is.port),
            Self::ModifyListener { listener, is } => format!("{} {} ({listener})", is.protocol, is.port),
            Self::AddListenerCertificate { listener, certificate } => format!("{listener}: {certificate}"),
            Self::RemoveListenerCertificate { listener, certificate } => format!("{listener}: {certificate}"),
            Self::CreateRule { port, is, .. } => format!("{port} {is}"),
            Self::ModifyRule { is, .. } => is.to_string(),
            Self::SetRulePriorities { priorities } => {
                list(priorities.iter().map(|(rule, to)| format!("{rule} to {to}")))
            }
        }
    }
}

fn list(items: impl IntoIterator<Item: ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
