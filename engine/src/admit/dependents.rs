//! What a change of a Service, a class or its parameters does to stored Ingresses: they can no longer be built, or get another load balancer.
//!
//! The change is made in a copy of the world, and the groups that it affects are linked without it and with it. It is refused only if the object is of
//! a kind of Albedo's and is not deleted; the authors of all other objects are told.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::verdict::{answer_about, linked, outside, policy_for};
use super::{ALLOW_REPLACEMENT, Context, Details, Mode, Object as Reviewed, Operation, Request, ReviewAnswer};
use crate::compile::Cache;
use crate::finding::{Certainty, Code, Effect, FieldPath, Finding, ObjectRef};
use crate::kinds::{IngressClassParams, Key};
use crate::link::{Linked, MemberState};
use crate::stack::{GroupId, Scheme};
use crate::world::{Kind, Membership, Object, Overlay, Unit, World};

/// The most groups that are linked for one review; the others are counted.
const GROUPS: usize = 50;
/// The most Ingresses that one finding names. With more, a warning would be cut before it says what happens to them.
const NAMED: usize = 3;

/// A kind on which Ingresses depend.
pub(super) struct DependencyRow {
    /// The plural.
    resource: &'static str,
    /// The kind.
    kind: &'static str,
    /// The kind in the world.
    of: Kind,
    /// The object for the world.
    read: fn(&Value) -> Option<Object>,
    /// A change is refused; otherwise it draws warnings.
    refuses: bool,
    /// Whether an Ingress may depend on the object of this name: the first look, which costs nothing.
    is_used: fn(&World, &Key) -> bool,
}

const ROWS: [DependencyRow; 3] = [
    DependencyRow {
        resource: "services",
        kind: "Service",
        of: Kind::Service,
        read: |object| decoded(object).map(Object::Service),
        refuses: false,
        is_used: World::is_backend,
    },
    DependencyRow {
        resource: "ingressclasses",
        kind: "IngressClass",
        of: Kind::IngressClass,
        read: |object| decoded(object).map(Object::IngressClass),
        refuses: false,
        is_used: |world, _| world.has_ingresses(),
    },
    DependencyRow {
        resource: "ingressclassparams",
        kind: "IngressClassParams",
        of: Kind::IngressClassParams,
        read: |object| decoded::<IngressClassParams>(object).map(Object::IngressClassParams),
        refuses: true,
        is_used: |world, _| world.has_ingresses(),
    },
];

fn decoded<T: DeserializeOwned>(object: &Value) -> Option<Box<T>> {
    serde_json::from_value(object.clone()).ok().map(Box::new)
}

/// The row of a plural.
pub(super) fn row(resource: &str) -> Option<&'static DependencyRow> {
    ROWS.iter().find(|row| row.resource == resource)
}

impl DependencyRow {
    /// The answer to a change or deletion of an object.
    pub(super) fn review(&self, request: &Request, context: Context<'_>, cache: &mut Cache) -> ReviewAnswer {
        let found = self.findings(request, context, cache);
        let about = Details {
            kind: self.kind.to_owned(),
            name: request.name.clone(),
            group: request.row.group.to_owned(),
            causes: Vec::new(),
        };
        answer_about(about, &request.namespace, &found, &[], &policy_for(&request.namespace, context), false)
    }

    /// What the change does to Ingresses.
    pub(super) fn findings(&self, request: &Request, context: Context<'_>, cache: &mut Cache) -> Vec<Finding> {
        let key = Key::new(&request.namespace, &request.name);
        let is_deleted = request.operation == Operation::Delete;
        let is_off = policy_for(&request.namespace, context).mode == Mode::Off;
        if is_off || request.operation == Operation::Connect || !(self.is_used)(context.world, &key) {
            return Vec::new();
        }
        let object = match &request.object {
            _ if is_deleted => None,
            Some(Reviewed::Other(object)) => Some(object),
            _ => return Vec::new(),
        };
        let Some((after, groups)) = self.changed(context.world, &key, object) else { return Vec::new() };
        let means_it = |object: &Value| {
            object.get("metadata")?.get("annotations")?.get(ALLOW_REPLACEMENT)?.as_str().map(|word| word == "true")
        };
        let is_acknowledged = object.and_then(means_it) == Some(true);
        let subject = ObjectRef::new(self.kind, &request.namespace, &request.name);
        let told = effects(&after, &groups, &request.namespace, context, cache).into_iter();
        let told = told.map(|((code, what), ingresses)| {
            let message = what.replacen("{}", &named(&ingresses), 1);
            let finding = Finding::new(code, subject.clone(), FieldPath::at("spec"), message);
            let only_told = !self.refuses || is_deleted || code == Code::MovesOthers && is_acknowledged;
            if only_told { finding.fix("").lenient() } else { finding }
        });
        let mut found: Vec<Finding> = told.collect();
        if let Some(more) = groups.len().checked_sub(GROUPS).filter(|more| *more > 0) {
            let message = format!("{more} more groups of Ingresses depend on it; what becomes of them is not known");
            found.push(Finding::new(Code::BreaksOthers, subject, FieldPath::at("spec"), message).fix("").lenient());
        }
        found
    }

    /// The world with the object in its new form, or without it, and the groups that this affects; `None` if that is none, or the object cannot be read.
    fn changed(&self, world: &World, key: &Key, object: Option<&Value>) -> Option<(World, Vec<GroupId>)> {
        let mut after = world.without_targets();
        let changes = match object {
            Some(object) => after.apply((self.read)(&with_name(object, key))?),
            None => after.delete(self.of, key),
        };
        let groups = changes.into_iter().filter_map(|unit| match unit {
            Unit::Group(group) => Some(group),
            Unit::Binding(_) | Unit::BackendGroup | Unit::NodeRules => None,
        });
        let groups: Vec<GroupId> = groups.collect();
        (!groups.is_empty()).then_some((after, groups))
    }
}

/// The object with the name of the request, which has precedence.
fn with_name(object: &Value, key: &Key) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), Value::from(key.name.as_str()));
        if !key.namespace.is_empty() {
            metadata.insert("namespace".to_owned(), Value::from(key.namespace.as_str()));
        }
    }
    object
}

/// Code and message, in which `{}` stands for the Ingresses that it is about.
type Effects = BTreeMap<(Code, String), BTreeSet<Key>>;

/// What happens to the members of the groups. `reader`: the namespace of the asker, who may read what is written there.
fn effects(after: &World, groups: &[GroupId], reader: &str, context: Context<'_>, cache: &mut Cache) -> Effects {
    let changed = Context { world: after, ..context };
    let (mut effects, mut known, mut pairs) = (Effects::new(), BTreeSet::new(), Vec::new());
    for group in groups.iter().take(GROUPS) {
        let was = linked(group, &Overlay::None, context, cache);
        // Nothing that is compiled here is true yet.
        let becomes = linked(group, &Overlay::None, changed, &mut Cache::default());
        known.extend(was.findings().map(place));
        pairs.push((group, was, becomes));
    }
    for (group, was, becomes) in &pairs {
        for finding in becomes.findings().filter(|finding| breaks(finding) && !known.contains(&place(finding))) {
            let key = Key::new(&finding.subject.namespace, &finding.subject.name);
            effects.entry((Code::BreaksOthers, broken(finding, reader))).or_default().insert(key);
        }
        if let Some((old, new)) = schemes(group, was, becomes, context.world) {
            let what = format!("replaces the load balancer of {{}}: scheme {old} → {new}, another DNS name");
            let members = becomes.members.iter().filter(|member| member.state == MemberState::Linked);
            effects.entry((Code::MovesOthers, what)).or_default().extend(members.map(|member| member.key.clone()));
        }
        for member in &was.members {
            if let Some(effect) = left(&member.key, group, context.world, after) {
                effects.entry(effect).or_default().insert(member.key.clone());
            }
        }
    }
    effects.retain(|_, ingresses| !ingresses.is_empty());
    effects
}

/// What an Ingress has already, if only the words differ: they may list what the object has now.
fn place(finding: &Finding) -> (Code, ObjectRef, FieldPath) {
    (finding.code, finding.subject.clone(), finding.path.clone())
}

/// Whether an Ingress with the finding does less than without it.
fn breaks(finding: &Finding) -> bool {
    let is_certain = finding.code.row().certainty == Certainty::Certain;
    finding.subject.kind == "Ingress"
        && !finding.lenient
        && (is_certain || finding.effect != Effect::Nothing || finding.code == Code::MissingService)
}

/// What breaks, in the words of the finding if the asker may read them.
fn broken(finding: &Finding, reader: &str) -> String {
    let row = finding.code.row();
    let may_read = finding.readers().is_none_or(|readers| readers.contains(reader));
    let what = if may_read { finding.message.as_str() } else { row.title };
    format!("breaks {{}}: {} {what}", row.id)
}

/// The scheme of the load balancer of a group, if it changes.
fn schemes(group: &GroupId, was: &Linked, becomes: &Linked, world: &World) -> Option<(String, Scheme)> {
    let of = |linked: &Linked| Some(linked.desired.as_ref()?.load_balancer.as_ref()?.scheme);
    let ledger = world.group_object(group).and_then(|ledger| ledger.status.as_ref()?.load_balancer.as_ref());
    let stands = ledger.map(|known| known.scheme.clone()).filter(|scheme| !scheme.is_empty());
    let old = stands.or_else(|| of(was).map(|scheme| scheme.to_string()))?;
    let new = of(becomes)?;
    (old != new.to_string()).then_some((old, new))
}

/// What becomes of a member that is in the group no longer.
fn left(key: &Key, group: &GroupId, before: &World, after: &World) -> Option<(Code, String)> {
    let ingress = before.ingress(key)?;
    match after.membership(ingress) {
        Membership::Member(to, _) if to == *group => None,
        Membership::Member(to, _) => {
            let what = format!("moves {{}} from group {group} to {to}, another load balancer with another DNS name");
            Some((Code::MovesOthers, what))
        }
        Membership::None => Some((Code::BreaksOthers, "takes {} away: its class is no longer Albedo's".to_owned())),
        Membership::Unknown(_) | Membership::InvalidGroup(_) => {
            let finding = outside(after, ingress)?;
            Some((Code::BreaksOthers, format!("breaks {{}}: {} {}", finding.code, finding.message)))
        }
    }
}

/// A few names, and the number of the others.
fn named(ingresses: &BTreeSet<Key>) -> String {
    let first: Vec<String> = ingresses.iter().take(NAMED).map(ToString::to_string).collect();
    let word = if ingresses.len() == 1 { "Ingress" } else { "Ingresses" };
    match ingresses.len().saturating_sub(NAMED) {
        0 => format!("{word} {}", first.join(", ")),
        more => format!("{word} {} and {more} more", first.join(", ")),
    }
}
