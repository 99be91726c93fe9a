//! Load balancers, target groups and security groups of the VPC that carry a stack's tags, read once for all groups.
//!
//! `ELBv2` cannot be asked by tag: finding one group's resources means reading the tags of everything. So the sweep is
//! shared, and what we write ourselves is read anew one by one instead of sweeping again.

use std::collections::BTreeMap;
use std::sync::{Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use albedo_engine::stack::{
    CLUSTER_TAG, GroupId, LEGACY_CLUSTER_TAG, SHARED_RESOURCE_TAG, STACK_TAG, Tags, TargetType,
};
use aws_sdk_ec2::types::SecurityGroup;
use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancer, LoadBalancerTypeEnum, ProtocolEnum, TargetGroup, TargetTypeEnum,
};
use futures::future::try_join3;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Cloud;
use super::convert;
use super::error::CloudError;

/// The least time that a sweep serves. Only what others change can be older than that: our own writes are read anew.
const FRESH: Duration = Duration::from_secs(5);
/// The most, for accounts so large that a sweep takes minutes of the throttle.
const STALE: Duration = Duration::from_mins(1);
/// A sweep serves this many times as long as it took, so that a large account does not sweep all the time.
const PER_SWEEP: u32 = 10;
/// How long AWS's lists may lag behind what we made or deleted.
const LAG: Duration = Duration::from_secs(30);

/// The cluster whose tag a resource carries.
pub(super) fn cluster_of(tags: &Tags) -> Option<&str> {
    tags.get(CLUSTER_TAG).or_else(|| tags.get(LEGACY_CLUSTER_TAG)).map(String::as_str)
}

/// What ARNs and ids of the kinds that are held have in them.
const KINDS: [&str; 3] = [LOAD_BALANCER, TARGET_GROUP, SECURITY_GROUP];
const LOAD_BALANCER: &str = ":loadbalancer/";
const TARGET_GROUP: &str = ":targetgroup/";
const SECURITY_GROUP: &str = "sg-";

/// A resource with its tags.
pub(super) type Tagged<T> = (T, Tags);

/// The shared index.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    swept: Mutex<Swept>,
    touched: SyncMutex<Touched>,
}

#[derive(Debug, Default)]
struct Swept {
    /// Until when it serves; `None`: never swept.
    until: Option<Instant>,
    held: Held,
}

/// What was found, by ARN or id.
#[derive(Debug, Default, Clone)]
pub(super) struct Held {
    pub(super) load_balancers: BTreeMap<String, Tagged<LoadBalancer>>,
    pub(super) target_groups: BTreeMap<String, Tagged<TargetGroup>>,
    pub(super) security_groups: BTreeMap<String, Tagged<SecurityGroup>>,
}

/// What we wrote since the sweep.
#[derive(Debug, Default, Clone)]
struct Touched {
    all: bool,
    by_arn: BTreeMap<String, (Touch, Instant)>,
}

/// What a write did to a resource of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    /// It is new or other than before.
    Changed,
    /// It was read again since.
    Read,
    /// It is gone.
    Gone,
}

impl Inventory {
    /// Forgets everything.
    pub(super) fn invalidate(&self) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).all = true;
    }

    /// Says that we wrote something. What is never held here (listeners, rules) is passed over.
    pub(super) fn touch(&self, arn: &str, touch: Touch) {
        if !KINDS.iter().any(|kind| arn.contains(kind)) {
            return;
        }
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.by_arn.insert(arn.to_owned(), (touch, Instant::now()));
    }

    fn touched(&self) -> Touched {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what was done about `seen`, unless it was touched again meanwhile. What AWS does not list yet although
    /// we made it stays [`Touch::Changed`], to be looked for again.
    fn settle(&self, seen: &Touched, held: &Held, now: Instant) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.by_arn.retain(|arn, (touch, at)| {
            let again = seen.by_arn.get(arn).is_none_or(|(_, seen)| seen != at);
            if !again && *touch == Touch::Changed && held.has(arn) {
                *touch = Touch::Read;
            }
            again || now.saturating_duration_since(*at) < LAG
        });
    }
}

impl Held {
    /// The part of a group.
    fn of_group(&self, cluster: &str, group: &GroupId) -> Self {
        let stack = group.to_string();
        let ours = |tags: &Tags| {
            let is = |key: &str, value: &str| tags.get(key).is_some_and(|found| found == value);
            is(STACK_TAG, &stack) && (is(CLUSTER_TAG, cluster) || is(LEGACY_CLUSTER_TAG, cluster))
        };
        Self {
            load_balancers: pick(&self.load_balancers, ours),
            target_groups: pick(&self.target_groups, ours),
            security_groups: pick(&self.security_groups, ours),
        }
    }

    fn forget(&mut self, arn: &str) {
        self.load_balancers.remove(arn);
        self.target_groups.remove(arn);
        self.security_groups.remove(arn);
    }

    fn has(&self, arn: &str) -> bool {
        self.load_balancers.contains_key(arn)
            || self.target_groups.contains_key(arn)
            || self.security_groups.contains_key(arn)
    }

    fn extend(&mut self, other: Self) {
        self.load_balancers.extend(other.load_balancers);
        self.target_groups.extend(other.target_groups);
        self.security_groups.extend(other.security_groups);
    }
}

fn pick<T: Clone>(from: &BTreeMap<String, Tagged<T>>, ours: impl Fn(&Tags) -> bool) -> BTreeMap<String, Tagged<T>> {
    from.iter().filter(|(_, (_, tags))| ours(tags)).map(|(arn, held)| (arn.clone(), held.clone())).collect()
}

impl Cloud {
    /// What carries the group's tags, and the backend security group of the cluster.
    pub(super) async fn held(
        &self,
        group: &GroupId,
    ) -> Result<(Held, Option<(String, Tagged<SecurityGroup>)>), CloudError> {
        let cluster = &self.config().cluster_name;
        let backend = |tags: &Tags| {
            tags.get(CLUSTER_TAG) == Some(cluster)
                && tags.get(SHARED_RESOURCE_TAG).is_some_and(|value| value == "backend-sg")
        };
        let mut swept = self.inventory().swept.lock().await;
        self.bring_up_to_date(&mut swept).await?;
        let first = swept.held.security_groups.iter().find(|(_, (_, tags))| backend(tags));
        let first = first.map(|(id, held)| (id.clone(), held.clone()));
        Ok((swept.held.of_group(cluster, group), first))
    }

    /// One does it, all others wait for it at the lock.
    async fn bring_up_to_date(&self, swept: &mut Swept) -> Result<(), CloudError> {
        let touched = self.inventory().touched();
        let began = Instant::now();
        let fresh = !touched.all && swept.until.is_some_and(|until| began < until);
        if !fresh {
            // Whoever invalidates while the sweep runs wants another one after it.
            self.inventory().touched.lock().unwrap_or_else(PoisonError::into_inner).all = false;
            swept.until = None;
            swept.held = self.sweep().await?;
            swept.until = Some(Instant::now() + (began.elapsed() * PER_SWEEP).clamp(FRESH, STALE));
        }
        let mut again = Vec::new();
        for (arn, (touch, _)) in &touched.by_arn {
            match touch {
                Touch::Gone => swept.held.forget(arn),
                Touch::Changed if !fresh && swept.held.has(arn) => {}
                Touch::Changed => again.push(arn.as_str()),
                // AWS's lists lag: what was there on its own may be missing from a sweep after it.
                Touch::Read if !fresh && !swept.held.has(arn) => again.push(arn.as_str()),
                Touch::Read => {}
            }
        }
        let read = self.read_again(&again).await?;
        for arn in again {
            swept.held.forget(arn);
        }
        swept.held.extend(read);
        self.inventory().settle(&touched, &swept.held, began);
        Ok(())
    }

    async fn sweep(&self) -> Result<Held, CloudError> {
        let vpc = Some(self.config().vpc_id.as_str());
        let (balancers, groups, security) = try_join3(
            self.describe_load_balancers(Vec::new()),
            self.describe_target_groups(Vec::new()),
            self.stack_security_groups(),
        )
        .await?;
        let balancers = balancers.into_iter().filter(|balancer| balancer.vpc_id() == vpc && may_be_ours(balancer));
        let groups = groups.into_iter().filter(|group| group.vpc_id() == vpc && is_known(group));
        self.with_tags(balancers.collect(), groups.collect(), security).await
    }

    /// Reads single resources; those that are gone are left out.
    async fn read_again(&self, arns: &[&str]) -> Result<Held, CloudError> {
        let of = |kind: &str| -> Vec<String> {
            arns.iter().filter(|arn| arn.contains(kind)).map(|arn| (*arn).to_owned()).collect()
        };
        let ids = of(SECURITY_GROUP);
        let (balancers, groups, security) = try_join3(
            self.existing_load_balancers(of(LOAD_BALANCER)),
            self.existing_target_groups(of(TARGET_GROUP)),
            self.security_groups_by_id(&ids),
        )
        .await?;
        self.with_tags(balancers, groups, security).await
    }

    async fn with_tags(
        &self,
        balancers: Vec<LoadBalancer>,
        groups: Vec<TargetGroup>,
        security: Vec<SecurityGroup>,
    ) -> Result<Held, CloudError> {
        let arns = balancers.iter().filter_map(|balancer| balancer.load_balancer_arn.clone());
        let arns = arns.chain(groups.iter().filter_map(|group| group.target_group_arn.clone()));
        let mut tags = self.tags_of(arns.collect()).await?;
        let mut held = Held::default();
        // Whatever went between its listing and its tags is simply not there.
        for balancer in balancers {
            if let Some((arn, tags)) = balancer.load_balancer_arn.clone().and_then(|arn| tags.remove_entry(&arn)) {
                held.load_balancers.insert(arn, (balancer, tags));
            }
        }
        for group in groups {
            if let Some((arn, tags)) = group.target_group_arn.clone().and_then(|arn| tags.remove_entry(&arn)) {
                held.target_groups.insert(arn, (group, tags));
            }
        }
        for group in security {
            let tags = convert::ec2::tags(group.tags());
            if let Some(id) = group.group_id.clone() {
                held.security_groups.insert(id, (group, tags));
            }
        }
        Ok(held)
    }
}

/// An ALB, or the NLB in front of one.
fn may_be_ours(balancer: &LoadBalancer) -> bool {
    matches!(balancer.r#type(), Some(LoadBalancerTypeEnum::Application | LoadBalancerTypeEnum::Network))
}

/// Whether it is an ALB's, or has an ALB as its target.
fn is_known(group: &TargetGroup) -> bool {
    let ours = matches!(group.protocol(), Some(ProtocolEnum::Http | ProtocolEnum::Https))
        && group.target_type().is_some_and(|kind| TargetType::parse(kind.as_str()).is_some());
    ours || has_alb(group)
}

/// Whether a target group is that of an NLB in front.
pub(super) fn has_alb(group: &TargetGroup) -> bool {
    group.target_type() == Some(&TargetTypeEnum::Alb)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:elasticloadbalancing:r:1:targetgroup/name/1";

    fn holding(arn: &str) -> Held {
        let mut held = Held::default();
        held.target_groups.insert(arn.to_owned(), (TargetGroup::builder().build(), Tags::new()));
        held
    }

    fn touch_of(inventory: &Inventory) -> Option<Touch> {
        inventory.touched().by_arn.get(ARN).map(|(touch, _)| *touch)
    }

    #[test]
    fn what_was_read_again_is_settled_for_a_while() {
        let inventory = Inventory::default();
        inventory.touch(ARN, Touch::Changed);
        let seen = inventory.touched();
        inventory.settle(&seen, &holding(ARN), Instant::now());
        assert_eq!(touch_of(&inventory), Some(Touch::Read));
        inventory.settle(&inventory.touched(), &holding(ARN), Instant::now() + LAG);
        assert_eq!(touch_of(&inventory), None);
    }

    #[test]
    fn what_aws_does_not_list_yet_is_looked_for_again() {
        let inventory = Inventory::default();
        inventory.touch(ARN, Touch::Changed);
        inventory.settle(&inventory.touched(), &Held::default(), Instant::now());
        assert_eq!(touch_of(&inventory), Some(Touch::Changed));
    }

    #[test]
    fn a_write_during_the_reading_counts() {
        let inventory = Inventory::default();
        inventory.touch(ARN, Touch::Changed);
        let seen = inventory.touched();
        inventory.touch(ARN, Touch::Gone);
        inventory.settle(&seen, &holding(ARN), Instant::now());
        assert_eq!(touch_of(&inventory), Some(Touch::Gone));
    }

    #[test]
    fn listeners_and_rules_are_not_held() {
        let inventory = Inventory::default();
        inventory.touch("arn:aws:elasticloadbalancing:r:1:listener/app/name/1/2", Touch::Gone);
        assert!(inventory.touched().by_arn.is_empty());
    }

    #[test]
    fn a_group_has_what_carries_its_tags() {
        let group = GroupId::Explicit("shop".to_owned());
        let tags = |cluster: (&str, &str), stack: &str| {
            Tags::from([cluster, (STACK_TAG, stack)].map(|(key, value)| (key.to_owned(), value.to_owned())))
        };
        let mut held = Held::default();
        for (arn, tags) in [
            ("ours", tags((CLUSTER_TAG, "demo"), "shop")),
            ("ours of old", tags((LEGACY_CLUSTER_TAG, "demo"), "shop")),
            ("another group's", tags((CLUSTER_TAG, "demo"), "shop/web")),
            ("another cluster's", tags((CLUSTER_TAG, "other"), "shop")),
        ] {
            held.target_groups.insert(arn.to_owned(), (TargetGroup::builder().build(), tags));
        }
        let found = held.of_group("demo", &group).target_groups;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["ours", "ours of old"]);
    }
}
