//! Desired − observed → what differs: the operations that it takes, each with its stage, in no order of time yet.

mod addons;
mod listeners;
mod load_balancer;
mod nlb;
mod security_groups;
mod target_groups;

use super::difference::{Difference, Input};
use super::equal::Known;
use super::operation::{AwsOperation, KubeOperation, Operation};
use super::stage::Stage;
use super::tags;
use crate::stack::{ResourceId, Tags};

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
        self.nlb();
        self.addons();
    }

    fn retag(&mut self, arn: &str, desired: &Tags, observed: &Tags) {
        for operation in tags::retag(arn, desired, observed, self.input) {
            self.aws(Stage::Tags, operation);
        }
    }
}
