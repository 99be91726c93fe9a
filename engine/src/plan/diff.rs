//! Desired − observed → what differs: the operations that it takes, each with its stage, in no order of time yet.

mod addons;
mod frontend_nlb;
mod listeners;
mod load_balancer;
mod security_groups;
mod target_groups;

use super::equal::Known;
use super::health::TargetsByArn;
use super::operation::{AwsOperation, KubeOperation, Operation};
use super::rules::Routing;
use super::stage::Stage;
use super::{ObservedBinding, tags};
use crate::stack::{Desired, Observed, ResourceId, Tags};

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

/// What differs between what should be and what is.
#[must_use]
pub fn diff(input: Input<'_>) -> Difference {
    let mut differ = Differ { input, found: Difference::default() };
    differ.run();
    differ.found
}

struct Differ<'a> {
    input: Input<'a>,
    found: Difference,
}

impl<'a> Differ<'a> {
    fn aws(&mut self, stage: Stage, operation: AwsOperation) {
        self.found.changes.push((stage, Operation::Aws(operation)));
    }

    fn kube(&mut self, stage: Stage, operation: KubeOperation) {
        self.found.changes.push((stage, Operation::Kube(operation)));
    }

    fn later(&mut self, what: String) {
        self.found.later.push(what);
    }

    fn known(&self) -> &Known {
        &self.found.known
    }

    fn input(&self) -> Input<'a> {
        self.input
    }

    fn know(&mut self, id: ResourceId, arn: &str) {
        self.found.known.insert(id, arn.to_owned());
    }

    fn wait(&mut self, wait: String) {
        self.found.waits.push(wait);
    }

    /// Whether something that is there may be deleted.
    fn is_own(&self, arn: &str) -> bool {
        !self.input.observed.strangers.contains(arn)
    }

    fn run(&mut self) {
        if self.is_protected() {
            return;
        }
        self.security_groups();
        self.target_groups();
        self.bindings();
        self.release_load_balancer();
        self.load_balancer();
        self.frontend_nlb();
        self.addons();
    }

    fn retag(&mut self, arn: &str, desired: &Tags, observed: &Tags) {
        for operation in tags::retag(arn, desired, observed, self.input) {
            self.aws(Stage::Tags, operation);
        }
    }
}
