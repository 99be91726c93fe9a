//! Whether a target group has anybody who answers.

use crate::stack::TargetHealth;

/// What becomes of a request that is forwarded to a target group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nobody can take it: the load balancer answers 503.
    Empty,
    /// All registered targets are unhealthy, and requests go to all of them: the load balancer fails open.
    FailOpen,
    /// Requests go to healthy targets.
    Healthy,
}

impl Health {
    /// Of the registered targets of a target group:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>.
    ///
    /// `unavailable` says that health checks are off. Targets that are `unused` (their zone, or the target group, is not
    /// the load balancer's) or `draining` get no new requests; of those that are `initial` nobody knows yet, so they count
    /// for nothing.
    #[must_use]
    pub fn of<'t>(targets: impl IntoIterator<Item = &'t TargetHealth>) -> Self {
        let health = |target: &TargetHealth| match target.state.as_str() {
            "healthy" | "unavailable" => Self::Healthy,
            "unhealthy" => Self::FailOpen,
            _ => Self::Empty,
        };
        targets.into_iter().map(health).max().unwrap_or(Self::Empty)
    }

    /// Whether a target takes the request.
    #[must_use]
    pub fn is_served(self) -> bool {
        self != Self::Empty
    }
}
