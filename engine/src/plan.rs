//! From what should be and what is to one turn of operations, as data.

mod addons;
mod assume;
mod diff;
mod equal;
mod frontend_nlb;
mod operation;
mod rules;
mod shape;
mod show;
mod tags;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::stack::{Binding, ResourceId};

pub use assume::as_observed;
pub use diff::{Input, diff};
pub use operation::{AwsOperation, KubeOperation, Operation};
pub use shape::shape;
pub use show::{show, show_desired};

/// One turn: operations in their order, every prefix of which is safe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What is done, in this order.
    pub operations: Vec<Operation>,
    /// ARNs of resources that exist, by resource id.
    pub known: BTreeMap<ResourceId, String>,
    /// What the turn has to wait for before the next one is derived; empty when the desired state is reached after it.
    pub waits: Vec<String>,
    /// What is still missing although nothing waits for it: to be looked at again after a while.
    pub later: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do and nothing to wait for, now or later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.waits.is_empty() && self.later.is_empty()
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
}
