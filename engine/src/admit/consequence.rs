//! What an edit does to existing load balancers: it replaces one, moves the Ingress to another one, deletes the frontend NLB,
//! has no effect although it sets another name, or makes rollouts lose requests. Each is a finding, in one row of [`CONSEQUENCES`].
//!
//! There is no row for target groups: a target group that cannot be changed is replaced, and the load balancer stays.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;

use super::registration::GATES;
use super::verdict::linked;
use super::{ALLOW_REPLACEMENT, Context};
use crate::annotation::SettingRow;
use crate::annotation::catalogue::{
    ENABLE_FRONTEND_NLB, FRONTEND_NLB_SCHEME, GROUP_NAME, LOAD_BALANCER_NAME, SCHEME, TARGET_TYPE,
};
use crate::compile::Cache;
use crate::finding::{Certainty, Code, Finding, ObjectRef, Readers};
use crate::kinds::{Key, LoadBalancerStatus};
use crate::link::{Linked, MemberState};
use crate::stack::{GroupId, LoadBalancer, TargetType};
use crate::world::{Membership, Overlay};

/// An edit of an Ingress that is a member of a group afterwards.
pub(super) struct IngressEdit<'a> {
    pub group: &'a GroupId,
    pub subject: &'a ObjectRef,
    pub candidate: &'a Ingress,
    pub old: Option<&'a Ingress>,
    /// That group without the edit, and with it.
    pub before: &'a Linked,
    pub after: &'a Linked,
    pub context: Context<'a>,
}

/// A consequence: its code, its test, and the message for readers who may not know the load balancer.
type ConsequenceRow = (Code, fn(&IngressEdit<'_>, &mut Cache) -> Option<Happens>, &'static str);

/// A consequence that happens.
struct Happens {
    /// The annotation.
    row: &'static SettingRow,
    /// Its new value.
    value: String,
    message: String,
    /// Namespaces that may know the load balancer in the message.
    readers: Readers,
}

const CONSEQUENCES: [ConsequenceRow; 5] = [
    (
        Code::ReplacesLoadBalancer,
        |change, _| change.replaces(),
        "another scheme deletes the load balancer of the group and creates another with another DNS name",
    ),
    (
        Code::RemovesFrontendNlb,
        |change, _| change.removes_nlb(),
        "the frontend NLB of the group is deleted, or replaced by one with another DNS name",
    ),
    (
        Code::MovesToAnother,
        |change, cache| change.moves(cache),
        "the load balancer of the group that it leaves no longer serves it; another one does, with another DNS name",
    ),
    (
        Code::KeepsItsName,
        |change, _| change.keeps_its_name(),
        "the load balancer of the group exists and cannot be renamed",
    ),
    (Code::RolloutsLoseRequests, |change, _| change.loses_requests_at_rollouts(), "rollouts can lose requests"),
];

impl IngressEdit<'_> {
    /// All consequences of the edit.
    pub(super) fn consequences(&self, cache: &mut Cache) -> Vec<Finding> {
        let meant = acknowledged(self.candidate);
        let found = CONSEQUENCES.iter().filter_map(|(code, find, outline)| Some((*code, find(self, cache)?, *outline)));
        let finding = |(code, happens, outline): (Code, Happens, &str)| {
            let Happens { row, value, message, readers } = happens;
            let path = row.path();
            let mut finding = Finding::new(code, self.subject.clone(), path, message).value(&value);
            if meant && code.row().certainty == Certainty::Certain {
                finding = finding.fix("acknowledged");
                finding.is_acknowledged = true;
            }
            finding.known_to(readers, outline)
        };
        found.map(finding).collect()
    }

    /// The load balancer of a group, from the ledger.
    fn known(&self, group: &GroupId) -> Option<&LoadBalancerStatus> {
        self.context.world.group_object(group)?.status.as_ref()?.load_balancer.as_ref()
    }

    /// Namespaces that know the load balancer of a group: it serves an Ingress of theirs, or no other namespace is in the group.
    fn insiders(&self, group: &GroupId) -> Readers {
        let status = self.context.world.group_object(group).and_then(|ledger| ledger.status.as_ref());
        let linked = status.into_iter().flat_map(|status| &status.members).filter(|member| member.state == "Linked");
        let mut insiders: Readers = linked.map(|member| member.namespace.clone()).collect();
        if status.is_none() && *group == *self.group {
            let linked = self.before.members.iter().filter(|member| member.state == MemberState::Linked);
            insiders.extend(linked.map(|member| member.key.namespace.clone()));
        }
        let view = self.context.world.view(group, &Overlay::None);
        let others = view.members.iter().map(|member| member.key().namespace);
        if others.clone().all(|namespace| namespace == self.subject.namespace) {
            insiders.insert(self.subject.namespace.clone());
        }
        insiders
    }

    fn happens(&self, row: &'static SettingRow, value: String, message: String) -> Happens {
        Happens { row, value, message, readers: self.insiders(self.group) }
    }

    /// Another scheme: the existing load balancer is deleted.
    fn replaces(&self) -> Option<Happens> {
        let known = self.known(self.group);
        let before = || Some(load_balancer(self.before)?.scheme.to_string());
        let was = known.map(|known| known.scheme.clone()).filter(|scheme| !scheme.is_empty()).or_else(before)?;
        let becomes = load_balancer(self.after)?.scheme.to_string();
        let name = known.map(named).unwrap_or_default();
        let message = format!(
            "scheme {was} → {becomes} deletes the load balancer{name} and creates another with another DNS name"
        );
        (was != becomes).then(|| self.happens(&SCHEME.row, becomes, message))
    }

    /// The frontend NLB would be deleted or replaced.
    fn removes_nlb(&self) -> Option<Happens> {
        let was = self.before.desired.as_ref()?.nlb.as_ref()?;
        let after = self.after.desired.as_ref().filter(|after| !after.keep_nlb)?;
        match &after.nlb {
            Some(becomes) if becomes.is.generation() == was.is.generation() => None,
            Some(becomes) => {
                let (was, becomes) = (was.is.scheme, becomes.is.scheme.to_string());
                let message = format!(
                    "scheme {was} → {becomes} deletes the frontend NLB and creates another with another DNS name"
                );
                Some(self.happens(&FRONTEND_NLB_SCHEME.row, becomes, message))
            }
            None => {
                let message = format!("the frontend NLB {} is deleted", was.is.name);
                Some(self.happens(&ENABLE_FRONTEND_NLB.row, "false".to_owned(), message))
            }
        }
    }

    /// Another group: its rules move from one load balancer to another.
    fn moves(&self, cache: &mut Cache) -> Option<Happens> {
        let old = self.old?;
        let Membership::Member(from, _) = self.context.world.membership(old) else { return None };
        if from == *self.group {
            return None;
        }
        // Without a ledger the existing load balancer is unknown: assume that it is as desired.
        let name = if self.context.world.group_object(&from).is_some() {
            named(self.known(&from)?)
        } else {
            let stood = linked(&from, &Overlay::Put(Arc::new(old.clone())), self.context, cache);
            load_balancer(&stood).map(|_| String::new())?
        };
        let others = self.context.world.view(&from, &Overlay::Delete(Key::of(&old.metadata)));
        let fate = if others.members.is_empty() { "is deleted and no longer serves it" } else { "no longer serves it" };
        let message = format!(
            "group {from} → {}: the load balancer{name} {fate}; another one does, with another DNS name",
            self.group
        );
        let readers = self.insiders(&from);
        Some(Happens { row: &GROUP_NAME.row, value: self.group.to_string(), message, readers })
    }

    /// Another name: the name of an existing load balancer never changes.
    fn keeps_its_name(&self) -> Option<Happens> {
        let (before, after) = (load_balancer(self.before)?, load_balancer(self.after)?);
        let known = self.known(self.group);
        let was = known.map(|known| known.name.as_str()).filter(|name| !name.is_empty()).unwrap_or(&before.name);
        let asked = |ingress: &Ingress| {
            ingress.metadata.annotations.as_ref().and_then(|map| map.get(&LOAD_BALANCER_NAME.row.full_key()).cloned())
        };
        let edited = asked(self.candidate) != self.old.and_then(asked);
        let message = format!("the load balancer {was} exists and cannot be renamed to {}", after.name);
        let kept = edited && before.generation() == after.generation() && was != after.name;
        kept.then(|| self.happens(&LOAD_BALANCER_NAME.row, after.name.clone(), message))
    }

    /// Pods become targets, and those of this namespace get no readiness gates.
    fn loses_requests_at_rollouts(&self) -> Option<Happens> {
        let (settings, key) = (self.context.settings, Key::of(&self.candidate.metadata));
        let injects = settings.inject_readiness_gates && !settings.beside_lbc;
        let labels = self.context.world.namespace_labels(&key.namespace)?;
        let (label, value) = GATES;
        let lacks = injects && labels.get(label).is_none_or(|is| is != value);
        let become_targets = has_pods_as_targets(self.after, &key) && !has_pods_as_targets(self.before, &key);
        let message = format!("rollouts can lose requests without the label {label}={value} on the namespace");
        (lacks && become_targets).then(|| self.happens(&TARGET_TYPE.row, "ip".to_owned(), message))
    }
}

/// Whether Pods of an Ingress are targets.
fn has_pods_as_targets(linked: &Linked, key: &Key) -> bool {
    let own = linked.fragments.iter().filter(|fragment| fragment.key == *key);
    let mut groups = own.flat_map(|fragment| fragment.target_groups.values());
    groups.any(|one| one.target_group.target_type == TargetType::Ip)
}

/// Whether the author acknowledged the replacement of a load balancer.
pub(super) fn acknowledged(candidate: &Ingress) -> bool {
    candidate.metadata.annotations.iter().flatten().any(|(key, value)| key == ALLOW_REPLACEMENT && value == "true")
}

fn load_balancer(linked: &Linked) -> Option<&LoadBalancer> {
    linked.desired.as_ref()?.load_balancer.as_ref()
}

fn named(known: &LoadBalancerStatus) -> String {
    format!(" {} ({})", known.name, known.dns_name)
}
