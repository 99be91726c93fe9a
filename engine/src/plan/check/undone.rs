//! A plan that deletes what it has just made or changed: whatever led to it, one of the two is wrong.

use std::collections::BTreeMap;
use std::fmt;

use super::super::difference::Input;
use super::super::operation::{Aspect, CallEffect, KubeOperation, NewResource, Operation, ResourceKind, ResourceParts};
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
        let (made, removed) = match operation {
            Operation::Aws(operation) => {
                let effect = operation.describe().effect;
                (applied_by(&effect), deleted_by(&effect, input))
            }
            Operation::Kube(KubeOperation::ApplyBinding(binding)) => {
                (vec![Subject::Binding(format!("{}/{}", binding.namespace, binding.name))], Vec::new())
            }
            Operation::Kube(KubeOperation::DeleteBinding { namespace, name }) => {
                (Vec::new(), vec![Subject::Binding(format!("{namespace}/{name}"))])
            }
        };
        let first = removed.iter().find_map(|subject| Some((subject, applied.get(subject)?)));
        if let Some((subject, earlier)) = first {
            let gets = format!("is deleted, although operation {} has just applied it", earlier + 1);
            wrong.push(Misroute { after, request: subject.to_string(), gets });
        }
        applied.extend(made.into_iter().map(|subject| (subject, after)));
    }
    wrong
}

fn applied_by(effect: &CallEffect<'_>) -> Vec<Subject> {
    match effect {
        CallEffect::Create(new) => match new {
            NewResource::SecurityGroup(_, name) => named(SECURITY_GROUP, name),
            NewResource::TargetGroup(_, name) | NewResource::NlbTargetGroup(_, name) => named(TARGET_GROUP, name),
            NewResource::LoadBalancer(_, name) => named(LOAD_BALANCER, name),
            NewResource::Listener(of, _) | NewResource::NlbListener(of, _) | NewResource::Rule(of, ..) => known(of),
        },
        // Protection is taken off what is to be deleted.
        CallEffect::Change(_, _, Aspect::Attributes(set)) if set.keys().all(|key| key == DELETION_PROTECTION) => {
            Vec::new()
        }
        CallEffect::Change(_, of, _) => known(of),
        CallEffect::Add(of, added) => parts(of, added),
        CallEffect::Remove(..) | CallEffect::Reorder(_) | CallEffect::Delete(..) => Vec::new(),
    }
}

fn deleted_by(effect: &CallEffect<'_>, input: Input<'_>) -> Vec<Subject> {
    match effect {
        CallEffect::Delete(ResourceKind::TargetGroup, arn) => both(TARGET_GROUP, arn, ":targetgroup/", 0),
        // …:loadbalancer/app/NAME/ID
        CallEffect::Delete(ResourceKind::LoadBalancer, arn) => both(LOAD_BALANCER, arn, ":loadbalancer/", 1),
        CallEffect::Delete(ResourceKind::SecurityGroup, id) => {
            let found = input.observed.security_groups.iter().find(|found| found.arn == *id);
            let name = found.map(|found| Subject::Named(SECURITY_GROUP, found.is.name.clone()));
            arn(id).into_iter().chain(name).collect()
        }
        CallEffect::Delete(ResourceKind::Listener | ResourceKind::Rule, deleted) => arn(deleted),
        CallEffect::Remove(of, removed) => parts(of, removed),
        CallEffect::Create(_) | CallEffect::Change(..) | CallEffect::Add(..) | CallEffect::Reorder(_) => Vec::new(),
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

/// Each part by the text that tells it apart: for people, or for developers where there is none for people.
fn parts(of: &Ref, parts: &ResourceParts<'_>) -> Vec<Subject> {
    let texts: Vec<String> = match parts {
        ResourceParts::Tags(keys) => keys.iter().map(ToString::to_string).collect(),
        ResourceParts::Permissions(permissions) => permissions.iter().map(|one| format!("{one:?}")).collect(),
        ResourceParts::Certificate(certificate) => vec![(*certificate).to_owned()],
        ResourceParts::Targets(targets) => targets.iter().map(|one| format!("{one:?}")).collect(),
        ResourceParts::LoadBalancer(arn, port) => vec![format!("{arn}:{port}")],
    };
    texts.into_iter().map(|text| Subject::Part(of.to_string(), text)).collect()
}

/// An ARN, and the name that stands in it so many parts behind `kind`.
fn both(what: &'static str, of: &str, kind: &str, place: usize) -> Vec<Subject> {
    let name = of.split_once(kind).and_then(|(_, path)| path.split('/').nth(place));
    arn(of).into_iter().chain(name.map(|name| Subject::Named(what, name.to_owned()))).collect()
}
