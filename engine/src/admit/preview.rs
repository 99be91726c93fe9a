//! What a change would do in AWS, as lines for `kubectl apply --dry-run=server`.

use crate::link::Linked;
use crate::plan::{self, Input};
use crate::stack::{Desired, Tags};

/// A preview has no account at hand: as many rules as AWS gives everybody.
const RULES: usize = 100;
/// Rules of which a plan is made in a review, before and after, on all listeners together. Ordering more takes seconds.
const SHOWN: usize = 200;

/// The plan from the desired state before to the one after; nothing, when one of them cannot be told.
pub(super) fn lines(before: &Linked, after: &Linked, cluster: &str) -> Vec<String> {
    let Some(after) = &after.desired else { return Vec::new() };
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
    let lines: Vec<String> =
        plan::show(&plan).lines().filter(|line| !line.contains("Tags ")).map(str::to_owned).collect();
    if lines.is_empty() {
        return vec!["plan: nothing changes in AWS".to_owned()];
    }
    let heading = format!("plan: {} changes in AWS (from the stored Ingresses to this one)", lines.len());
    std::iter::once(heading).chain(lines).collect()
}
