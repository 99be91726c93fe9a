//! The report of a pass, as data: events for members, and the status of the ledger.

mod conditions;
mod policies;
mod size;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::clean::clean;
use crate::finding::{Code, Effect, Finding};
use crate::kinds::{
    Applied, IngressGroup, IngressGroupSpec, IngressGroupStatus, Key, LastGood, LoadBalancerStatus, MemberFinding,
    MemberStatus,
};
use crate::ledger;
use crate::link::{self, Linked, LinkedMember, MemberState};
use crate::plan;
use crate::stack::{Desired, ResourceId};
use crate::world::View;

use conditions::CONVERGING;

pub use policies::{Count, policy_status};

/// An event on a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEvent {
    /// The Ingress.
    pub key: Key,
    /// Warning or Normal.
    pub warning: bool,
    /// The reason, as one word for programs; LBC's word if it has one.
    pub reason: &'static str,
    /// For people.
    pub text: String,
}

/// The result of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// AWS is as desired.
    Reached {
        /// Whether something was written.
        changed: bool,
    },
    /// It is not reached yet: what the next pass waits for.
    Waiting(Vec<String>),
    /// Only a person can end the wait, such as deletion protection of a resource that must be deleted. Nothing was changed.
    Held(Vec<String>),
    /// Findings block the group.
    Blocked,
    /// AWS or Kubernetes refused, or gave no answer.
    Failed {
        /// The original text, which may quote input of any member of the group.
        error: String,
        /// The refusal without quotes, for members of a group of several namespaces.
        outline: String,
        /// Whether it may end without an action: a throttle, an outage.
        passes: bool,
    },
}

impl Outcome {
    /// The outcome as the members of a group may read it: AWS quotes what it refuses, and does not say which member it belongs to.
    fn for_members(&self, linked: &Linked) -> Self {
        let first = linked.members.first().map(|member| &member.key.namespace);
        let alone = linked.members.iter().all(|member| Some(&member.key.namespace) == first);
        match self {
            Self::Failed { outline, passes, .. } if !alone => Self::Failed {
                error: format!("{outline}; see the IngressGroup of the group for the full text"),
                outline: outline.clone(),
                passes: *passes,
            },
            // The name of a protected resource may come from one of the members.
            Self::Held(_) if !alone => {
                Self::Held(vec!["somebody to act; see the IngressGroup of the group for the reason".to_owned()])
            }
            other => other.clone(),
        }
    }
}

/// What the pass reached: the load balancer, found or created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// ARN.
    pub arn: String,
    /// DNS name.
    pub dns_name: String,
    /// DNS name of the NLB in front; empty without one.
    pub nlb_dns_name: String,
    /// ARNs by resource id.
    pub resources: BTreeMap<ResourceId, String>,
    /// Something is missing, but the pass does not wait for it.
    pub later: bool,
    /// What fails although the load balancer is as desired: bindings of the group, rules of its nodes and pods.
    pub troubles: Vec<String>,
}

/// The events of a pass: only a quarantined member gets the reason, and there is a success event if something changed. While bindings of
/// the group fail, there is no success event; the bindings have their own events.
#[must_use]
pub fn events(
    linked: &Linked,
    outcome: &Outcome,
    reached: &Reached,
    ledger: Option<&IngressGroup>,
) -> Vec<MemberEvent> {
    let told = |event: &MemberEvent| event.warning || reached.troubles.is_empty();
    let outcome = &outcome.for_members(linked);
    let own = linked.members.iter().filter_map(|member| event(member, outcome, ledger)).filter(told);
    let all = own.chain(losses(linked));
    all.map(|event| MemberEvent { text: clean(&event.text).into_owned(), ..event }).collect()
}

/// Members whose requests an Ingress of another namespace takes get an event.
fn losses(linked: &Linked) -> impl Iterator<Item = MemberEvent> {
    linked.findings().filter_map(|finding| {
        let (loser, taker) = match finding.code {
            Code::TakesRequests => (finding.related.first()?, &finding.subject),
            Code::UnreachedRule => (&finding.subject, finding.related.first()?),
            _ => return None,
        };
        let told = finding.told_to(&loser.namespace);
        (loser.namespace != taker.namespace).then(|| MemberEvent {
            key: Key::new(&loser.namespace, &loser.name),
            warning: true,
            reason: "RequestsTaken",
            text: if finding.subject == *loser { told.to_string() } else { format!("{}: {}", taker, told.text()) },
        })
    })
}

fn event(member: &LinkedMember, outcome: &Outcome, ledger: Option<&IngressGroup>) -> Option<MemberEvent> {
    let warn = |reason, text: String| Some(MemberEvent { key: member.key.clone(), warning: true, reason, text });
    let grave: Vec<&Finding> = member.findings.iter().filter(|finding| finding.effect != Effect::Nothing).collect();
    if !grave.is_empty() || member.state != MemberState::Linked {
        let all: Vec<String> = grave.iter().map(|finding| finding.told_to(&member.key.namespace).to_string()).collect();
        let kept = match member.state {
            MemberState::LastGood => " (its last good input stays in effect)",
            MemberState::Kept => " (what AWS holds of it stays)",
            MemberState::Linked if !grave.iter().any(|finding| finding.effect.keeps_out()) => {
                " (AWS keeps what it has for this part, the rest is updated)"
            }
            MemberState::Linked | MemberState::Quarantined => "",
        };
        return warn("FailedBuildModel", format!("Failed build model due to {}{kept}", all.join("; ")));
    }
    match outcome {
        Outcome::Failed { error, .. } => warn("FailedDeployModel", format!("Failed deploy model due to {error}")),
        Outcome::Held(by) => warn("FailedDeployModel", format!("Failed deploy model: waiting for {}", by.join("; "))),
        Outcome::Blocked | Outcome::Waiting(_) => None,
        Outcome::Reached { changed } if *changed || !was_linked(ledger, &member.key) => Some(MemberEvent {
            key: member.key.clone(),
            warning: false,
            reason: "SuccessfullyReconciled",
            text: "Successfully reconciled".to_owned(),
        }),
        Outcome::Reached { .. } => None,
    }
}

/// Whether, according to the ledger, a member was linked and its group is `Ready`.
fn was_linked(ledger: Option<&IngressGroup>, key: &Key) -> bool {
    ledger.and_then(|group| group.status.as_ref()).is_some_and(|status| {
        let linked = |member: &MemberStatus| {
            member.namespace == key.namespace && member.name == key.name && member.state == "Linked"
        };
        status.state == "Ready" && status.members.iter().any(linked)
    })
}

/// The ledger while a pass changes AWS: the record of what was applied last is removed. `None` if there is no record.
#[must_use]
pub fn begun(ledger: &IngressGroup, now: Timestamp) -> Option<IngressGroup> {
    ledger.status.as_ref()?.applied.as_ref()?;
    let mut begun = ledger.clone();
    if let Some(status) = &mut begun.status {
        status.applied = None;
        CONVERGING.clone_into(&mut status.state);
        status.conditions = conditions::begun(&status.conditions, status.observed_generation, now);
    }
    Some(begun)
}

/// The ledger of a group after a pass.
#[must_use]
pub fn ledger(view: &View, linked: &Linked, outcome: &Outcome, reached: &Reached, now: Timestamp) -> IngressGroup {
    let before = view.ledger.as_ref().and_then(|group| group.status.clone()).unwrap_or_default();
    let members: Vec<MemberStatus> = linked.members.iter().map(|member| member_status(view, member)).collect();
    let there = matches!(outcome, Outcome::Reached { .. });
    let whole = linked.members.iter().all(|member| member.state == MemberState::Linked);
    // Only the creation of the object writes the spec, and that is its first generation.
    let generation = view.ledger.as_ref().and_then(|group| group.metadata.generation).unwrap_or(1);
    let standing = conditions::Standing::of(outcome, linked, &reached.troubles);
    let mut status = IngressGroupStatus {
        observed_generation: Some(generation),
        state: standing.state.to_owned(),
        load_balancer: load_balancer(linked.desired.as_ref(), reached).or_else(|| before.load_balancer.clone()),
        member_count: i32::try_from(members.len()).unwrap_or(i32::MAX),
        quarantined_count: i32::try_from(members.iter().filter(|member| member.state != "Linked").count())
            .unwrap_or(i32::MAX),
        members,
        // A pass that ended early leaves a state that is not recorded.
        applied: before
            .applied
            .clone()
            .filter(|_| matches!(outcome, Outcome::Reached { .. } | Outcome::Blocked | Outcome::Held(_))),
        resources: before.resources.clone(),
        client_secrets: linked.desired.as_ref().map_or_else(
            || before.client_secrets.clone(),
            |desired| plan::recorded(&before.client_secrets, desired, there, whole),
        ),
        last_good: last_good(view, linked, &before, there),
        conditions: standing.conditions(&before.conditions, Some(generation), now),
    };
    if let (true, Some(desired)) = (there, &linked.desired) {
        let fingerprint = ledger::fingerprint(desired);
        let same = before.applied.as_ref().is_some_and(|applied| applied.fingerprint == fingerprint);
        if !same {
            status.applied = Some(Applied { fingerprint, at: Some(Time(now)) });
        }
        // The shared security group belongs to all groups; only groups that need it name it.
        let shared = ResourceId::backend_security_group();
        let own = reached.resources.iter().filter(|(id, _)| desired.backend_security_group || **id != shared);
        status.resources = own.map(|(id, arn)| (id.to_string(), arn.clone())).collect();
    }
    let mut group = IngressGroup::new(&view.group.object_name(), IngressGroupSpec { stack: view.group.to_string() });
    size::fit(&mut status);
    group.status = Some(status);
    group
}

fn load_balancer(desired: Option<&Desired>, reached: &Reached) -> Option<LoadBalancerStatus> {
    let desired = desired?.load_balancer.as_ref()?;
    if reached.arn.is_empty() {
        return None;
    }
    // …:loadbalancer/app/NAME/ID: the name at creation, which later inputs do not change.
    let name = reached.arn.split('/').nth(2).unwrap_or(&desired.name).to_owned();
    Some(LoadBalancerStatus {
        name,
        arn: reached.arn.clone(),
        dns_name: reached.dns_name.to_lowercase(),
        scheme: desired.scheme.to_string(),
    })
}

fn member_status(view: &View, member: &LinkedMember) -> MemberStatus {
    let found = view.members.iter().find(|candidate| candidate.key() == member.key);
    let state = match member.state {
        MemberState::Linked => "Linked",
        MemberState::LastGood | MemberState::Quarantined => "Quarantined",
        MemberState::Kept => link::KEPT,
    };
    MemberStatus {
        namespace: member.key.namespace.clone(),
        name: member.key.name.clone(),
        uid: found.and_then(|found| found.ingress.metadata.uid.clone()).unwrap_or_default(),
        state: state.to_owned(),
        findings: member
            .findings
            .iter()
            .map(|finding| MemberFinding {
                code: finding.code.to_string(),
                path: finding.path.to_string(),
                effect: finding.effect.name().to_owned(),
                // An age would change the ledger in every pass.
                message: Finding { age: None, ..finding.clone() }.text(),
            })
            .collect(),
    }
}

/// The last good input of every member: the present one if it is linked, else the recorded one.
fn last_good(view: &View, linked: &Linked, before: &IngressGroupStatus, there: bool) -> Vec<LastGood> {
    let kept =
        |key: &Key| before.last_good.iter().find(|one| one.namespace == key.namespace && one.name == key.name).cloned();
    // A leaving Ingress is recorded until nothing of it is left: otherwise, after a failed pass, it would count as one that was never a member.
    let leaving = view.leaving.iter().filter(|_| !there).filter_map(|one| kept(&Key::of(&one.ingress().metadata)));
    let inputs = linked.members.iter().filter_map(|member| match member.state {
        MemberState::Linked if there => {
            let found = view.members.iter().find(|candidate| candidate.key() == member.key)?;
            Some((ledger::weight(&found.ingress), ledger::input_of(&found.ingress)))
        }
        _ => kept(&member.key).map(|one| (size::bytes(&one), one)),
    });
    let inputs: Vec<(usize, LastGood)> = inputs.chain(leaving.map(|one| (size::bytes(&one), one))).collect();
    let weights: Vec<usize> = inputs.iter().map(|(weight, _)| *weight).collect();
    let left_out = ledger::left_out(&weights);
    let keep = |(index, (_, input))| if left_out.contains(&index) { ledger::digest_of(input) } else { input };
    inputs.into_iter().enumerate().map(keep).collect()
}
