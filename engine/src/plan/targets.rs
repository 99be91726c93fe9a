//! What is known of the targets of a target group that may take over.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::stack::TargetHealth;
use crate::traffic::Health;

/// Whether a target group may take over: its [`Health`], and how long it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Targets {
    /// One at least takes requests and is not known to be unhealthy.
    Usable,
    /// There are some, and AWS does not check them: no rule names the target group.
    Unchecked,
    /// None is healthy yet.
    Awaited,
    /// None is healthy, and waiting was long enough: what is asked for is done all the same.
    GivenUp,
}

impl Targets {
    /// How long a target group without any target is waited for.
    const EMPTY: Duration = Duration::from_secs(30);
    /// How long targets are waited for to become healthy.
    const UNHEALTHY: Duration = Duration::from_mins(5);

    /// What AWS says of the targets. `waited` is how old the target group's binding is; `registered`: its targets were told to
    /// AWS.
    #[must_use]
    pub fn of(health: &[TargetHealth], registered: bool, waited: Duration) -> Self {
        let mut live = health.iter().filter(|one| !one.is_draining()).peekable();
        if live.peek().is_none() {
            return if registered && waited > Self::EMPTY { Self::GivenUp } else { Self::Awaited };
        }
        let live: Vec<&TargetHealth> = live.collect();
        if Health::of(live.iter().copied()) == Health::Healthy {
            return Self::Usable;
        }
        if waited > Self::UNHEALTHY {
            return Self::GivenUp;
        }
        let unchecked = |one: &&TargetHealth| one.reason.as_deref() == Some("Target.NotInUse");
        if registered && live.iter().all(unchecked) { Self::Unchecked } else { Self::Awaited }
    }
}

/// Targets by the ARN of their target group. Of what is not in there nothing bad is known.
pub type TargetsByArn = BTreeMap<String, Targets>;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of targets, and the two ages at which patience ends.
    #[test]
    fn patience() {
        let seconds = Duration::from_secs;
        let rows: [(&[&str], u64, Targets); 8] = [
            (&[], 10, Targets::Awaited),
            (&[], 31, Targets::GivenUp),
            (&["draining"], 31, Targets::GivenUp),
            (&["initial"], 31, Targets::Awaited),
            (&["unhealthy"], 301, Targets::GivenUp),
            (&["unhealthy", "healthy"], 0, Targets::Usable),
            // Health checks are off: nothing more will be known.
            (&["unavailable"], 0, Targets::Usable),
            (&["unused"], 31, Targets::Awaited),
        ];
        for (states, waited, expected) in rows {
            let health = |state: &&str| TargetHealth {
                target: crate::stack::Target { id: "10.0.0.1".to_owned(), port: 80, availability_zone: None },
                state: (*state).to_owned(),
                reason: None,
                description: None,
            };
            let health: Vec<TargetHealth> = states.iter().map(health).collect();
            assert_eq!(Targets::of(&health, true, seconds(waited)), expected, "{states:?} after {waited} s");
        }
    }
}
