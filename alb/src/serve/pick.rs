//! Which target group and which target a request goes to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use albedo_engine::stack::Ref;
use albedo_engine::traffic::{Health, Share};

use crate::backend::Backend;
use crate::snapshot::Group;

/// Draws and turns. Draws follow from a counter, so that a test meets the same ones at each run.
#[derive(Debug, Default)]
pub(crate) struct Dice {
    drawn: AtomicU64,
    turns: Mutex<BTreeMap<String, usize>>,
}

impl Dice {
    /// A number below `end`.
    fn below(&self, end: u64) -> u64 {
        // SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut mixed = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(end).unwrap_or_default()
    }

    fn turn(&self, group: &str, of: usize) -> usize {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(group.to_owned()).or_default();
        let now = turn.checked_rem(of).unwrap_or_default();
        *turn = turn.wrapping_add(1);
        now
    }

    /// The ARN of the target group that a request goes to, by weight.
    pub(crate) fn share<'s>(&self, shares: &[Share<'s>]) -> Option<&'s str> {
        let sum: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
        let mut drawn = self.below(sum);
        let chosen = shares.iter().find(|share| {
            let weight = u64::from(share.weight);
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        });
        chosen.and_then(|share| arn(share.target_group))
    }

    /// A target of a group: one that is healthy; if none is, any of those that were checked and found unhealthy.
    pub(crate) fn target(&self, arn: &str, group: &Group, targets: &[Arc<Backend>]) -> Option<Arc<Backend>> {
        let candidates = candidates(targets);
        let algorithm = group.text("load_balancing.algorithm.type", "round_robin");
        match algorithm {
            "least_outstanding_requests" => candidates.into_iter().min_by_key(|one| one.outstanding()).cloned(),
            "weighted_random" => {
                let place = self.below(u64::try_from(candidates.len()).unwrap_or_default());
                candidates.get(usize::try_from(place).unwrap_or_default()).map(|one| (*one).clone())
            }
            _ => candidates.get(self.turn(arn, candidates.len())).map(|one| (*one).clone()),
        }
    }
}

/// The targets that may get a request.
pub(crate) fn candidates(targets: &[Arc<Backend>]) -> Vec<&Arc<Backend>> {
    match health(targets) {
        Health::Healthy => targets.iter().filter(|one| one.is_healthy()).collect(),
        Health::FailOpen => targets.iter().filter(|one| one.health().state == "unhealthy").collect(),
        Health::Empty => Vec::new(),
    }
}

/// What becomes of requests to these targets, as the engine's model has it.
pub(crate) fn health(targets: &[Arc<Backend>]) -> Health {
    let states: Vec<_> = targets.iter().map(|one| one.health()).collect();
    Health::of(&states)
}

/// The ARN of a target group.
pub(crate) fn arn(target_group: &Ref) -> Option<&str> {
    match target_group {
        Ref::Known(arn) => Some(arn),
        Ref::Of(_) => None,
    }
}
