//! Whether a binding may change the targets of its target group, which can belong to another cluster, controller or binding.

use std::collections::BTreeMap;
use std::fmt;

use crate::kinds::{Key, TargetGroupBinding, target_group_name};
use crate::stack::{CLUSTER_TAG, GroupId, LEGACY_CLUSTER_TAG, RESOURCE_TAG, STACK_TAG, Tags, TargetGroupTraits};

/// Tags whose value is the name of the cluster that created a target group. The third is of EKS Auto Mode.
const CLUSTER_TAGS: [&str; 3] = [CLUSTER_TAG, LEGACY_CLUSTER_TAG, "eks:eks-cluster-name"];
/// Prefixes of labels of bindings, and of tags of target groups, that other controllers of LBC write. Albedo writes neither.
const OTHER_CONTROLLERS: [&str; 3] = ["service.k8s.aws/", "gateway.k8s.aws", "aga.k8s.aws/"];

/// Why a binding registers nothing and deregisters nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// A label of the binding, or a tag of the target group, is another controller's.
    OtherController(String),
    /// The target group is another cluster's.
    OtherCluster {
        /// The tag with the name of that cluster.
        tag: String,
        /// The name of that cluster.
        cluster: String,
    },
    /// The target group is in another VPC than the one of the binding or the cluster.
    OtherVpc {
        /// VPC of the target group, `vpc-…`.
        vpc: String,
        /// The expected VPC, `vpc-…`.
        expected: String,
        /// Whether `spec.vpcID` names the expected VPC.
        said: bool,
    },
    /// An `IngressGroup` created the target group, and the binding is not the one that this group created.
    OfGroup,
    /// Another binding is older. Its name is told only to its own namespace.
    Second(Option<Key>),
}

impl Hold {
    /// The reason, as one word for events and conditions.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherController(_) => "OtherController",
            Self::OtherCluster { .. } => "OtherCluster",
            Self::OtherVpc { .. } => "OtherVPC",
            Self::OfGroup | Self::Second(_) => "AlreadyBound",
        }
    }
}

/// The message: what is wrong, what follows, and the fix.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherController(by) => write!(f, "{by:?} says that another controller manages it")?,
            Self::OtherCluster { tag, cluster } => write!(f, "the target group is of cluster {cluster:?} (tag {tag})")?,
            Self::OtherVpc { vpc, expected, said: true } => {
                write!(f, "the target group is in {vpc}, and spec.vpcID is {expected:?}")?;
            }
            Self::OtherVpc { vpc, expected, said: false } => {
                write!(f, "the target group is in {vpc}, and the cluster is in {expected}")?;
            }
            Self::OfGroup => {
                f.write_str("the target group is already bound: an IngressGroup made it and binds it itself")?;
            }
            Self::Second(Some(key)) => write!(f, "the target group is already bound by TargetGroupBinding {key}")?,
            Self::Second(None) => f.write_str("the target group is already bound in another namespace")?,
        }
        f.write_str("; nothing is registered or deregistered. ")?;
        f.write_str(match self {
            Self::OtherController(_) => "Remove the label if albedo is to manage it",
            Self::OtherCluster { .. } | Self::OfGroup | Self::Second(None) => "Bind a target group of your own",
            Self::OtherVpc { said: true, .. } => "Bind a target group of that VPC",
            Self::OtherVpc { said: false, .. } => {
                "If pods are reached through a peering connection, set spec.vpcID to its VPC"
            }
            Self::Second(Some(_)) => "Delete one of the two",
        })
    }
}

/// A target group as AWS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroupRead {
    /// Its ARN.
    pub arn: String,
    /// Its immutable properties.
    pub traits: TargetGroupTraits,
    /// Its tags.
    pub tags: Tags,
}

/// The cluster of the controller.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// VPC of the cluster, `vpc-…`.
    pub vpc: &'a str,
}

/// Why a binding may change nothing, for any target group.
#[must_use]
pub fn held_by_itself(binding: &TargetGroupBinding) -> Option<Hold> {
    let label = binding.metadata.labels.iter().flatten().map(|(key, _)| key).find(|key| is_other_controllers(key));
    label.map(|label| Hold::OtherController(label.clone()))
}

/// Why a binding may not change this target group. `lives` says whether an `IngressGroup` exists.
#[must_use]
pub fn held_by_target_group(
    binding: &TargetGroupBinding,
    group: &TargetGroupRead,
    here: Here<'_>,
    lives: impl Fn(&GroupId) -> bool,
) -> Option<Hold> {
    let foreign = CLUSTER_TAGS.iter().find_map(|tag| {
        let cluster = group.tags.get(*tag).filter(|cluster| cluster.as_str() != here.cluster)?;
        Some(Hold::OtherCluster { tag: (*tag).to_owned(), cluster: cluster.clone() })
    });
    // Who says that clusters share it changes only the targets that it registered itself.
    if foreign.is_some() && !binding.is_multi_cluster() {
        return foreign;
    }
    if let Some(tag) = group.tags.keys().find(|tag| is_other_controllers(tag)) {
        return Some(Hold::OtherController(tag.clone()));
    }
    if is_own(binding, group) {
        return None;
    }
    if foreign.is_none() && group_of(&group.tags).is_some_and(|of| lives(&of)) {
        return Some(Hold::OfGroup);
    }
    let said = binding.spec.vpc_id.as_deref().filter(|vpc| !vpc.is_empty());
    let (expected, vpc) = (said.unwrap_or(here.vpc), group.traits.vpc_id.as_str());
    // Another account has a VPC of its own.
    let is_free = said.is_none() && binding.given_role().is_some();
    let other = !vpc.is_empty() && !expected.is_empty() && vpc != expected && !is_free;
    other.then(|| Hold::OtherVpc { vpc: vpc.to_owned(), expected: expected.to_owned(), said: said.is_some() })
}

/// Whether the group that created the target group created the binding, too. The tags are in AWS, so nobody in the cluster can
/// claim this with labels only: labels count in the namespace that the tag names.
#[must_use]
pub fn is_own(binding: &TargetGroupBinding, group: &TargetGroupRead) -> bool {
    let Some(of) = group_of(&group.tags) else { return false };
    let namespace = group.tags.get(RESOURCE_TAG).and_then(|resource| resource.split_once('/')).map(|(first, _)| first);
    let none = BTreeMap::new();
    let labels = binding.metadata.labels.as_ref().unwrap_or(&none);
    let labelled = of.binding_labels().iter().all(|(key, value)| labels.get(key) == Some(value));
    labelled && namespace.is_some() && namespace == binding.metadata.namespace.as_deref()
}

/// Of the bindings that name one target group, the one that registers and deregisters: the one of the group, else the oldest.
#[must_use]
pub fn first<'b>(
    bindings: impl IntoIterator<Item = &'b TargetGroupBinding>,
    group: &TargetGroupRead,
) -> Option<&'b TargetGroupBinding> {
    bindings.into_iter().min_by_key(|binding| {
        let named = binding.metadata.name.as_deref() == target_group_name(&group.arn);
        let created = binding.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (!is_own(binding, group), !named, created.is_none(), created, Key::of(&binding.metadata))
    })
}

/// Whether fields are absent that LBC's mutating webhook fills in from the target group.
#[must_use]
pub fn lacks_traits(binding: &TargetGroupBinding) -> bool {
    is_empty(binding.spec.target_type.as_deref()) || is_empty(binding.spec.ip_address_type.as_deref())
}

/// The binding, with its absent fields taken from the target group.
#[must_use]
pub fn filled(binding: &TargetGroupBinding, traits: &TargetGroupTraits) -> TargetGroupBinding {
    let mut filled = binding.clone();
    let spec = &mut filled.spec;
    let fields = [
        (&mut spec.target_type, &traits.target_type),
        (&mut spec.ip_address_type, &traits.ip_address_type),
        (&mut spec.target_group_protocol, &traits.protocol),
        (&mut spec.vpc_id, &traits.vpc_id),
    ];
    for (field, value) in fields {
        if is_empty(field.as_deref()) && !value.is_empty() {
            *field = Some(value.clone());
        }
    }
    filled
}

fn is_empty(field: Option<&str>) -> bool {
    field.is_none_or(str::is_empty)
}

fn is_other_controllers(key: &str) -> bool {
    OTHER_CONTROLLERS.iter().any(|start| key.starts_with(start))
}

/// The group in the tag `ingress.k8s.aws/stack`.
fn group_of(tags: &Tags) -> Option<GroupId> {
    let stack = tags.get(STACK_TAG)?;
    Some(match stack.split_once('/') {
        Some((namespace, name)) => GroupId::Implicit { namespace: namespace.to_owned(), name: name.to_owned() },
        None => GroupId::Explicit(stack.clone()),
    })
}

#[cfg(test)]
mod tests;
