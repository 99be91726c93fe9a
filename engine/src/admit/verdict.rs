//! The verdict: findings(after) − findings(before). Only new findings that name the candidate decide.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;

use super::consequence::{IngressEdit, acknowledged};
use super::{Cause, Context, Details, Mode, Policy, Request, ReviewAnswer, policies, preview};
use crate::annotation::parse::shown;
use crate::annotation::{LEGACY_CLASS, PREFIX};
use crate::clean::clean;
use crate::compile::Cache;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::link::{Existing, Input, Linked, is_total, not_worse, relink};
use crate::stack::GroupId;
use crate::world::{ClassError, Kind, Membership, Overlay, World};

/// The most causes of a denial; the others are only counted. An answer of megabytes helps nobody, and costs everyone who transports it.
const CAUSES: usize = 100;
/// The most characters of one cause, which may quote a value of any length.
const TEXT: usize = 2_000;
/// The label that sets the mode of a namespace.
pub(super) const MODE_LABEL: &str = "albedo.dev/admission";
/// The label of a namespace that decides about Ingresses of other namespaces that take its requests, and the value that refuses them.
const TAKEOVER_LABEL: &str = "albedo.dev/takeover";
const FORBID: &str = "forbid";

/// The verdict on an Ingress that would be stored.
pub(super) fn validate(
    request: &Request,
    candidate: &Ingress,
    old: Option<&Ingress>,
    context: Context<'_>,
    cache: &mut Cache,
) -> ReviewAnswer {
    let policy = policy_for(candidate.metadata.namespace.as_deref().unwrap_or_default(), context);
    if policy.mode == Mode::Off || old.is_some_and(|old| means_the_same(old, candidate)) {
        return ReviewAnswer::allow();
    }
    let key = Key::of(&candidate.metadata);
    let subject = key.ingress();
    let (found, plan) = match context.world.membership(candidate) {
        Membership::None => (foreign(context.world, candidate, &subject).into_iter().collect(), Vec::new()),
        Membership::Unknown(error) => (vec![unusable_class(&subject, &error)], Vec::new()),
        Membership::InvalidGroup(name) => (vec![invalid_group(&subject, &name)], Vec::new()),
        Membership::Member(group, _) => cache.reviewing(&key, context.world.ingress(&key), |cache| {
            let overlay = old.map_or(Overlay::Delete(key.clone()), |old| Overlay::Put(as_stored(&key, old, context)));
            let before = linked(&group, &overlay, context, cache);
            let edited = Overlay::Put(Arc::new(candidate.clone()));
            let after = linked(&group, &edited, context, cache);
            let left = old.and_then(|old| left(old, &group, context));
            let there = left.map(|left| (linked(&left, &overlay, context, cache), left));
            let mut found = new_findings(&before, there.as_ref().map(|(there, _)| there), &after, &subject);
            forbid_takeovers(&mut found, &subject, context.world);
            let broken = policies::violations(candidate, &group, &edited, &after, context, cache);
            if !broken.is_empty() {
                let (was, stored) = there.as_ref().map_or((&before, &group), |(there, left)| (there, left));
                let known = old.map(|old| policies::violations(old, stored, &overlay, was, context, cache));
                found.extend(as_known(broken, &known.unwrap_or_default()));
            }
            let (group, subject, before, after) = (&group, &subject, &before, &after);
            let change = IngressEdit { group, subject, candidate, old, before, after, context };
            found.extend(change.consequences(cache));
            let plan = if request.dry_run { preview::lines(before, after, context.settings, &key) } else { Vec::new() };
            (found, plan)
        }),
    };
    answer(&found, &plan, candidate, &policy)
}

/// All findings on all Ingresses of a world.
pub(super) fn survey(context: Context<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for key in context.world.keys(Kind::Ingress) {
        let Some(ingress) = context.world.ingress(&key) else { continue };
        findings.extend(outside(context.world, ingress));
    }
    let mut cache = Cache::default();
    for group in context.world.group_ids() {
        let linked = linked(&group, &Overlay::None, context, &mut cache);
        findings.extend(linked.findings().cloned());
        for member in &linked.members {
            let Some(ingress) = context.world.ingress(&member.key) else { continue };
            findings.extend(policies::violations(ingress, &group, &Overlay::None, &linked, context, &mut cache));
        }
    }
    findings
}

/// Why an Ingress is in no group: its class or the name of its group cannot be used, or its class belongs to another controller although it has
/// annotations of ours.
#[must_use]
pub fn outside(world: &World, ingress: &Ingress) -> Option<Finding> {
    let key = Key::of(&ingress.metadata);
    let subject = key.ingress();
    match world.membership(ingress) {
        Membership::None => foreign(world, ingress, &subject),
        Membership::Unknown(error) => Some(unusable_class(&subject, &error)),
        Membership::InvalidGroup(name) => Some(invalid_group(&subject, &name)),
        Membership::Member(..) => None,
    }
}

/// The policy, with the mode of the namespace.
pub(super) fn policy_for(namespace: &str, context: Context<'_>) -> Policy {
    Policy { mode: mode_of(namespace, context), ..context.policy.clone() }
}

/// The mode of the namespace.
pub(super) fn mode_of(namespace: &str, context: Context<'_>) -> Mode {
    let label = context.world.namespace_labels(namespace).and_then(|labels| labels.get(MODE_LABEL));
    label.and_then(|word| Mode::parse(word)).unwrap_or(context.policy.mode)
}

fn means_the_same(old: &Ingress, new: &Ingress) -> bool {
    old.spec == new.spec && old.metadata.annotations == new.metadata.annotations
}

/// The stored object, if it equals the old object of the request: the compiled form of the stored one is in the cache.
fn as_stored(key: &Key, old: &Ingress, context: Context<'_>) -> Arc<Ingress> {
    let stored = context.world.ingress(key).filter(|stored| {
        let (is, was) = (&stored.metadata, &old.metadata);
        means_the_same(stored, old)
            && (&is.uid, &is.creation_timestamp, &is.finalizers) == (&was.uid, &was.creation_timestamp, &was.finalizers)
            && is.deletion_timestamp == was.deletion_timestamp
    });
    stored.cloned().unwrap_or_else(|| Arc::new(old.clone()))
}

pub(super) fn linked(group: &GroupId, overlay: &Overlay, context: Context<'_>, cache: &mut Cache) -> Linked {
    let view = context.world.view(group, overlay);
    let existing = Existing::remembered(view.ledger.as_deref());
    let (settings, facts, existing) = (context.settings, context.facts, existing.as_ref());
    let input = Input { settings, view: &view, facts, existing, now: context.now };
    relink(input, cache)
}

/// The group that an Ingress leaves when it joins another one.
fn left(old: &Ingress, joined: &GroupId, context: Context<'_>) -> Option<GroupId> {
    match context.world.membership(old) {
        Membership::Member(group, _) if group != *joined => Some(group),
        _ => None,
    }
}

/// New findings that name the candidate. A finding is new if neither the group before, nor the group that the candidate leaves, has it.
fn new_findings(before: &Linked, there: Option<&Linked>, after: &Linked, candidate: &ObjectRef) -> Vec<Finding> {
    let names = |finding: &Finding| finding.subject == *candidate || finding.related.contains(candidate);
    let known: BTreeSet<_> =
        before.findings().chain(there.into_iter().flat_map(Linked::findings)).map(identity).collect();
    let is_known = |later: &Finding| {
        known.contains(&identity(later)) || is_total(later) && before.findings().any(|one| not_worse(one, later))
    };
    after.findings().filter(|finding| names(finding) && !is_known(finding)).cloned().collect()
}

/// Violations of policies; those that the stored object has already only warn, because a policy may be younger than it.
fn as_known(violations: Vec<Finding>, known: &[Finding]) -> impl Iterator<Item = Finding> {
    violations.into_iter().map(|one| {
        let is_known = known.iter().any(|other| identity(other) == identity(&one));
        if is_known { one.lenient() } else { one }
    })
}

/// Refuses an Ingress that takes requests of a namespace that forbids it.
fn forbid_takeovers(found: &mut [Finding], candidate: &ObjectRef, world: &World) {
    let forbids = |object: &ObjectRef| {
        let labels = world.namespace_labels(&object.namespace);
        object.namespace != candidate.namespace
            && labels.is_some_and(|labels| labels.get(TAKEOVER_LABEL).is_some_and(|word| word == FORBID))
    };
    let takes = |finding: &&mut Finding| match finding.code {
        Code::TakesRequests => finding.subject == *candidate && finding.related.iter().any(forbids),
        // The candidate takes all requests of the rule.
        Code::UnreachedRule => finding.related.contains(candidate) && forbids(&finding.subject),
        _ => false,
    };
    for finding in found.iter_mut().filter(takes) {
        finding.firm = true;
    }
}

/// Two findings are the same if these are equal.
fn identity(finding: &Finding) -> (Code, &ObjectRef, &FieldPath, &Option<String>, &str) {
    (finding.code, &finding.subject, &finding.path, &finding.value, &finding.message)
}

fn foreign(world: &World, candidate: &Ingress, subject: &ObjectRef) -> Option<Finding> {
    let annotations = candidate.metadata.annotations.iter().flatten();
    let keys: Vec<&String> = annotations.map(|(key, _)| key).filter(|key| key.starts_with(PREFIX)).collect();
    let first = keys.first()?;
    let own = world.own_classes();
    let classes = if own.is_empty() { "no class is ours".to_owned() } else { format!("ours: {}", own.join(", ")) };
    let named = candidate.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    let legacy = candidate.metadata.annotations.as_ref().and_then(|map| map.get(LEGACY_CLASS));
    let (class, whose) = match (legacy, named) {
        (Some(legacy), _) => (shown(legacy), format!("; the annotation {LEGACY_CLASS} names it")),
        (None, Some(named)) => match world.controller_of(named) {
            Some(controller) => (named.to_owned(), format!(", its controller is {}", shown(controller))),
            None => (named.to_owned(), String::new()),
        },
        (None, None) => ("(none)".to_owned(), String::new()),
    };
    let annotations = match keys.len() {
        1 => "1 annotation has".to_owned(),
        several => format!("{several} annotations have"),
    };
    let message = format!("{annotations} no effect: class {class} is not ours{whose} ({classes})");
    let fix = match own.first() {
        Some(own) if legacy.is_some() => {
            format!("remove the annotation {LEGACY_CLASS} and set ingressClassName: {own}, or remove these annotations")
        }
        Some(own) => format!("set ingressClassName: {own}, or remove these annotations"),
        None => {
            let controller = world.own_controller();
            format!("create an IngressClass with controller {controller} and name it, or remove these annotations")
        }
    };
    Some(Finding::new(Code::NotOurs, subject.clone(), FieldPath::annotation(first), message).allowed(own).fix(fix))
}

fn unusable_class(subject: &ObjectRef, error: &ClassError) -> Finding {
    // Where there is no fix the code's own fits.
    let (code, fix) = match error {
        ClassError::NotFound(_) | ClassError::ParametersNotFound(_) => (Code::MissingClass, None),
        ClassError::SeveralDefaults(_) => {
            (Code::UnusableClass, Some("set ingressClassName, or make only one class the default"))
        }
        ClassError::UnknownParameters(_) => (
            Code::UnusableClass,
            Some("let spec.parameters of the class name an IngressClassParams of elbv2.k8s.aws, or use another class"),
        ),
        ClassError::NamespaceNotSelected(_) => (Code::UnusableClass, None),
    };
    let found = Finding::new(code, subject.clone(), FieldPath::at("spec.ingressClassName"), error.to_string());
    match fix {
        Some(fix) => found.fix(fix),
        None => found,
    }
}

fn invalid_group(subject: &ObjectRef, name: &str) -> Finding {
    let path = FieldPath::annotation(&format!("{PREFIX}group.name"));
    let reason = if name.len() > 63 {
        "groupName must be no more than 63 characters"
    } else {
        "groupName must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
    };
    Finding::new(Code::InvalidGroupName, subject.clone(), path, reason).value(name)
}

fn answer(findings: &[Finding], plan: &[String], candidate: &Ingress, policy: &Policy) -> ReviewAnswer {
    let name = candidate.metadata.name.clone().unwrap_or_default();
    let about = Details { kind: "Ingress".to_owned(), name, group: "networking.k8s.io".to_owned(), causes: Vec::new() };
    let reader = candidate.metadata.namespace.as_deref().unwrap_or_default();
    answer_about(about, reader, findings, plan, policy, acknowledged(candidate))
}

/// The answer to findings on an object. `about` names it, `reader` is the namespace of the author.
pub(super) fn answer_about(
    about: Details,
    reader: &str,
    findings: &[Finding],
    plan: &[String],
    policy: &Policy,
    acknowledged: bool,
) -> ReviewAnswer {
    let findings: Vec<Finding> = findings.iter().map(|finding| finding.told_to(reader)).collect();
    let mut answer = answer_in_full(about, &findings, plan, policy, acknowledged);
    for text in answer.texts() {
        if let Cow::Owned(clean) = clean(text) {
            *text = clean;
        }
    }
    answer
}

fn answer_in_full(
    about: Details,
    findings: &[Finding],
    plan: &[String],
    policy: &Policy,
    acknowledged: bool,
) -> ReviewAnswer {
    let (denying, warning): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| policy.denies(finding, acknowledged));
    let mut answer = ReviewAnswer::allow();
    answer.audit.note(&denying, &warning);
    answer.warnings = warning.iter().map(|finding| brief(finding)).collect();
    if denying.is_empty() {
        answer.warnings.extend(plan.iter().cloned());
        return answer;
    }
    let more = denying.len().saturating_sub(CAUSES);
    let mut all: Vec<String> = denying.iter().take(CAUSES).map(|finding| bounded(finding.to_string())).collect();
    if more > 0 {
        all.push(and_more(more));
    }
    answer.allowed = false;
    answer.code = 422;
    answer.reason = "Invalid".to_owned();
    let Details { kind, group, name, .. } = &about;
    answer.message = format!("{kind}.{group} \"{name}\" is invalid: {}", all.join("; "));
    let cause = |finding: &&Finding| Cause {
        reason: "FieldValueInvalid".to_owned(),
        message: if finding.subject.kind == about.kind {
            bounded(cause_text(finding))
        } else {
            bounded(format!("{}: {}", finding.subject, cause_text(finding)))
        },
        field: bounded(finding.path.to_string()),
    };
    let mut causes: Vec<Cause> = denying.iter().take(CAUSES).map(cause).collect();
    if more > 0 {
        causes.push(Cause { reason: "FieldValueInvalid".to_owned(), message: and_more(more), field: String::new() });
    }
    answer.details = Some(Details { causes, ..about });
    answer
}

fn and_more(more: usize) -> String {
    format!("and {more} more; `albedo check -f` prints all of them")
}

/// A text, cut at [`TEXT`] characters, with a mark where it was cut.
fn bounded(text: String) -> String {
    match text.char_indices().nth(TEXT) {
        None => text,
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
    }
}

/// A warning: code and message, and the fix if it fits. A client may cut longer warnings.
fn brief(finding: &Finding) -> String {
    const FITS: usize = 120;
    let short = format!("{}: {}", finding.code, finding.message);
    let long = format!("{short}; {}", finding.fix);
    if finding.fix.is_empty() || long.chars().count() > FITS { short } else { long }
}

/// Code, value, message and fix: kubectl prints nothing else of a denial.
fn cause_text(finding: &Finding) -> String {
    match &finding.value {
        Some(value) if !finding.message.contains(value.as_str()) && !value.is_empty() => {
            format!("Invalid value: {value:?}: {}", finding.text())
        }
        _ => finding.text(),
    }
}
