//! Lists of the account that are read for admission anyway: a group whose target group they lack learns of it at once, not at the sync.

use std::collections::{BTreeMap, BTreeSet};

use albedo_engine::stack::GroupId;
use albedo_engine::world::Unit;
use tokio_util::sync::CancellationToken;

use super::Reconciler;

/// Groups by the ARN of a target group that is bound for them.
type Bound = BTreeMap<String, GroupId>;

impl Reconciler {
    /// Compares each new list of target groups with those that are bound, and wakes the groups of those that are not there, until `stop`.
    pub(super) async fn follow_lists(self, stop: CancellationToken) {
        let mut renewed = self.shared.account.renewed();
        let (mut before, mut seen) = (self.bound(), None);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = renewed.changed() => if changed.is_err() { return },
            }
            let facts = self.shared.account.get();
            let Some(list) = facts.target_groups.as_ref().filter(|list| seen != Some(list.read_at)) else { continue };
            seen = Some(list.read_at);
            let now = self.bound();
            for group in missed(&before, &now, |arn| list.value.contains_key(arn)) {
                tracing::info!(%group, "AWS has not every target group that was made; the group is looked at");
                self.wake(Unit::Group(group.clone()), true);
            }
            before = now;
        }
    }

    fn bound(&self) -> Bound {
        self.shared.cluster.read(|world| {
            let owned = world.bindings().filter_map(|(_, binding)| Some((binding, world.owner_of(binding)?)));
            owned.filter_map(|(binding, group)| Some((binding.spec.target_group_arn.clone()?, group))).collect()
        })
    }
}

/// Groups of what a list lacks. Only what was bound at the list before counts: what is new may have been made after this one was read.
fn missed<'a>(before: &Bound, now: &'a Bound, is_listed: impl Fn(&str) -> bool) -> BTreeSet<&'a GroupId> {
    now.iter()
        .filter(|(arn, group)| before.get(*arn) == Some(*group) && !is_listed(arn))
        .map(|(_, group)| group)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_or_goes_is_not_missed() {
        let group = |name: &str| GroupId::Explicit(name.to_owned());
        let bound =
            |all: &[(&str, &str)]| all.iter().map(|(arn, name)| ((*arn).to_owned(), group(name))).collect::<Bound>();
        let before = bound(&[("there", "a"), ("lost", "b"), ("goes", "c"), ("moved", "d")]);
        let now = bound(&[("there", "a"), ("lost", "b"), ("new", "e"), ("moved", "f")]);
        let expected = group("b");
        assert_eq!(missed(&before, &now, |arn| arn == "there"), [&expected].into());
        assert!(missed(&now, &now, |_| true).is_empty());
    }
}
