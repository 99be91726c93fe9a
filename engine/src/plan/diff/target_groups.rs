//! Target groups and their bindings.

use super::Differ;
use crate::plan::ObservedBinding;
use crate::plan::equal;
use crate::plan::operation::{AwsOperation, KubeOperation};
use crate::plan::stage::Stage;
use crate::stack::{Binding, Found, Ref, ResourceId, TargetGroup, resource_of};

impl Differ<'_> {
    pub(super) fn target_groups(&mut self) {
        let mut stale: Vec<&Found<TargetGroup>> = self.input.observed.target_groups.iter().collect();
        for (id, desired) in &self.input.desired.target_groups {
            match place_of(&stale, id, desired).map(|index| stale.remove(index)) {
                None => {
                    self.aws(
                        Stage::TargetGroups,
                        AwsOperation::CreateTargetGroup { id: id.clone(), is: desired.as_ref().clone() },
                    );
                    self.target_group_attributes(&Ref::Of(id.clone()), desired, None);
                }
                Some(found) => {
                    self.found.known.insert(id.clone(), found.arn.clone());
                    self.retag(&found.arn, &desired.tags, &found.is.tags);
                    if desired.health_check != found.is.health_check {
                        self.aws(
                            Stage::TargetGroups,
                            AwsOperation::ModifyTargetGroup {
                                target_group: found.arn.clone(),
                                protocol_version: desired.protocol_version,
                                health_check: desired.health_check.clone(),
                            },
                        );
                    }
                    self.target_group_attributes(&Ref::Known(found.arn.clone()), desired, Some(&found.is));
                }
            }
        }
        stale.retain(|found| self.is_own(&found.arn));
        for found in stale {
            self.aws(Stage::Ungroup, AwsOperation::DeleteTargetGroup { target_group: found.arn.clone() });
        }
    }

    fn target_group_attributes(&mut self, group: &Ref, desired: &TargetGroup, observed: Option<&TargetGroup>) {
        let known = observed.map(|observed| observed.attributes.clone()).unwrap_or_default();
        let attributes = equal::attributes(&desired.attributes, &known);
        if !attributes.is_empty() {
            let target_group = group.clone();
            self.aws(Stage::TargetGroups, AwsOperation::ModifyTargetGroupAttributes { target_group, attributes });
        }
    }

    pub(super) fn bindings(&mut self) {
        let mut stale: Vec<&ObservedBinding> = self.input.bindings.iter().collect();
        for (id, desired) in &self.input.desired.bindings {
            let arn = self.found.known.get(id).cloned();
            let found = arn.as_ref().and_then(|arn| {
                let index = stale.iter().position(|found| found.target_group == *arn && !found.deleting)?;
                Some(stale.remove(index))
            });
            match found {
                Some(found) => {
                    let wanted = Binding {
                        // Birth-only.
                        name: found.is.name.clone(),
                        target_group: found.is.target_group.clone(),
                        networking: desired
                            .networking
                            .clone()
                            .map(|(source, ports)| (equal::resolve(&source, self.known()), ports)),
                        ..desired.clone()
                    };
                    if wanted != found.is {
                        self.kube(Stage::Bindings, KubeOperation::ApplyBinding(Box::new(wanted)));
                    }
                }
                None => {
                    // A target group keeps the name that it was born with, and its binding has the same.
                    let name = arn.as_deref().and_then(target_group_name).unwrap_or(&desired.name).to_owned();
                    let namesake =
                        stale.iter().position(|found| found.is.namespace == desired.namespace && found.is.name == name);
                    let namesake = namesake.map(|index| stale.remove(index));
                    self.make_binding(Binding { name, ..desired.clone() }, namesake);
                }
            }
        }
        for found in stale.into_iter().filter(|found| !found.released) {
            self.kube(Stage::Unbind, delete(found));
        }
    }

    /// Makes a binding. One that has its name is of a target group that is gone, and goes first: which target group a binding is of
    /// does not change while it lives. One that another hand deletes is waited for, and nothing else waits with it.
    fn make_binding(&mut self, binding: Binding, namesake: Option<&ObservedBinding>) {
        match namesake {
            Some(found) if found.deleting => {
                let Binding { namespace, name, .. } = binding;
                self.later(format!("TargetGroupBinding {namespace}/{name}, which is being deleted, to be made again"));
            }
            other => {
                if let Some(found) = other {
                    self.kube(Stage::Bindings, delete(found));
                }
                self.kube(Stage::Bindings, KubeOperation::ApplyBinding(Box::new(binding)));
            }
        }
    }
}

fn delete(found: &ObservedBinding) -> KubeOperation {
    KubeOperation::DeleteBinding { namespace: found.is.namespace.clone(), name: found.is.name.clone() }
}

/// Which of the target groups that are there is the wanted one: by its tag, else by its name, which is nobody else's in a region and
/// by which AWS would refuse to make another one.
fn place_of(there: &[&Found<TargetGroup>], id: &ResourceId, desired: &TargetGroup) -> Option<usize> {
    let of_its_kind = |found: &Found<TargetGroup>| found.is.generation() == desired.generation();
    let tagged = |found: &&Found<TargetGroup>| resource_of(&found.is.tags) == Some(id.as_str()) && of_its_kind(found);
    let named = |found: &&Found<TargetGroup>| found.is.name == desired.name && of_its_kind(found);
    there.iter().position(tagged).or_else(|| there.iter().position(named))
}

/// The name in a target group's ARN: `…:targetgroup/NAME/ID`.
fn target_group_name(arn: &str) -> Option<&str> {
    arn.split(":targetgroup/").nth(1)?.split('/').next()
}
