//! The order of a pass: what has to be there before what leans on it, and what is leant on goes last.

use serde::Serialize;

/// Where in a pass an operation stands. The order of the variants is the order of the pass; what stands in one stage is
/// done in the order in which it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Stage {
    /// Security groups are made and let in more.
    LetIn,
    /// Target groups are made and changed.
    TargetGroups,
    /// Bindings are written, which gets targets registered. A pass that waits for targets ends here.
    Bindings,
    /// Load balancers that cannot be changed into the one that is wanted go: only one can have the name.
    Replaced,
    /// The load balancer is made and changed.
    LoadBalancer,
    /// Missing listeners are made, with their certificates and attributes; others get certificates and attributes.
    Listeners,
    /// Rules and default actions.
    Routing,
    /// Web ACLs, Shield, capacity: before any clean-up, which AWS may refuse for minutes. What AWS refuses here holds up nothing else.
    Attach,
    /// Listeners and certificates that nobody asks for any more go.
    Unlisten,
    /// The NLB in front, which leads to a load balancer that is ready.
    Frontend,
    /// What only names things: tags of what existed before.
    Tags,
    /// Bindings of target groups that no rule points to go, with their targets.
    Unbind,
    /// Those target groups go.
    Ungroup,
    /// Security groups let in less, and those that nothing carries go.
    ShutOut,
}
