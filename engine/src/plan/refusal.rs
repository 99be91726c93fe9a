//! What is done when AWS refuses one operation of a plan: which others are right without it, and which removal makes room for it.

use super::Plan;
use super::operation::{AwsOperation as Aws, KubeOperation, Operation};
use crate::stack::Ref;

impl Aws {
    /// Whether all that follows in a plan is right without this operation. Attributes, what is attached, tags and clean-up are: a refusal
    /// is reported, and the rest of the pass goes on.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        matches!(
            self,
            Self::ModifyLoadBalancerAttributes { .. }
                | Self::ModifyListenerAttributes { .. }
                | Self::ModifyTargetGroupAttributes { .. }
                | Self::AssociateWebAcl { .. }
                | Self::DisassociateWebAcl { .. }
                | Self::AssociateClassicWebAcl { .. }
                | Self::DisassociateClassicWebAcl { .. }
                | Self::CreateProtection { .. }
                | Self::DeleteProtection { .. }
                | Self::ModifyCapacityReservation { .. }
                | Self::RemoveListenerCertificate { .. }
                | Self::DeleteTargetGroup { .. }
                | Self::RevokeSecurityGroupIngress { .. }
                | Self::DeleteSecurityGroup { .. }
                | Self::CreateTags { .. }
                | Self::DeleteTags { .. }
                | Self::AddTags { .. }
                | Self::RemoveTags { .. }
        )
    }

    /// Whether this removes what counts against the same quota as what `refused` adds.
    fn makes_room_for(&self, refused: &Self) -> bool {
        match (refused, self) {
            (
                Self::AuthorizeSecurityGroupIngress { group: full, .. },
                Self::RevokeSecurityGroupIngress { group, .. },
            )
            | (Self::CreateTags { group: full, .. }, Self::DeleteTags { group, .. }) => full == group,
            // 25 a load balancer, so that those of its other listeners count too.
            (Self::AddListenerCertificate { .. }, Self::RemoveListenerCertificate { .. })
            // 50 a load balancer, of which a plan has one.
            | (Self::CreateListener { .. }, Self::DeleteListener { .. }) => true,
            (Self::AddTags { resource: Ref::Known(full), .. }, Self::RemoveTags { resource, .. }) => full == resource,
            _ => false,
        }
    }
}

/// Whether an operation only takes away what nothing needs any more.
fn cleans_up(operation: &Operation) -> bool {
    match operation {
        Operation::Kube(KubeOperation::DeleteBinding { .. }) => true,
        Operation::Kube(KubeOperation::ApplyBinding(_)) => false,
        Operation::Aws(aws) => matches!(
            aws,
            Aws::DeleteListener { .. }
                | Aws::RemoveListenerCertificate { .. }
                | Aws::DeleteTargetGroup { .. }
                | Aws::RevokeSecurityGroupIngress { .. }
                | Aws::DeleteSecurityGroup { .. }
                | Aws::DeleteTags { .. }
                | Aws::RemoveTags { .. }
        ),
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
        let Some(Operation::Aws(full)) = self.operations.get(refused) else { return Vec::new() };
        let later = self.operations.iter().enumerate().skip(refused + 1);
        let frees = |operation: &Operation| matches!(operation, Operation::Aws(aws) if aws.makes_room_for(full));
        later.filter(|(_, operation)| frees(operation)).map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
