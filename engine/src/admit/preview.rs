//! The plan of an edit, as lines for `kubectl apply --dry-run=server`.

use crate::link::Linked;
use crate::plan::{self, Input, Operation, Plan};
use crate::stack::{Desired, Rule, Tags};

/// The quota of rules: a preview does not read the account, so it uses the default of AWS.
const RULES: usize = 100;
/// The most rules of a plan in a review, before and after, on all listeners together. To order more takes seconds.
const SHOWN: usize = 200;

/// The plan from the desired state before to the one after, as the namespace of the author may read it; nothing if one of the states
/// is unknown.
pub(super) fn lines(before: &Linked, linked: &Linked, cluster: &str, reader: &str) -> Vec<String> {
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
    let alone = [before, linked].iter().flat_map(|one| &one.members).all(|member| member.key.namespace == reader);
    let shown = if alone { plan::show(&plan) } else { outline(&plan, linked, reader) };
    let lines: Vec<String> = shown.lines().filter(|line| !line.contains("Tags ")).map(str::to_owned).collect();
    if lines.is_empty() {
        return vec!["plan: nothing changes in AWS".to_owned()];
    }
    let heading = format!("plan: {} changes in AWS (from the stored Ingresses to this one)", lines.len());
    std::iter::once(heading).chain(lines).collect()
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
