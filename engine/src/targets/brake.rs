//! The safety brake: many targets that vanish at once are more often a fault of the cluster (an API server that lost its
//! endpoints, a readiness probe that hangs on one dependency) than a wish, and a load balancer without targets answers 503.

use std::time::Duration;

/// When the brake holds. Off by default: a Deployment that is scaled to zero would wait too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrakePolicy {
    /// Percent of the registered targets, 1–100, whose loss in one step is suspicious.
    pub percent: u8,
    /// Target groups with fewer registered targets are never held: losing one of two is everyday.
    pub at_least: usize,
    /// How long the loss has to last until it is believed.
    pub hold: Duration,
}

/// What the brake says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing suspicious.
    Go,
    /// Register what is new, report, and deregister only if it is still so this long after it was first seen.
    Hold(Duration),
}

impl Verdict {
    /// Whether targets may be deregistered, given for how long the brake has been holding them.
    #[must_use]
    pub fn allows(self, held: Duration) -> bool {
        match self {
            Self::Go => true,
            Self::Hold(limit) => held >= limit,
        }
    }
}

/// Whether a target group that has `registered` targets (those that drain aside) may lose `removed` of them in one step;
/// `removed` is [`super::Registration::loss`], so that replaced targets do not count. Without a policy the brake is off.
#[must_use]
pub fn brake(registered: usize, removed: usize, policy: Option<&BrakePolicy>) -> Verdict {
    let Some(policy) = policy else { return Verdict::Go };
    let share = registered.saturating_mul(usize::from(policy.percent));
    if removed > 0 && registered >= policy.at_least && removed.saturating_mul(100) >= share {
        Verdict::Hold(policy.hold)
    } else {
        Verdict::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn table() {
        let policy = BrakePolicy { percent: 50, at_least: 4, hold: MINUTE };
        let rows = [
            (0, 0, Verdict::Go),
            (10, 0, Verdict::Go),
            (10, 4, Verdict::Go),
            (10, 5, Verdict::Hold(MINUTE)),
            (10, 10, Verdict::Hold(MINUTE)),
            (3, 3, Verdict::Go),
            (4, 4, Verdict::Hold(MINUTE)),
            (5, 2, Verdict::Go),
            (5, 3, Verdict::Hold(MINUTE)),
            (usize::MAX, usize::MAX, Verdict::Hold(MINUTE)),
        ];
        for (registered, removed, verdict) in rows {
            assert_eq!(brake(registered, removed, Some(&policy)), verdict, "{removed} of {registered}");
            assert_eq!(brake(registered, removed, None), Verdict::Go, "off: {removed} of {registered}");
        }
    }

    #[test]
    fn what_lasts_is_believed() {
        assert!(Verdict::Go.allows(Duration::ZERO));
        assert!(!Verdict::Hold(MINUTE).allows(Duration::from_secs(59)));
        assert!(Verdict::Hold(MINUTE).allows(MINUTE));
    }
}
