//! The conditions of an `IngressGroup`, which tools wait for: `Ready`; `Reconciling` while nobody has to act, `Stalled`
//! while somebody has to. <https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus>

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Outcome;
use crate::finding::Effect;
use crate::kinds::TARGETS_FAIL;
use crate::link::{Linked, LinkedMember, MemberState};

/// The most characters of the message of a condition: it names members, and a group may have many.
const LONGEST: usize = 4_000;
/// The state of a group that is not reached yet.
pub(super) const CONVERGING: &str = "Converging";
const READY: &str = "Ready";
const BLOCKED: &str = "Blocked";

/// The state of a group after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The printed state.
    pub(super) state: &'static str,
    course: Course,
    reason: &'static str,
    message: String,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Nothing: it is reached.
    There,
    /// The controller continues.
    Goes,
    /// Somebody has to act.
    Stuck,
}

impl Standing {
    pub(super) fn of(outcome: &Outcome, linked: &Linked, troubles: &[String]) -> Self {
        use Course::{Goes, Stuck, There};
        let (state, course, reason, message) = match outcome {
            Outcome::Reached { .. } if troubles.is_empty() => return Self::reached(linked),
            Outcome::Reached { .. } => (CONVERGING, Goes, TARGETS_FAIL, troubles.join("; ")),
            Outcome::Waiting(waits) => (CONVERGING, Goes, "Waiting", waits.join("; ")),
            Outcome::Held(by) => (BLOCKED, Stuck, "Held", by.join("; ")),
            Outcome::Blocked => (BLOCKED, Stuck, "Blocked", "findings on members block the group".to_owned()),
            Outcome::Failed { error, passes, .. } => {
                (CONVERGING, if *passes { Goes } else { Stuck }, "Failed", error.clone())
            }
        };
        debug_assert_ne!(course, There);
        Self { state, course, reason, message }
    }

    /// A group is `Ready` without its quarantined members, unless all of them are quarantined.
    fn reached(linked: &Linked) -> Self {
        let quarantined = linked.members.iter().filter(|member| member.state != MemberState::Linked);
        let quarantined: Vec<String> = quarantined.map(|member| member.key.to_string()).collect();
        let is_kept = |member: &&LinkedMember| member.findings.iter().any(|one| one.effect == Effect::PartKept);
        let kept: Vec<String> = linked.members.iter().filter(is_kept).map(|member| member.key.to_string()).collect();
        let mut there = "the load balancer is as the Ingresses specify".to_owned();
        if !kept.is_empty() {
            there.push_str(&format!(", except parts that are not possible and stay as they were: {}", kept.join(", ")));
        }
        let (course, reason, message) = match (quarantined.len(), linked.members.len()) {
            (0, _) => (Course::There, "Reconciled", there),
            (some, all) if some < all => {
                let message =
                    format!("{there}, except {some} of {all} that are quarantined: {}", quarantined.join(", "));
                (Course::There, "Reconciled", message)
            }
            _ => (Course::Stuck, "Quarantined", format!("AWS has the last good input of {}", quarantined.join(", "))),
        };
        let state = if course == Course::There { READY } else { BLOCKED };
        Self { state, course, reason, message }
    }

    /// All three conditions, each with the time of its last transition.
    pub(super) fn conditions(&self, before: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
        let message = self.message.chars().take(LONGEST).collect::<String>();
        let rows = [("Ready", Course::There), ("Reconciling", Course::Goes), ("Stalled", Course::Stuck)].map(
            |(type_, when)| {
                let status = if self.course == when { "True" } else { "False" };
                let earlier = before.iter().find(|earlier| earlier.type_ == type_ && earlier.status == status);
                Condition {
                    type_: type_.to_owned(),
                    status: status.to_owned(),
                    reason: self.reason.to_owned(),
                    message: message.clone(),
                    observed_generation: generation,
                    last_transition_time: earlier.map_or(Time(now), |earlier| earlier.last_transition_time.clone()),
                }
            },
        );
        rows.into()
    }
}

/// The conditions while a pass changes AWS.
pub(super) fn begun(before: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let message = "AWS is being changed".to_owned();
    let standing = Standing { state: CONVERGING, course: Course::Goes, reason: "Progressing", message };
    standing.conditions(before, generation, now)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kinds::Key;
    use crate::link::LinkedMember;

    /// The result of kstatus' generic rules for these conditions.
    fn kstatus(conditions: &[Condition]) -> &'static str {
        let is = |type_: &str| conditions.iter().any(|one| one.type_ == type_ && one.status == "True");
        match (is("Reconciling"), is("Stalled"), is("Ready")) {
            (true, ..) => "InProgress",
            (_, true, _) => "Failed",
            (.., true) => "Current",
            _ => "InProgress",
        }
    }

    fn linked(states: &[MemberState]) -> Linked {
        let member = |(index, state): (usize, &MemberState)| LinkedMember {
            key: Key::new("ns", &index.to_string()),
            state: *state,
            findings: Vec::new(),
        };
        let members = states.iter().enumerate().map(member).collect();
        Linked { desired: None, origins: BTreeMap::new(), members, fragments: Vec::new() }
    }

    #[test]
    fn tools_that_wait_are_told_what_to_expect() {
        use MemberState::{LastGood, Linked as Good, Quarantined};
        let reached = Outcome::Reached { changed: true };
        let failed = |passes| Outcome::Failed { error: "no".to_owned(), outline: String::new(), passes };
        let rows: [(&Outcome, &[MemberState], &str, &str); 9] = [
            (&reached, &[Good], "Ready", "Current"),
            (&reached, &[Good, Quarantined, LastGood], "Ready", "Current"),
            (&reached, &[LastGood], "Blocked", "Failed"),
            (&reached, &[], "Ready", "Current"),
            (&Outcome::Waiting(vec!["x".to_owned()]), &[Good], "Converging", "InProgress"),
            (&Outcome::Held(vec!["x".to_owned()]), &[Good], "Blocked", "Failed"),
            (&Outcome::Blocked, &[Good], "Blocked", "Failed"),
            (&failed(true), &[Good], "Converging", "InProgress"),
            (&failed(false), &[Good], "Converging", "Failed"),
        ];
        let fails = ["TargetGroupBinding ns/x: no".to_owned()];
        let failing = Standing::of(&reached, &linked(&[Good]), &fails);
        assert_eq!((failing.state, failing.reason), ("Converging", "TargetsFail"));
        for (outcome, members, state, expected) in rows {
            let standing = Standing::of(outcome, &linked(members), &[]);
            let conditions = standing.conditions(&[], Some(1), Timestamp::UNIX_EPOCH);
            assert_eq!((standing.state, kstatus(&conditions)), (state, expected), "{outcome:?} {members:?}");
            assert!(conditions.iter().all(|one| one.observed_generation == Some(1) && !one.message.is_empty()));
        }
        assert_eq!(kstatus(&begun(&[], None, Timestamp::UNIX_EPOCH)), "InProgress");
    }

    #[test]
    fn what_stays_the_same_keeps_its_time() {
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + std::time::Duration::from_mins(1));
        let waiting = Standing::of(&Outcome::Waiting(vec!["x".to_owned()]), &linked(&[]), &[]);
        let before = waiting.conditions(&[], None, first);
        let after = Standing::of(&Outcome::Blocked, &linked(&[]), &[]).conditions(&before, None, later);
        let times: Vec<Timestamp> = after.iter().map(|one| one.last_transition_time.0).collect();
        assert_eq!(times, [first, later, later]);
    }
}
