//! The plan of an edit, as lines for `kubectl apply --dry-run=server`.

use crate::annotation::Source;
use crate::kinds::Key;
use crate::link::{InEffect, Linked};
use crate::plan::{self, Input, Operation, Plan};
use crate::settings::Settings;
use crate::stack::{Desired, Rule, Tags};

/// The quota of rules: a preview does not read the account, so it uses the default of AWS.
const RULES: usize = 100;
/// The most rules of a plan in a review, before and after, on all listeners together. To order more takes seconds.
const SHOWN: usize = 200;
/// The most settings.
const SETTINGS: usize = 20;

/// The settings that an edit of an Ingress changes, and the plan from the desired state before to the one after, as the namespace of its
/// author may read them; nothing if one of the states is unknown.
pub(super) fn lines(before: &Linked, linked: &Linked, settings: &Settings, edited: &Key) -> Vec<String> {
    let (cluster, reader) = (&settings.cluster_name, &edited.namespace);
    let Some(after) = &linked.desired else { return Vec::new() };
    let (observed, bindings) = match &before.desired {
        Some(desired) => plan::as_observed(desired),
        None => return Vec::new(),
    };
    let rules = |desired: &Desired| desired.listeners.values().map(|listener| listener.rules.len()).sum::<usize>();
    let most = rules(after).max(before.desired.as_ref().map_or(0, rules));
    if most > SHOWN {
        return vec![format!("plan: not shown, it has {most} rules; at most {SHOWN} are shown in a review")];
    }
    let input = Input {
        desired: after,
        observed: &observed,
        bindings: &bindings,
        cluster,
        external_tags: &[],
        default_tags: &Tags::new(),
        rule_quota: RULES,
        targets: None,
    };
    let plan = plan::plan(input);
    let alone = [before, linked].iter().flat_map(|one| &one.members).all(|member| member.key.namespace == *reader);
    let shown = if alone { plan::show(&plan) } else { outline(&plan, linked, reader) };
    let lines: Vec<String> = shown.lines().filter(|line| !line.contains("Tags ")).map(str::to_owned).collect();
    let heading = match lines.len() {
        0 => "plan: nothing changes in AWS".to_owned(),
        changes => format!("plan: {changes} changes in AWS (from the stored Ingresses to this one)"),
    };
    std::iter::once(heading).chain(lines).chain(setting_lines(before, linked, settings, edited)).collect()
}

/// The settings whose value or source is another one than before, each with where it comes from now. What is set in other namespaces is not
/// told.
fn setting_lines(before: &Linked, linked: &Linked, settings: &Settings, edited: &Key) -> Vec<String> {
    let had = before.in_effect(edited, settings);
    let now = linked.in_effect(edited, settings);
    let readable = |is: &&InEffect| is.by.as_ref().is_none_or(|by| by.namespace == edited.namespace);
    let changed = now.iter().filter(|is| is.source != Source::Default && !had.contains(is)).filter(readable);
    let lines = changed.map(|is| format!("setting {}", is.line(edited)));
    lines.take(SETTINGS).collect()
}

/// The plan of a group with members of other namespaces: the calls, and only those rules that come from the reader's own Ingresses.
fn outline(plan: &Plan, linked: &Linked, reader: &str) -> String {
    let own = |rule: &Rule| {
        let listeners = linked.desired.iter().flat_map(|desired| desired.listeners.values());
        let with_origins = listeners.filter_map(|one| Some(one.rules.iter().zip(linked.origins.get(&one.port)?)));
        with_origins.flatten().any(|(one, origin)| {
            origin.key.namespace == reader && one.conditions == rule.conditions && one.actions == rule.actions
        })
    };
    let line = |operation: &Operation| match operation {
        Operation::Aws(aws) if aws.describe().routes.rule().is_some_and(own) => plan::line(operation),
        Operation::Aws(_) | Operation::Kube(_) => plan::call(operation),
    };
    plan.operations.iter().map(|operation| line(operation) + "\n").collect()
}
