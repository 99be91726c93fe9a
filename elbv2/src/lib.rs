//! What `ELBv2` answers, in the engine's types: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/Welcome.html>.
//!
//! The controller and the local load balancer read the same answers; both read them here. Nothing is asked here.
#![forbid(unsafe_code)]

mod action;
mod condition;
mod incomplete;
mod resources;
mod rule;

pub use action::actions;
pub use condition::condition;
pub use incomplete::{Incomplete, need};
pub use resources::{health_check, listener, load_balancer, state, tags, target_group, target_health, traits};
pub use rule::rule;
