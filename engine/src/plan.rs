//! From what should be and what is to one pass of operations, as data.

mod assume;
mod change;
mod check;
mod compare;
mod diff;
mod difference;
mod equal;
mod health;
mod keep;
pub mod operation;
mod order;
mod refusal;
mod remember;
mod rules;
mod schedule;
mod secrets;
mod shape;
mod show;
mod stage;
mod table;
mod tags;
mod targets;
mod waiting;
mod walk;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::stack::{Binding, ResourceId};
use crate::traffic::Request;

pub use assume::as_observed;
pub use check::{Misroute, check};
pub use compare::{DesiredChange, compare, show_changes};
pub use diff::diff;
pub use difference::{Difference, Input};
pub use health::asks;
pub use keep::keep;
pub use operation::{AwsOperation, KubeOperation, Operation, call, line};
pub use order::{order, order_slowly};
pub use remember::{confirm, remember};
pub use rules::Routing;
pub use secrets::{Revisions, client_secrets, note_sent, recorded};
pub use shape::shape;
pub use show::{actions, show, show_desired};
pub use stage::Stage;
pub use targets::{Targets, TargetsByArn};

/// The next pass.
#[must_use]
pub fn plan(input: Input<'_>) -> Plan {
    order(diff(input), input)
}

/// One pass: operations in their order, every prefix of which is safe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What is done, in this order.
    pub operations: Vec<Operation>,
    /// ARNs of resources that exist, by resource id.
    pub known: BTreeMap<ResourceId, String>,
    /// What the pass has to wait for before the next one is derived; empty when the desired state is reached after it.
    pub waits: Vec<String>,
    /// What only a person can end. Until then nothing of the group is touched: there are no operations.
    pub held: Vec<String>,
    /// What is still missing although nothing waits for it: to be looked at again after a while.
    pub later: Vec<String>,
    /// What cannot be avoided: the quota leaves no room for an order without.
    pub gaps: Vec<Gap>,
}

/// A kind of requests that gets neither its old nor its new answer for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Index of the operation after which it begins.
    pub after: usize,
    /// One of the requests.
    #[serde(serialize_with = "as_text")]
    pub request: Request,
}

fn as_text<S: Serializer>(request: &Request, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(request)
}

impl Plan {
    /// Whether there is nothing to do and nothing to wait for, now or later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.waits.is_empty() && self.held.is_empty() && self.later.is_empty()
    }
}

/// A binding in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedBinding {
    /// The ARN of its target group.
    pub target_group: String,
    /// The binding itself.
    pub is: Binding,
    /// Its targets are registered as its present spec says.
    pub registered: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// Its targets are let go: what still holds it is somebody else's.
    pub released: bool,
}
