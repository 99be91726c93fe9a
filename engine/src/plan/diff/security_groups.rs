//! The managed security group and the shared one.

use std::collections::{BTreeMap, BTreeSet};

use super::Differ;
use crate::plan::operation::AwsOperation;
use crate::plan::stage::Stage;
use crate::plan::tags;
use crate::stack::{
    CLUSTER_TAG, Found, Permission, Ref, ResourceId, SHARED_RESOURCE_TAG, SecurityGroup, Tags,
    backend_security_group_name, resource_of,
};

/// Description of the shared backend security group.
const BACKEND_DESCRIPTION: &str = "[k8s] Shared Backend SecurityGroup for LoadBalancer";

impl Differ<'_> {
    pub(super) fn security_groups(&mut self) {
        let observed = self.input.observed;
        if self.input.desired.backend_security_group {
            let id = ResourceId::backend_security_group();
            match &observed.backend_security_group {
                Some(found) => {
                    self.found.known.insert(id, found.arn.clone());
                    let wanted = self.backend_tags();
                    self.retag_group(&found.arn, &wanted, &found.is.tags);
                }
                None => {
                    let is = SecurityGroup {
                        name: backend_security_group_name(self.input.cluster),
                        description: BACKEND_DESCRIPTION.to_owned(),
                        ingress: BTreeSet::new(),
                        tags: self.backend_tags(),
                    };
                    self.aws(Stage::LetIn, AwsOperation::CreateSecurityGroup { id, is });
                }
            }
        }
        let mut stale: Vec<&Found<SecurityGroup>> = observed.security_groups.iter().collect();
        if let Some(desired) = &self.input.desired.security_group {
            let id = ResourceId::managed_security_group();
            match stale.iter().position(|found| resource_of(&found.is.tags) == Some(id.as_str())) {
                None => {
                    self.aws(Stage::LetIn, AwsOperation::CreateSecurityGroup { id: id.clone(), is: desired.clone() });
                    self.permissions(&Ref::Of(id), desired, None);
                }
                Some(index) => {
                    let found = stale.remove(index);
                    self.found.known.insert(id, found.arn.clone());
                    self.retag_group(&found.arn, &desired.tags, &found.is.tags);
                    self.permissions(&Ref::Known(found.arn.clone()), desired, Some(&found.is));
                }
            }
        }
        stale.retain(|found| self.is_own(&found.arn));
        for found in stale {
            self.aws(Stage::ShutOut, AwsOperation::DeleteSecurityGroup { group: found.arn.clone() });
        }
    }

    fn backend_tags(&self) -> Tags {
        let mut tags = self.input.default_tags.clone();
        tags.insert(CLUSTER_TAG.to_owned(), self.input.cluster.to_owned());
        tags.insert(SHARED_RESOURCE_TAG.to_owned(), ResourceId::backend_security_group().to_string());
        tags
    }

    /// Lets in first, shuts out after.
    fn permissions(&mut self, group: &Ref, desired: &SecurityGroup, observed: Option<&SecurityGroup>) {
        let by_meaning = |group: &SecurityGroup| -> BTreeMap<Permission, Permission> {
            let bare = |one: &Permission| Permission { description: None, ..one.clone() };
            group.ingress.iter().map(|one| (one.meaning(), bare(one))).collect()
        };
        let (wanted, there) = (by_meaning(desired), observed.map(by_meaning).unwrap_or_default());
        let without = |some: &BTreeMap<_, Permission>, others: &BTreeMap<Permission, _>| -> Vec<Permission> {
            some.iter().filter(|(meaning, _)| !others.contains_key(meaning)).map(|(_, one)| one.clone()).collect()
        };
        let (add, remove) = (without(&wanted, &there), without(&there, &wanted));
        if !add.is_empty() {
            let authorize = AwsOperation::AuthorizeSecurityGroupIngress { group: group.clone(), permissions: add };
            self.aws(Stage::LetIn, authorize);
        }
        if !remove.is_empty() {
            let revoke = AwsOperation::RevokeSecurityGroupIngress { group: group.clone(), permissions: remove };
            self.aws(Stage::ShutOut, revoke);
        }
    }

    fn retag_group(&mut self, group: &str, desired: &Tags, observed: &Tags) {
        let change = tags::change(desired, observed, self.input.cluster, self.input.external_tags);
        let group = Ref::Known(group.to_owned());
        if !change.set.is_empty() {
            self.aws(Stage::Tags, AwsOperation::CreateTags { group: group.clone(), tags: change.set });
        }
        if !change.remove.is_empty() {
            self.aws(Stage::Tags, AwsOperation::DeleteTags { group, keys: change.remove });
        }
    }
}
