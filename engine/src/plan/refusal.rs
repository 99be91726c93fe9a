//! What is done when AWS refuses one operation of a plan: which others are right without it, and which removal makes room for it.

use super::Plan;
use super::operation::{CallEffect, KubeOperation, NewResource, Operation, ResourceKind, ResourceParts};
use crate::stack::Ref;

/// What counts against one quota of AWS, as far as a plan both adds and removes it.
#[derive(Debug, PartialEq, Eq)]
enum Counted<'e> {
    /// Permissions of a security group.
    Permissions(&'e Ref),
    /// Tags of a resource.
    Tags(&'e Ref),
    /// Certificates: 25 a load balancer, so that those of its other listeners count too.
    Certificates,
    /// Listeners: 50 a load balancer, of which a plan has one.
    Listeners,
}

/// What an operation adds to (`true`) or takes from what a quota counts.
fn counted<'e>(effect: &'e CallEffect<'_>) -> Option<(bool, Counted<'e>)> {
    match effect {
        CallEffect::Create(NewResource::Listener(..)) => Some((true, Counted::Listeners)),
        CallEffect::Delete(ResourceKind::Listener, _) => Some((false, Counted::Listeners)),
        CallEffect::Add(of, parts) => Some((true, counted_parts(of, parts)?)),
        CallEffect::Remove(of, parts) => Some((false, counted_parts(of, parts)?)),
        CallEffect::Create(_) | CallEffect::Change(..) | CallEffect::Reorder(_) | CallEffect::Delete(..) => None,
    }
}

fn counted_parts<'e>(of: &'e Ref, parts: &ResourceParts<'_>) -> Option<Counted<'e>> {
    match parts {
        ResourceParts::Permissions(_) => Some(Counted::Permissions(of)),
        ResourceParts::Tags(_) => Some(Counted::Tags(of)),
        ResourceParts::Certificate(_) => Some(Counted::Certificates),
        // Bindings see to the quotas of targets.
        ResourceParts::Targets(_) | ResourceParts::LoadBalancer(..) => None,
    }
}

/// Whether an operation only takes away what nothing needs any more.
fn cleans_up(operation: &Operation) -> bool {
    match operation {
        Operation::Kube(KubeOperation::DeleteBinding { .. }) => true,
        Operation::Kube(KubeOperation::ApplyBinding(_)) => false,
        Operation::Aws(aws) => aws.describe().importance.is_clean_up(),
    }
}

fn effect(operation: &Operation) -> Option<CallEffect<'_>> {
    match operation {
        Operation::Aws(aws) => Some(aws.describe().effect),
        Operation::Kube(_) => None,
    }
}

impl Plan {
    /// Index of the first operation behind which there is nothing but clean-up: what is asked for stands by then.
    #[must_use]
    pub fn clean_up(&self) -> usize {
        self.operations.iter().rposition(|operation| !cleans_up(operation)).map_or(0, |last| last + 1)
    }

    /// Indices of later operations that make room for the one at `refused`, which AWS refused because a quota is used up.
    ///
    /// Adding first is right wherever there is room: then nobody is shut out while the plan runs. Without room there is no such order.
    #[must_use]
    pub fn making_room(&self, refused: usize) -> Vec<usize> {
        let full = self.operations.get(refused).and_then(effect);
        let Some((true, full)) = full.as_ref().and_then(counted) else { return Vec::new() };
        let frees = |operation| {
            effect(operation).is_some_and(|one| counted(&one).is_some_and(|(adds, what)| !adds && what == full))
        };
        let later = self.operations.iter().enumerate().skip(refused + 1);
        later.filter(|(_, operation)| frees(operation)).map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::operation::AwsOperation as Aws;
    use crate::stack::Tags;

    fn plan(operations: Vec<Aws>) -> Plan {
        Plan { operations: operations.into_iter().map(Operation::Aws).collect(), ..Plan::default() }
    }

    fn authorize(group: &str) -> Aws {
        Aws::AuthorizeSecurityGroupIngress { group: Ref::Known(group.to_owned()), permissions: Vec::new() }
    }

    fn revoke(group: &str) -> Aws {
        Aws::RevokeSecurityGroupIngress { group: Ref::Known(group.to_owned()), permissions: Vec::new() }
    }

    #[test]
    fn a_removal_makes_room_for_what_counts_against_the_same_quota() {
        let certificate = |name: &str| name.to_owned();
        let rows = [
            (authorize("sg-1"), revoke("sg-1"), true),
            (authorize("sg-1"), revoke("sg-2"), false),
            (
                Aws::AddListenerCertificate { listener: Ref::Known("a".to_owned()), certificate: certificate("new") },
                Aws::RemoveListenerCertificate { listener: "b".to_owned(), certificate: certificate("old") },
                true,
            ),
            (
                Aws::AddTags { resource: Ref::Known("tg".to_owned()), tags: Tags::new() },
                Aws::RemoveTags { resource: "tg".to_owned(), keys: Vec::new() },
                true,
            ),
            (
                Aws::AddTags { resource: Ref::Known("tg".to_owned()), tags: Tags::new() },
                Aws::RemoveTags { resource: "lb".to_owned(), keys: Vec::new() },
                false,
            ),
        ];
        for (adds, removes, makes_room) in rows {
            let plan = plan(vec![adds, removes]);
            assert_eq!(plan.making_room(0) == [1], makes_room, "{plan:?}");
            assert!(plan.making_room(1).is_empty(), "only what comes later");
        }
    }

    #[test]
    fn clean_up_begins_behind_all_that_serves() {
        let delete = || Aws::DeleteSecurityGroup { group: "sg-1".to_owned() };
        assert_eq!(plan(vec![authorize("sg-1"), revoke("sg-1"), delete()]).clean_up(), 1);
        assert_eq!(plan(vec![revoke("sg-1"), authorize("sg-1"), delete()]).clean_up(), 2);
        assert_eq!(plan(vec![delete()]).clean_up(), 0);
        assert_eq!(plan(Vec::new()).clean_up(), 0);
    }
}
