//! The state of an Ingress in AWS, what it waits for and what is wrong with it, from the objects in its cluster, without calls to AWS.
//!
//! There are two sources: the objects, which are linked here, and the ledger, which the reconciler
//! wrote. Where they differ, the ledger has precedence for what is in AWS.

mod findings;
mod group;
mod settings;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::Ingress;
use serde::Serialize;

use crate::facts::Facts;
use crate::kinds::Key;
use crate::settings::Settings;
use crate::world::{Leaving, Membership, Overlay, View, World};

pub use findings::{Fault, SeenBy};
pub use group::{Group, Listener, LoadBalancer, Rule, TargetGroup};
pub use settings::Setting;

/// The input of a description.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The objects that could be read. Secrets that may not be read are assumed to exist with the keys that are needed.
    pub world: &'a World,
    /// The operator's decisions, as far as they are known.
    pub settings: &'a Settings,
    /// The account, as far as it is known.
    pub facts: &'a Facts,
    /// Events on the Ingress and on bindings of its group, in any order.
    pub events: &'a [Event],
    /// What could not be read, each with the reason.
    pub unread: &'a [String],
    /// The time.
    pub now: Timestamp,
}

/// An event on an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its latest time.
    pub at: Option<Timestamp>,
    /// Kind and name of the object.
    pub object: String,
    /// `Normal` or `Warning`.
    pub severity: String,
    /// One word, `FailedBuildModel`.
    pub reason: String,
    /// The text.
    pub text: String,
    /// How often it occurred.
    pub count: i32,
}

/// The state of an Ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// AWS is as it specifies.
    Served,
    /// It is being provisioned.
    UnderWay,
    /// AWS or Kubernetes refused a call; it is retried.
    Failing,
    /// It is linked from its last good input, because the present one cannot be used.
    Kept,
    /// It cannot be used, and nothing of it is in AWS.
    Quarantined,
    /// A finding blocks its whole group.
    Blocked,
    /// It is leaving.
    Leaving,
    /// It cannot leave until somebody acts.
    Held,
    /// Its class or the name of its group cannot be used, so that it belongs to no group.
    Misplaced,
    /// It belongs to another controller.
    Foreign,
}

impl State {
    /// Whether nobody has to act.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Served | Self::UnderWay | Self::Leaving)
    }
}

/// An Ingress and its state. Fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Counted up when a field changes its meaning.
    pub version: u32,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// The same in a sentence.
    pub summary: String,
    /// Host names of its status.
    pub hosts: Vec<String>,
    /// Its group, and those that it has not left yet.
    pub groups: Vec<Group>,
    /// What it waits for.
    pub waits: Vec<String>,
    /// What is wrong with it, or blocks its group.
    pub faults: Vec<Fault>,
    /// What becomes of each subnet of the account, if subnets are discovered for its load balancer.
    pub subnets: Vec<String>,
    /// Events, the latest first.
    pub events: Vec<Event>,
    /// What could not be read.
    pub unread: Vec<String>,
}

/// Describes an Ingress; `None` if there is none of that name.
#[must_use]
pub fn describe(key: &Key, input: Input<'_>) -> Option<Description> {
    let ingress = input.world.ingress(key)?.clone();
    let views: Vec<View> = groups_of(key, input.world);
    let mut parts: Vec<group::Part> = views.iter().map(|view| group::part(key, view, input)).collect();
    // The group where it is a member comes before those that it leaves.
    parts.sort_by_key(|part| part.group.is_leaving);
    let (state, summary) = match parts.first() {
        Some(part) => (part.state, part.summary.clone()),
        None => placeless(input.world.membership(&ingress)),
    };
    let mut description = Description {
        version: 1,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        state,
        summary,
        hosts: hosts(&ingress),
        groups: Vec::new(),
        waits: Vec::new(),
        faults: Vec::new(),
        subnets: Vec::new(),
        events: input.events.to_vec(),
        unread: input.unread.to_vec(),
    };
    for part in parts {
        description.waits.extend(part.waits);
        description.faults.extend(part.faults);
        description.subnets.extend(part.subnets);
        description.groups.push(part.group);
    }
    if let Some(hosts) = description.groups.iter().find(|group| !group.is_leaving).and_then(Group::host) {
        description.hosts = hosts;
    }
    let bindings: BTreeSet<String> = description.groups.iter().flat_map(Group::bindings).collect();
    let own = format!("Ingress {key}");
    description.events.retain(|event| event.object == own || bindings.contains(&event.object));
    description.events.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.cmp(b)));
    Some(description)
}

/// The groups that an Ingress is in.
#[must_use]
pub fn groups_of(key: &Key, world: &World) -> Vec<View> {
    let views = world.group_ids().into_iter().map(|group| world.view(&group, &Overlay::None));
    views.filter(|view| view.members.iter().any(|member| member.key() == *key) || left(key, view).is_some()).collect()
}

/// Its entry among the leavers of a group, if it leaves the group.
fn left<'v>(key: &Key, view: &'v View) -> Option<&'v Leaving> {
    view.leaving.iter().find(|leaving| Key::of(&leaving.ingress().metadata) == *key)
}

/// The host names of an Ingress's status.
fn hosts(ingress: &Ingress) -> Vec<String> {
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    status.into_iter().flatten().filter_map(|one| one.hostname.clone()).collect()
}

/// State and summary of an Ingress that is in no group.
fn placeless(membership: Membership) -> (State, String) {
    match membership {
        Membership::InvalidGroup(name) => (
            State::Misplaced,
            format!(
                "the name of its group is invalid: {name:?}; write at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
            ),
        ),
        Membership::Unknown(error) => (State::Misplaced, error.to_string()),
        Membership::None | Membership::Member(..) => (
            State::Foreign,
            "its class belongs to another controller: ingressClassName must name an IngressClass whose controller is ingress.k8s.aws/alb or albedo.dev/alb"
                .to_owned(),
        ),
    }
}

impl Description {
    /// For people.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        text::text(self, now)
    }
}
