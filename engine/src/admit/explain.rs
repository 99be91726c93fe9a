//! `albedo explain defaults`: which layer gives which value to an Ingress, and why the others do not count, as text.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::Ingress;

use super::Context;
use super::layers::{Layer, LayerValue, Outcome, Subject, layers};
use crate::annotation::parse::shown;
use crate::annotation::{DEFAULTED, PREFIX, row, rows};
use crate::clean::clean;
use crate::kinds::Key;
use crate::stack::GroupId;
use crate::world::{Class, Kind, Membership, class_name};

/// One line: setting, value, where it comes from, what becomes of it.
type Line = [String; 4];

/// The most characters of a value in a table.
const VALUE: usize = 60;
const IN_EFFECT: &str = "in effect";
const SHARED: &str = "members of a group share it";

/// The layers of defaults of every Ingress of a world, as if each was created now.
#[must_use]
pub fn explain_defaults(context: Context<'_>) -> String {
    let mut texts = Vec::new();
    for key in context.world.keys(Kind::Ingress) {
        let Some(ingress) = context.world.ingress(&key) else { continue };
        texts.push(match context.world.membership(ingress) {
            Membership::Member(group, class) => of_ingress(&key, ingress, &group, &class, context),
            Membership::None => format!("{}: its class is not Albedo's, so nothing is written\n", key.ingress()),
            Membership::InvalidGroup(name) => {
                format!("{}: group.name {} is invalid, so nothing is written\n", key.ingress(), shown(&name))
            }
            Membership::Unknown(error) => format!("{}: {error}, so nothing is written\n", key.ingress()),
        });
    }
    if texts.is_empty() {
        texts.push("no Ingress is in the files\n".to_owned());
    }
    clean(&texts.join("\n")).into_owned()
}

fn of_ingress(key: &Key, ingress: &Ingress, group: &GroupId, class: &Class, context: Context<'_>) -> String {
    let named = class_name(ingress, class).map_or("no class".to_owned(), |name| format!("class {name}"));
    let balancer = match group {
        GroupId::Explicit(name) => format!("group {name}"),
        GroupId::Implicit { .. } => "a load balancer of its own".to_owned(),
    };
    let mut lines: Vec<Line> = vec![["SETTING", "VALUE", "FROM", "RESULT"].map(str::to_owned)];
    for (setting, of_setting) in by_setting(ingress, group, class, context) {
        for (index, [value, from, result]) in of_setting.into_iter().enumerate() {
            let setting = if index == 0 { setting.clone() } else { String::new() };
            lines.push([setting, value, from, result]);
        }
    }
    format!("{}: {named}, {balancer}\n{}", key.ingress(), table(&lines))
}

/// The values of each setting, the strongest first.
fn by_setting(
    ingress: &Ingress,
    group: &GroupId,
    class: &Class,
    context: Context<'_>,
) -> BTreeMap<String, Vec<[String; 3]>> {
    let mut found: BTreeMap<String, Vec<[String; 3]>> = BTreeMap::new();
    let mut enforced: BTreeSet<&str> = BTreeSet::new();
    if let Some(params) = &class.params {
        let name = params.metadata.name.as_deref().unwrap_or_default();
        for row in rows().filter(|row| !row.family) {
            let (Some(value), Some(parameter)) = (row.of_class(&params.spec, row.key), row.parameter) else { continue };
            let from = format!("IngressClassParams {name}, spec.{}", parameter.field);
            found.entry(row.key.to_owned()).or_default().push([brief(&row.shown(&value)), from, IN_EFFECT.to_owned()]);
            if !parameter.wins.by_key() {
                enforced.insert(row.key);
            }
        }
    }
    let annotations = ingress.metadata.annotations.iter().flatten();
    let list = ingress.metadata.annotations.as_ref().and_then(|map| map.get(DEFAULTED));
    let written: BTreeSet<&str> = list.into_iter().flat_map(|list| list.split(',')).collect();
    for (setting, value) in annotations.filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value))) {
        let result = match row(setting) {
            None => "not used: unknown setting".to_owned(),
            Some(_) if enforced.contains(setting) => not_used("the class decides"),
            Some(row) if written.contains(setting) && group.is_explicit() && row.merge.is_shared() => not_used(SHARED),
            Some(_) => IN_EFFECT.to_owned(),
        };
        let value =
            if row(setting).is_some_and(|row| row.confidential) { "(not shown)".to_owned() } else { brief(value) };
        let from = if written.contains(setting) { "a default, written before" } else { "the Ingress" };
        found.entry(setting.to_owned()).or_default().push([value, from.to_owned(), result]);
    }
    for LayerValue { key, value, layer, outcome } in layers(Subject { ingress, group, class }, context.into()) {
        let from = match layer {
            Layer::BuiltIn => "built-in (--admission-defaults)".to_owned(),
            Layer::Defaults { name, priority } => format!("IngressDefaults {name}, priority {priority}"),
        };
        let result = match outcome {
            Outcome::Written => "in effect, written when the Ingress is created".to_owned(),
            Outcome::Weaker => not_used("a stronger layer has a value"),
            Outcome::Given => not_used("the Ingress has a value"),
            Outcome::Enforced(_) => not_used("the class decides"),
            Outcome::Shared => not_used(SHARED),
            Outcome::Unusable => not_used("it cannot be used; `albedo check` says why"),
        };
        found.entry(key).or_default().push([brief(&value), from, result]);
    }
    found
}

fn not_used(why: &str) -> String {
    format!("not used: {why}")
}

/// A value on one line of the table.
fn brief(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Columns of equal width.
fn table(lines: &[Line]) -> String {
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..4).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(&format!("  {}", cells.collect::<Vec<_>>().join("  ")));
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
