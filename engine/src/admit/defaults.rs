//! Writes defaults into an Ingress when it becomes ours: only absent keys, in a fixed order, and records which ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use super::layers::{Outcome, Sources, Subject, layers};
use super::{Context, Defaults, PatchOp, ReviewAnswer};
use crate::annotation::{DEFAULTED, PREFIX};
use crate::settings::Settings;
use crate::world::{Kind, Membership, Object, World};

/// The annotation in which `kubectl apply` keeps the manifest:
/// <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes>.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

type Annotations = BTreeMap<String, String>;

/// The patch that writes the defaults.
pub(super) fn mutate(candidate: &Ingress, old: Option<&Ingress>, context: Context<'_>) -> ReviewAnswer {
    let Some(wanted) = wanted(candidate, old, context.into()) else { return ReviewAnswer::allow() };
    let given = candidate.metadata.annotations.clone().unwrap_or_default();
    let mut answer = ReviewAnswer::allow();
    answer.patch = patch(candidate, old, &given, &wanted);
    answer.audit.defaults = wanted.into_keys().collect();
    answer
}

/// What is written into an Ingress, by keys without their prefix; `None` if it is not ours.
fn wanted(candidate: &Ingress, old: Option<&Ingress>, sources: Sources<'_>) -> Option<Annotations> {
    let Membership::Member(group, class) = sources.world.membership(candidate) else { return None };
    if let Some(old) = old.filter(|old| matches!(sources.world.membership(old), Membership::Member(..))) {
        return Some(vanished(old, candidate));
    }
    let values = layers(Subject { ingress: candidate, group: &group, class: &class }, sources).into_iter();
    let written = values.filter(|one| one.outcome == Outcome::Written);
    Some(written.map(|one| (one.key, one.value)).collect())
}

/// Writes `IngressDefaults` into the Ingresses of a world, as if each was created now: for files. Built-in defaults are left out, because an Ingress
/// without them has the same values.
pub fn write_defaults(world: &mut World, settings: &Settings) {
    for key in world.keys(Kind::Ingress) {
        let Some(ingress) = world.ingress(&key).cloned() else { continue };
        let sources = Sources { world, extra_attributes: &settings.extra_attributes, built_in: Defaults::default() };
        let wanted = wanted(&ingress, None, sources).unwrap_or_default();
        if wanted.is_empty() {
            continue;
        }
        let mut ingress = Arc::unwrap_or_clone(ingress);
        let annotations = ingress.metadata.annotations.get_or_insert_default();
        let keys: BTreeSet<&str> = wanted.keys().map(String::as_str).collect();
        annotations.insert(DEFAULTED.to_owned(), keys.into_iter().collect::<Vec<_>>().join(","));
        annotations.extend(wanted.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())));
        world.apply(Object::Ingress(Box::new(ingress)));
    }
}

/// Keys that were written before, and that would be lost when the manifest is applied again, with their values. What a user had made his own may go.
fn vanished(old: &Ingress, candidate: &Ingress) -> Annotations {
    let stored = old.metadata.annotations.clone().unwrap_or_default();
    let given = candidate.metadata.annotations.clone().unwrap_or_default();
    let written = stored.get(DEFAULTED).map(|list| keys(list)).unwrap_or_default();
    if written.is_empty() {
        return Annotations::new();
    }
    let owned = owned(old);
    let is_lost = |key: &String| !given.contains_key(key) && !owned.contains(key.as_str());
    written
        .into_iter()
        .filter(|key| is_lost(&format!("{PREFIX}{key}")))
        .filter_map(|key| Some((key.clone(), stored.get(&format!("{PREFIX}{key}"))?.clone())))
        .collect()
}

fn keys(list: &str) -> BTreeSet<String> {
    list.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// Annotations that a user set: their values are his, even if they equal the defaults. Whoever also sets the list of defaults (a restored backup) does
/// not make them his own.
///
/// The API server notes a field manager before webhooks are called, so what admission writes has none. `kubectl apply` on the client's side does not send a
/// value that is stored already, so its manager is not noted; but it sends its whole manifest in an annotation.
fn owned(ingress: &Ingress) -> BTreeSet<String> {
    let applied = ingress.metadata.annotations.as_ref().and_then(|map| map.get(LAST_APPLIED));
    let applied: Option<Value> = applied.and_then(|manifest| serde_json::from_str(manifest).ok());
    let applied = applied.as_ref().and_then(|manifest| manifest.get("metadata")?.get("annotations")?.as_object());
    let applied = applied.filter(|annotations| !annotations.contains_key(DEFAULTED));
    let managers = ingress.metadata.managed_fields.iter().flatten();
    let fields = managers
        .filter_map(|manager| manager.fields_v1.as_ref()?.0.get("f:metadata")?.get("f:annotations")?.as_object());
    let fields = fields.filter(|fields| !fields.contains_key(&format!("f:{DEFAULTED}")));
    let noted = fields.flat_map(|fields| fields.keys()).filter_map(|field| field.strip_prefix("f:"));
    noted.chain(applied.into_iter().flatten().map(|(key, _)| key.as_str())).map(str::to_owned).collect()
}

fn patch(candidate: &Ingress, old: Option<&Ingress>, given: &Annotations, wanted: &Annotations) -> Vec<PatchOp> {
    let stored = old.and_then(|old| old.metadata.annotations.clone()).unwrap_or_default();
    let mut listed: BTreeSet<String> =
        given.get(DEFAULTED).or(stored.get(DEFAULTED)).map(|list| keys(list)).unwrap_or_default();
    // If the user set a value, it is no longer a default. Who set what takes reading his manifest, so it is asked only then.
    if !listed.is_empty() {
        let (owned, owned_before) = (owned(candidate), old.map(owned).unwrap_or_default());
        listed.retain(|key| {
            let key = format!("{PREFIX}{key}");
            match given.get(&key) {
                Some(value) => !owned.contains(key.as_str()) && (stored.is_empty() || stored.get(&key) == Some(value)),
                None => !owned_before.contains(key.as_str()),
            }
        });
    }
    listed.extend(wanted.keys().cloned());
    let list = listed.into_iter().collect::<Vec<_>>().join(",");
    let mut added: Vec<(String, String)> =
        wanted.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
    let present = given.get(DEFAULTED);
    if present.is_none_or(|present| *present != list) && !(list.is_empty() && present.is_none()) {
        added.push((DEFAULTED.to_owned(), list));
    }
    if added.is_empty() {
        return Vec::new();
    }
    if candidate.metadata.annotations.is_none() {
        let map: serde_json::Map<String, Value> = added.into_iter().map(|(key, value)| (key, json!(value))).collect();
        return vec![PatchOp { op: "add", path: "/metadata/annotations".to_owned(), value: Some(Value::Object(map)) }];
    }
    let operation = |(key, value): (String, String)| {
        let op = if given.contains_key(&key) { "replace" } else { "add" };
        let escaped = key.replace('~', "~0").replace('/', "~1");
        PatchOp { op, path: format!("/metadata/annotations/{escaped}"), value: Some(json!(value)) }
    };
    added.into_iter().map(operation).collect()
}
