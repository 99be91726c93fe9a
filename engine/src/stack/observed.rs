//! What AWS holds of one group, in the words of what should exist.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Action, Addons, Attributes, Listener, LoadBalancer, LoadBalancerState, NlbTargetGroup, Ref, ResourceId, Rule,
    SecurityGroup, Tags, Target, TargetGroup,
};

/// A resource that AWS holds: its ARN (or id) and what it is. `R` is how it is referred to, as in [`Observed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found<T, R = String> {
    /// ARN, or id where AWS uses ids (`sg-…`).
    pub arn: R,
    /// What it is.
    pub is: T,
}

/// A load balancer that AWS holds, with its listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedLoadBalancer<R = String, L = ObservedListener<R>> {
    /// ARN.
    pub arn: R,
    /// DNS name as AWS gives it (mixed case).
    pub dns_name: String,
    /// State of its life.
    pub state: LoadBalancerState,
    /// The load balancer itself.
    pub is: LoadBalancer,
    /// What is attached to it, as far as it was read.
    pub addons: Addons,
    /// Its listeners.
    pub listeners: Vec<L>,
}

/// The NLB in front of one.
pub type ObservedNlb<R = String> = ObservedLoadBalancer<R, ObservedNlbListener<R>>;

/// A listener that AWS holds, with its rules but for the default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedListener<R = String> {
    /// ARN.
    pub arn: R,
    /// The listener; its `rules` are empty, see [`ObservedListener::rules`].
    pub is: Listener,
    /// Rules with their ARNs, in priority order.
    pub rules: Vec<Found<Rule, R>>,
}

/// A listener of an NLB that AWS holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedNlbListener<R = String> {
    /// ARN.
    pub arn: R,
    /// Port.
    pub port: u16,
    /// ARNs of the target groups that it forwards to.
    pub forwards_to: Vec<R>,
    /// Attributes, all of them.
    pub attributes: Attributes,
    /// Tags.
    pub tags: Tags,
}

/// A target group of type `alb` that AWS holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedNlbTargetGroup<R = String> {
    /// ARN.
    pub arn: R,
    /// The target group; its `target_port` is its own port.
    pub is: NlbTargetGroup,
    /// What is registered and not on its way out: the ARN of an ALB and its port.
    pub targets: Vec<Target<R>>,
}

/// What AWS holds of one group, found by the tracking tags. `R` is how a resource is referred to: by its ARN (or id) in AWS, or by its
/// [`ResourceId`] where nobody has asked AWS for its name yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed<R = String> {
    /// Load balancers with the stack's tags: one, unless something went wrong.
    pub load_balancers: Vec<ObservedLoadBalancer<R>>,
    /// Target groups with the stack's tags.
    pub target_groups: Vec<Found<TargetGroup, R>>,
    /// Security groups with the stack's tags.
    pub security_groups: Vec<Found<SecurityGroup, R>>,
    /// The cluster's shared backend security group.
    pub backend_security_group: Option<Found<SecurityGroup, R>>,
    /// NLBs with the stack's tags: at most one, unless something went wrong.
    pub nlbs: Vec<ObservedNlb<R>>,
    /// Target groups of type `alb` with the stack's tags.
    pub nlb_target_groups: Vec<ObservedNlbTargetGroup<R>>,
    /// ARNs, or ids, of those among all these that anybody may have tagged: nothing says that they were made for the group. Never deleted.
    pub strangers: BTreeSet<R>,
}

impl Observed {
    /// Whether nothing of the group exists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.load_balancers.is_empty()
            && self.target_groups.is_empty()
            && self.security_groups.is_empty()
            && self.nlbs.is_empty()
            && self.nlb_target_groups.is_empty()
    }
}

impl Observed<ResourceId> {
    /// The same by the names that AWS gave. `arn` tells the ARN (or id) of each resource; `None` where it does not know one of them.
    #[must_use]
    pub fn named(self, arn: impl Fn(&ResourceId) -> Option<String>) -> Option<Observed> {
        Names { arn: &arn }.observed(self)
    }
}

/// Puts the ARN (or id) of each resource in the place of its resource id.
struct Names<'a> {
    arn: &'a dyn Fn(&ResourceId) -> Option<String>,
}

impl Names<'_> {
    fn observed(&self, observed: Observed<ResourceId>) -> Option<Observed> {
        let Observed {
            load_balancers,
            target_groups,
            security_groups,
            backend_security_group,
            nlbs,
            nlb_target_groups,
            strangers,
        } = observed;
        let shared = backend_security_group.map(|found| self.found(found));
        Some(Observed {
            load_balancers: all(load_balancers, |found| self.load_balancer(found, |listener| self.listener(listener)))?,
            target_groups: all(target_groups, |found| self.found(found))?,
            security_groups: all(security_groups, |found| self.found(found))?,
            backend_security_group: match shared {
                Some(found) => Some(found?),
                None => None,
            },
            nlbs: all(nlbs, |found| self.load_balancer(found, |listener| self.nlb_listener(listener)))?,
            nlb_target_groups: all(nlb_target_groups, |found| self.nlb_target_group(found))?,
            strangers: strangers.iter().map(self.arn).collect::<Option<_>>()?,
        })
    }

    fn found<T>(&self, found: Found<T, ResourceId>) -> Option<Found<T>> {
        Some(Found { arn: (self.arn)(&found.arn)?, is: found.is })
    }

    fn load_balancer<L, M>(
        &self,
        found: ObservedLoadBalancer<ResourceId, L>,
        listener: impl FnMut(L) -> Option<M>,
    ) -> Option<ObservedLoadBalancer<String, M>> {
        let ObservedLoadBalancer { arn, dns_name, state, mut is, addons, listeners } = found;
        is.security_groups = all(is.security_groups, |group| self.reference(group))?;
        let (arn, listeners) = ((self.arn)(&arn)?, all(listeners, listener)?);
        Some(ObservedLoadBalancer { arn, dns_name, state, is, addons, listeners })
    }

    fn listener(&self, found: ObservedListener<ResourceId>) -> Option<ObservedListener> {
        let ObservedListener { arn, mut is, rules } = found;
        self.actions(&mut is.default_actions)?;
        Some(ObservedListener { arn: (self.arn)(&arn)?, is, rules: all(rules, |rule| self.rule(rule))? })
    }

    fn rule(&self, mut rule: Found<Rule, ResourceId>) -> Option<Found<Rule>> {
        // What names no resource of the stack stays shared.
        if rule.is.actions.iter().any(|action| matches!(action, Action::Forward(_))) {
            self.actions(Arc::make_mut(&mut rule.is.actions))?;
        }
        self.found(rule)
    }

    fn actions(&self, actions: &mut [Action]) -> Option<()> {
        for action in actions {
            let Action::Forward(forward) = action else { continue };
            for tuple in &mut forward.target_groups {
                tuple.target_group = self.reference(tuple.target_group.clone())?;
            }
        }
        Some(())
    }

    fn nlb_listener(&self, found: ObservedNlbListener<ResourceId>) -> Option<ObservedNlbListener> {
        let ObservedNlbListener { arn, port, forwards_to, attributes, tags } = found;
        let forwards_to = all(forwards_to, |group| (self.arn)(&group))?;
        Some(ObservedNlbListener { arn: (self.arn)(&arn)?, port, forwards_to, attributes, tags })
    }

    fn nlb_target_group(&self, found: ObservedNlbTargetGroup<ResourceId>) -> Option<ObservedNlbTargetGroup> {
        let ObservedNlbTargetGroup { arn, is, targets } = found;
        let target = |Target { id, port, availability_zone }: Target<ResourceId>| {
            Some(Target { id: (self.arn)(&id)?, port, availability_zone })
        };
        Some(ObservedNlbTargetGroup { arn: (self.arn)(&arn)?, is, targets: all(targets, target)? })
    }

    fn reference(&self, reference: Ref) -> Option<Ref> {
        match reference {
            Ref::Of(id) => (self.arn)(&id).map(Ref::Known),
            Ref::Known(_) => Some(reference),
        }
    }
}

fn all<A, B>(items: Vec<A>, map: impl FnMut(A) -> Option<B>) -> Option<Vec<B>> {
    items.into_iter().map(map).collect()
}
