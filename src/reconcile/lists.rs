//! Lists of what AWS has: a group whose load balancer or target group was deleted by another hand learns of it within a minute, not at the sync.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use albedo_engine::stack::GroupId;
use albedo_engine::world::Unit;
use tokio_util::sync::CancellationToken;

use super::Reconciler;

/// Pause between two lists. Each takes one call for 400 target groups and one for 400 load balancers.
const EVERY: Duration = Duration::from_secs(45);

/// What ARNs of the kinds that are listed have in them.
const KINDS: [&str; 2] = [":loadbalancer/", ":targetgroup/"];

/// Groups by the ARN of what was made for them.
type Made = BTreeMap<String, GroupId>;

impl Reconciler {
    /// Lists load balancers and target groups on a clock, and wakes the groups of those that are missing, until `stop`.
    pub(super) async fn follow_lists(self, stop: CancellationToken) {
        let mut before = self.made();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let listed = tokio::select! {
                () = stop.cancelled() => return,
                listed = self.shared.cloud.listed_arns() => listed,
            };
            let now = self.made();
            match listed {
                Ok(listed) => {
                    for group in missed(&before, &now, &listed) {
                        tracing::info!(%group, "AWS does not have all that was made for this group; the group is reconciled");
                        self.wake(Unit::Group(group.clone()), true);
                    }
                }
                Err(error) => tracing::debug!(%error, "load balancers and target groups cannot be listed"),
            }
            before = now;
        }
    }

    /// What the ledgers say.
    fn made(&self) -> Made {
        self.shared.cluster.read(|world| {
            let groups = world.group_ids().into_iter();
            let ledgers =
                groups.filter_map(|group| world.group_object(&group)?.status.as_ref().map(|status| (group, status)));
            ledgers
                .flat_map(|(group, status)| {
                    let arns = status.resources.values().filter(|arn| KINDS.iter().any(|kind| arn.contains(kind)));
                    arns.map(|arn| (arn.clone(), group.clone())).collect::<Vec<_>>()
                })
                .collect()
        })
    }
}

/// Groups of what a list lacks. Only what was made before the list before this one counts: AWS's lists may lag behind what is new.
fn missed<'a>(before: &Made, now: &'a Made, listed: &BTreeSet<String>) -> BTreeSet<&'a GroupId> {
    let is_missed = |(arn, group): &(&String, &GroupId)| before.get(*arn) == Some(*group) && !listed.contains(*arn);
    now.iter().filter(is_missed).map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_or_goes_is_not_missed() {
        let group = |name: &str| GroupId::Explicit(name.to_owned());
        let made =
            |all: &[(&str, &str)]| all.iter().map(|(arn, name)| ((*arn).to_owned(), group(name))).collect::<Made>();
        let before = made(&[("there", "a"), ("lost", "b"), ("goes", "c"), ("moved", "d")]);
        let now = made(&[("there", "a"), ("lost", "b"), ("new", "e"), ("moved", "f")]);
        let listed = BTreeSet::from(["there".to_owned()]);
        assert_eq!(missed(&before, &now, &listed), [&group("b")].into());
        let all = now.keys().cloned().collect();
        assert!(missed(&now, &now, &all).is_empty());
    }
}
