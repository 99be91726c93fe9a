//! Whether rules may point to a target group yet: one that has no usable target must not take over from one that has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::difference::Difference;
use super::equal::{self, Known};
use super::operation::AwsOperation;
use super::rules::{self, Routing};
use super::targets::{Targets, TargetsByArn};
use crate::stack::{Action, Forward, Found, Ref, Rule, TargetGroupTuple};

/// Target groups of one forward action:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ForwardActionConfig.html>.
const GROUPS_OF_A_FORWARD: usize = 5;

/// The target groups whose targets decide whether rules may change now, by ARN: those of rules that change, if
/// one of them would begin to serve.
#[must_use]
pub fn asks(difference: &Difference) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for routing in difference.routing.iter().filter(|routing| routing.before.is_some()) {
        let before = arns(routing.there.iter().flat_map(|found| found.is.actions.iter()), &difference.known);
        let before: BTreeSet<String> =
            before.chain(arns(routing.default_before().into_iter().flatten(), &difference.known)).collect();
        let after = arns(routing.after.rules.iter().flat_map(|rule| rule.actions.iter()), &difference.known);
        let after: BTreeSet<String> =
            after.chain(arns(routing.after.default_actions.iter(), &difference.known)).collect();
        if after.iter().any(|arn| !before.contains(arn)) {
            asked.extend(before);
            asked.extend(after);
        }
    }
    asked
}

/// ARNs of the target groups that get requests.
fn arns<'a>(actions: impl Iterator<Item = &'a Action> + 'a, known: &'a Known) -> impl Iterator<Item = String> + 'a {
    actions.flat_map(|action| target_groups(std::slice::from_ref(action))).filter_map(|one| {
        match equal::resolve(one, known) {
            Ref::Known(arn) => Some(arn),
            Ref::Of(_) => None,
        }
    })
}

/// The target groups that get requests: those with a weight.
pub(super) fn target_groups(actions: &[Action]) -> Vec<&Ref> {
    let forwards = actions.iter().filter_map(|action| match action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    });
    forwards
        .flat_map(|forward| &forward.target_groups)
        .filter(|tuple| tuple.weight != Some(0))
        .map(|tuple| &tuple.target_group)
        .collect()
}

fn targets_of(reference: &Ref, known: &Known, targets: &TargetsByArn) -> Targets {
    match equal::resolve(reference, known) {
        Ref::Known(arn) => targets.get(&arn).copied().unwrap_or(Targets::Usable),
        // It is made in this pass.
        Ref::Of(_) => Targets::Awaited,
    }
}

/// Whether requests are forwarded, and all target groups have targets.
pub(super) fn serves(actions: &[Action], known: &Known, targets: &TargetsByArn) -> bool {
    let groups = target_groups(actions);
    !groups.is_empty() && groups.into_iter().all(|one| targets_of(one, known, targets) == Targets::Usable)
}

/// Whether nothing that requests are forwarded to has to be waited for.
pub(super) fn is_ready(actions: &[Action], known: &Known, targets: &TargetsByArn) -> bool {
    let ready = |one: &Ref| matches!(targets_of(one, known, targets), Targets::Usable | Targets::GivenUp);
    target_groups(actions).into_iter().all(ready)
}

/// What a listener waits for before its rules change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wait {
    /// Target groups, each once.
    pub on: BTreeSet<Ref>,
    /// A rule that serves names those that AWS does not check yet, without any requests for them.
    pub warm: Option<AwsOperation>,
}

/// What has to be waited for: target groups that would take over from ones that serve.
pub(super) fn wait(routing: &Routing, taken_over: &[[&[Action]; 2]], known: &Known, targets: &TargetsByArn) -> Wait {
    let mut on: BTreeSet<Ref> = BTreeSet::new();
    for [old, new] in taken_over {
        if serves(old, known, targets) && !is_ready(new, known, targets) {
            let unready = target_groups(new).into_iter();
            on.extend(unready.filter(|one| !is_ready_alone(one, known, targets)).map(|one| equal::resolve(one, known)));
        }
    }
    let named: BTreeSet<Ref> = named(routing, known);
    let unchecked = |one: &Ref| targets_of(one, known, targets) == Targets::Unchecked && !named.contains(one);
    let cold: Vec<Ref> = on.iter().filter(|one| unchecked(one)).cloned().collect();
    let warm = warm(routing, &cold, known, targets);
    if warm.is_none() {
        // Nothing can name them: that they have targets is all that can be known.
        on.retain(|one| !unchecked(one));
    }
    Wait { on, warm }
}

fn is_ready_alone(one: &Ref, known: &Known, targets: &TargetsByArn) -> bool {
    matches!(targets_of(one, known, targets), Targets::Usable | Targets::GivenUp)
}

/// Target groups that rules name already, with a weight or without.
fn named(routing: &Routing, known: &Known) -> BTreeSet<Ref> {
    let actions = routing.there.iter().flat_map(|found| found.is.actions.iter());
    let forwards = actions.filter_map(|action| match action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    });
    forwards
        .flat_map(|forward| &forward.target_groups)
        .map(|tuple| equal::resolve(&tuple.target_group, known))
        .collect()
}

/// A rule that serves, with some target groups more, none of which gets a request: AWS checks the targets of what a rule
/// names (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html>).
fn warm(routing: &Routing, cold: &[Ref], known: &Known, targets: &TargetsByArn) -> Option<AwsOperation> {
    if cold.is_empty() {
        return None;
    }
    let with = |found: &Found<Rule>| {
        let mut is = found.is.clone();
        // With an authentication before it the rule could not be sent again: AWS does not give its secret back.
        let [Action::Forward(forward)] = Arc::make_mut(&mut is.actions) else { return None };
        let Forward { target_groups, .. } = forward;
        if target_groups.len() + cold.len() > GROUPS_OF_A_FORWARD {
            return None;
        }
        for tuple in target_groups.iter_mut() {
            tuple.weight = tuple.weight.or(Some(1));
        }
        target_groups.extend(cold.iter().map(|one| TargetGroupTuple { target_group: one.clone(), weight: Some(0) }));
        Some(rules::modify(found, is))
    };
    let mut serving = routing.there.iter().filter(|found| serves(&found.is.actions, known, targets));
    serving.find_map(with)
}
