//! What a plan is derived from, and what differs.

use super::ObservedBinding;
use super::equal::Known;
use super::operation::Operation;
use super::rules::Routing;
use super::stage::Stage;
use super::targets::TargetsByArn;
use crate::stack::{Desired, Observed, Tags};

/// What a plan is derived from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What should exist.
    pub desired: &'a Desired,
    /// What exists in AWS.
    pub observed: &'a Observed,
    /// The group's bindings in the cluster.
    pub bindings: &'a [ObservedBinding],
    /// The cluster's name.
    pub cluster: &'a str,
    /// Tag keys that somebody else manages.
    pub external_tags: &'a [String],
    /// Tags of every resource.
    pub default_tags: &'a Tags,
    /// How many rules a load balancer may have, the default ones aside.
    pub rule_quota: usize,
    /// Targets of the target groups that [`asks`](super::asks) names; `None`: nothing is waited for.
    pub targets: Option<&'a TargetsByArn>,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Operations and where in a pass each stands.
    pub changes: Vec<(Stage, Operation)>,
    /// Rules and default actions, by listener: in which order they change depends on what requests get meanwhile.
    pub routing: Vec<Routing>,
    /// ARNs of resources that exist, by resource id.
    pub known: Known,
    /// What the pass has to wait for before the next one is derived.
    pub waits: Vec<String>,
    /// What only a person can end; then nothing else is in here.
    pub held: Vec<String>,
    /// What is still missing although nothing waits for it.
    pub later: Vec<String>,
}
