//! From a binding to the targets of its target group: which are desired, which to register and deregister, and which
//! permissions the security groups of nodes and pods need. Reads only bindings, never Ingresses.

mod binding;
mod checkpoint;
mod endpoints;
mod gates;
mod networking;
mod ownership;
mod record;
mod registration;

pub use binding::{from_kind, to_kind};
pub use checkpoint::{CHECKPOINT, CHECKPOINT_TIMESTAMP, checkpoint, checkpoint_of};
pub use endpoints::{Origin, Resolution, Resolved, ServiceRead, SkipReason, Skipped, Sources, TargetsError, resolve};
pub use gates::{Gated, gated, released, states};
pub use networking::{
    AttachedGroup, Backend, DESCRIPTION, EndpointGroups, Interface, Need, NetworkingError, PermissionChange, Wanted,
    diff as networking_diff, endpoint_group, wanted,
};
pub use ownership::{
    Here, Hold, TargetGroupRead, filled, first, held_by_itself, held_by_target_group, is_own, lacks_traits,
};
pub use record::{REGISTERED, Record, SEALED, seal, trusts_config_map};
pub use registration::{Registration, diff};
