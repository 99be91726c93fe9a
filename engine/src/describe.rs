//! What an Ingress became in AWS, what it waits for and what is wrong with it: as its cluster tells, without AWS being asked.
//!
//! Two sources are put side by side: the objects, linked here and now, and the ledger, which says what the reconciler made of
//! them. Where they differ the reconciler's word counts for what is in AWS.

mod findings;
mod group;
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

/// What an Ingress is described from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The objects, as far as they could be read. Secrets that nobody may read are there with the keys that are asked of them.
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

/// Something that was said of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When it was said last.
    pub at: Option<Timestamp>,
    /// Kind and name of the object.
    pub object: String,
    /// `Normal` or `Warning`.
    pub severity: String,
    /// One word, `FailedBuildModel`.
    pub reason: String,
    /// The text.
    pub text: String,
    /// How often it was said.
    pub count: i32,
}

/// How an Ingress stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// AWS does what it asks for.
    Served,
    /// It is on its way.
    UnderWay,
    /// AWS or Kubernetes refused; it is tried again.
    Failing,
    /// It is linked from its last good input, because the present one cannot be used.
    Kept,
    /// Nothing of it is in AWS, because of what is wrong with it.
    SetAside,
    /// A finding keeps its whole group as it is.
    Blocked,
    /// It is on its way out.
    Leaving,
    /// It cannot leave until somebody does something.
    Held,
    /// Its class or its group's name cannot be used, so that it belongs nowhere.
    Misplaced,
    /// It is another controller's.
    Foreign,
}

impl State {
    /// Whether nobody has to do anything.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Served | Self::UnderWay | Self::Leaving)
    }
}

/// An Ingress and what became of it. Fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Counted up when a field changes its meaning.
    pub version: u32,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// The same in a sentence.
    pub summary: String,
    /// Host names of its status.
    pub hosts: Vec<String>,
    /// Its group, and those that it has not left yet.
    pub groups: Vec<Group>,
    /// What is waited for.
    pub waits: Vec<String>,
    /// What is wrong with it, or keeps its group.
    pub faults: Vec<Fault>,
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
    // Where it is a member comes before where it once was.
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
        events: input.events.to_vec(),
        unread: input.unread.to_vec(),
    };
    for part in parts {
        description.waits.extend(part.waits);
        description.faults.extend(part.faults);
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

/// The groups that an Ingress counts in.
#[must_use]
pub fn groups_of(key: &Key, world: &World) -> Vec<View> {
    let views = world.group_ids().into_iter().map(|group| world.view(&group, &Overlay::None));
    views.filter(|view| view.members.iter().any(|member| member.key() == *key) || left(key, view).is_some()).collect()
}

/// The one that leaves a group, if it does.
fn left<'v>(key: &Key, view: &'v View) -> Option<&'v Leaving> {
    view.leaving.iter().find(|leaving| Key::of(&leaving.ingress().metadata) == *key)
}

/// The host names of an Ingress's status.
fn hosts(ingress: &Ingress) -> Vec<String> {
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    status.into_iter().flatten().filter_map(|one| one.hostname.clone()).collect()
}

/// What is said of an Ingress that is in no group.
fn placeless(membership: Membership) -> (State, String) {
    match membership {
        Membership::InvalidGroup(name) => (
            State::Misplaced,
            format!(
                "its group's name {name:?} is none: write at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
            ),
        ),
        Membership::Unknown(error) => (State::Misplaced, error.to_string()),
        Membership::None | Membership::Member(..) => (
            State::Foreign,
            "its class is another controller's: ingressClassName has to name an IngressClass whose controller is ingress.k8s.aws/alb"
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
