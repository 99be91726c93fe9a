//! A plan that deletes what it has just made or changed: whatever led to it, one of the two is wrong.

use std::collections::BTreeMap;
use std::fmt;

use super::super::diff::Input;
use super::super::operation::{AwsOperation, KubeOperation, Operation};
use super::Misroute;
use crate::stack::{DELETION_PROTECTION, Ref};

/// What an operation makes, changes or deletes, by what it is told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A `TargetGroupBinding`, `namespace/name`.
    Binding(String),
    /// A resource of AWS, by ARN or id.
    Arn(String),
    /// A target group, load balancer or security group by its name: what is created has no ARN yet.
    Named(&'static str, String),
    /// A tag, certificate, permission or target of a resource.
    Part(String, String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding(key) => write!(f, "TargetGroupBinding {key}"),
            Self::Arn(arn) => f.write_str(arn),
            Self::Named(kind, name) => write!(f, "{kind} {name}"),
            Self::Part(of, part) => write!(f, "{part} of {of}"),
        }
    }
}

/// Each deletion of what an earlier operation of the same plan applied.
pub(super) fn undone(operations: &[Operation], input: Input<'_>) -> Vec<Misroute> {
    let mut applied: BTreeMap<Subject, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (after, operation) in operations.iter().enumerate() {
        let gone = deletes(operation, input);
        let first = gone.iter().find_map(|subject| Some((subject, applied.get(subject)?)));
        if let Some((subject, earlier)) = first {
            let gets = format!("is deleted, although operation {} has just applied it", earlier + 1);
            wrong.push(Misroute { after, request: subject.to_string(), gets });
        }
        applied.extend(applies(operation).into_iter().map(|subject| (subject, after)));
    }
    wrong
}

fn applies(operation: &Operation) -> Vec<Subject> {
    use AwsOperation as Aws;
    let operation = match operation {
        Operation::Aws(operation) => operation,
        Operation::Kube(KubeOperation::ApplyBinding(binding)) => {
            return vec![Subject::Binding(format!("{}/{}", binding.namespace, binding.name))];
        }
        Operation::Kube(KubeOperation::DeleteBinding { .. }) => return Vec::new(),
    };
    match operation {
        Aws::CreateSecurityGroup { is, .. } => named(SECURITY_GROUP, &is.name),
        Aws::CreateTargetGroup { is, .. } => named(TARGET_GROUP, &is.name),
        Aws::CreateFrontendTargetGroup { is, .. } => named(TARGET_GROUP, &is.name),
        Aws::CreateLoadBalancer { is } => named(LOAD_BALANCER, &is.name),
        Aws::CreateFrontendNlb { is } => named(LOAD_BALANCER, &is.name),
        Aws::ModifyTargetGroup { target_group, .. } => arn(target_group),
        Aws::SetSecurityGroups { load_balancer, .. }
        | Aws::SetSubnets { load_balancer, .. }
        | Aws::SetIpAddressType { load_balancer, .. }
        | Aws::ModifyIpPools { load_balancer, .. }
        | Aws::SetFrontendSubnets { load_balancer, .. } => arn(load_balancer),
        // Protection is taken off what is to be deleted.
        Aws::ModifyLoadBalancerAttributes { load_balancer, attributes } => {
            let only_lifts = attributes.keys().all(|key| key == DELETION_PROTECTION);
            if only_lifts { Vec::new() } else { known(load_balancer) }
        }
        Aws::CreateListener { load_balancer, .. } | Aws::CreateFrontendListener { load_balancer, .. } => {
            known(load_balancer)
        }
        Aws::ModifyListener { listener, .. } | Aws::ModifyFrontendListener { listener, .. } => arn(listener),
        Aws::ModifyTargetGroupAttributes { target_group, .. } => known(target_group),
        Aws::AddListenerCertificate { listener, certificate } => parts(listener, [certificate]),
        Aws::AuthorizeSecurityGroupIngress { group, permissions } => parts(group, permissions.iter().map(Debugged)),
        Aws::RegisterTargets { target_group, targets } => {
            parts(&Ref::Known(target_group.clone()), targets.iter().map(Debugged))
        }
        Aws::CreateTags { group: resource, tags } | Aws::AddTags { resource, tags } => parts(resource, tags.keys()),
        _ => Vec::new(),
    }
}

fn deletes(operation: &Operation, input: Input<'_>) -> Vec<Subject> {
    use AwsOperation as Aws;
    let operation = match operation {
        Operation::Aws(operation) => operation,
        Operation::Kube(KubeOperation::DeleteBinding { namespace, name }) => {
            return vec![Subject::Binding(format!("{namespace}/{name}"))];
        }
        Operation::Kube(KubeOperation::ApplyBinding(_)) => return Vec::new(),
    };
    let of = |arn: &String| Ref::Known(arn.clone());
    match operation {
        Aws::DeleteTargetGroup { target_group } => both(TARGET_GROUP, target_group, ":targetgroup/", 0),
        // …:loadbalancer/app/NAME/ID
        Aws::DeleteLoadBalancer { load_balancer } => both(LOAD_BALANCER, load_balancer, ":loadbalancer/", 1),
        Aws::DeleteSecurityGroup { group } => {
            let found = input.observed.security_groups.iter().find(|found| found.arn == *group);
            let name = found.map(|found| Subject::Named(SECURITY_GROUP, found.is.name.clone()));
            arn(group).into_iter().chain(name).collect()
        }
        Aws::DeleteListener { listener } => arn(listener),
        Aws::RemoveListenerCertificate { listener, certificate } => parts(&of(listener), [certificate]),
        Aws::RevokeSecurityGroupIngress { group, permissions } => parts(group, permissions.iter().map(Debugged)),
        Aws::DeregisterTargets { target_group, targets } => parts(&of(target_group), targets.iter().map(Debugged)),
        Aws::DeleteTags { group, keys } => parts(group, keys),
        Aws::RemoveTags { resource, keys } => parts(&of(resource), keys),
        _ => Vec::new(),
    }
}

const SECURITY_GROUP: &str = "security group";
const TARGET_GROUP: &str = "target group";
const LOAD_BALANCER: &str = "load balancer";

fn named(kind: &'static str, name: &str) -> Vec<Subject> {
    vec![Subject::Named(kind, name.to_owned())]
}

fn arn(arn: &str) -> Vec<Subject> {
    vec![Subject::Arn(arn.to_owned())]
}

fn known(reference: &Ref) -> Vec<Subject> {
    match reference {
        Ref::Known(known) => arn(known),
        Ref::Of(_) => Vec::new(),
    }
}

fn parts<T: fmt::Display>(of: &Ref, parts: impl IntoIterator<Item = T>) -> Vec<Subject> {
    parts.into_iter().map(|part| Subject::Part(of.to_string(), part.to_string())).collect()
}

/// An ARN, and the name that stands in it so many parts behind `kind`.
fn both(what: &'static str, of: &str, kind: &str, place: usize) -> Vec<Subject> {
    let name = of.split_once(kind).and_then(|(_, path)| path.split('/').nth(place));
    arn(of).into_iter().chain(name.map(|name| Subject::Named(what, name.to_owned()))).collect()
}

/// What has no text for people is told apart by the one for developers.
struct Debugged<'a, T>(&'a T);

impl<T: fmt::Debug> fmt::Display for Debugged<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
