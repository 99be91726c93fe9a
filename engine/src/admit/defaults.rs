//! Writes defaults into an Ingress when it becomes ours: only absent keys, in a fixed order, and records which ones.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use super::{Context, PatchOp, ReviewAnswer};
use crate::annotation::catalogue::{IP_ADDRESS_TYPE, SCHEME, TARGET_TYPE};
use crate::annotation::{DEFAULTED, PREFIX, SettingRow};
use crate::stack::{GroupId, IpAddressType, Scheme, TargetType};
use crate::world::{Class, Membership};

type Annotations = BTreeMap<String, String>;

/// The patch that writes the defaults.
pub(super) fn mutate(candidate: &Ingress, old: Option<&Ingress>, context: Context<'_>) -> ReviewAnswer {
    let Membership::Member(group, class) = context.world.membership(candidate) else { return ReviewAnswer::allow() };
    let given = candidate.metadata.annotations.clone().unwrap_or_default();
    let becomes_ours = old.is_none_or(|old| !matches!(context.world.membership(old), Membership::Member(..)));
    let wanted = if becomes_ours {
        defaults(&group, &class, &given, context)
    } else {
        old.map(|old| vanished(old, &given)).unwrap_or_default()
    };
    let mut answer = ReviewAnswer::allow();
    answer.patch = patch(candidate, old, &given, &wanted);
    answer
}

/// The defaults that an Ingress lacks. In a shared group, an absent setting means that the member accepts any value.
fn defaults(group: &GroupId, class: &Class, given: &Annotations, context: Context<'_>) -> Annotations {
    let defaults = context.policy.defaults;
    let params = class.params.as_ref().map(|params| &params.spec);
    let alone = !group.is_explicit();
    let rows: [(&SettingRow, Option<&str>, bool); 3] = [
        (&IP_ADDRESS_TYPE.row, defaults.ip_address_type.map(IpAddressType::as_str), alone),
        (&SCHEME.row, defaults.scheme.map(Scheme::as_str), alone),
        (&TARGET_TYPE.row, defaults.target_type.map(TargetType::as_str), true),
    ];
    let enforced = |row: &SettingRow| params.is_some_and(|params| row.of_class(params, row.key).is_some());
    rows.into_iter()
        .filter(|(row, _, applies)| *applies && !enforced(row) && !given.contains_key(&row.full_key()))
        .filter_map(|(row, value, _)| Some((row.key.to_owned(), value?.to_owned())))
        .collect()
}

/// Keys that were written before, and that would be lost when the manifest is applied again, with their values.
fn vanished(old: &Ingress, given: &Annotations) -> Annotations {
    let stored = old.metadata.annotations.clone().unwrap_or_default();
    let written = stored.get(DEFAULTED).map(|list| keys(list)).unwrap_or_default();
    written
        .into_iter()
        .filter(|key| !given.contains_key(&format!("{PREFIX}{key}")))
        .filter_map(|key| Some((key.clone(), stored.get(&format!("{PREFIX}{key}"))?.clone())))
        .collect()
}

fn keys(list: &str) -> BTreeSet<String> {
    list.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

fn patch(candidate: &Ingress, old: Option<&Ingress>, given: &Annotations, wanted: &Annotations) -> Vec<PatchOp> {
    let stored = old.and_then(|old| old.metadata.annotations.clone()).unwrap_or_default();
    let mut listed: BTreeSet<String> =
        given.get(DEFAULTED).or(stored.get(DEFAULTED)).map(|list| keys(list)).unwrap_or_default();
    // If the user changed a value, it is no longer a default.
    listed.retain(|key| {
        let key = format!("{PREFIX}{key}");
        given.get(&key).is_none_or(|value| stored.is_empty() || stored.get(&key) == Some(value))
    });
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
