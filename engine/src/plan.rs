//! From what should be and what is to one turn of operations, as data.

mod diff;
mod operation;
mod order;
mod show;

pub use diff::diff;
pub use operation::{AwsOperation, KubeOperation, Operation};
pub use order::Plan;
