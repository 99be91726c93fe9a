//! Members without whose present input, or without whom, the group is linked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Candidate;
use crate::compile::Fragment;
use crate::finding::Finding;
use crate::kinds::Key;

/// Members that cannot take part, each with the reason.
pub(super) type ToQuarantine = BTreeMap<Key, Vec<Finding>>;

/// Members that were quarantined in earlier attempts.
#[derive(Default)]
pub(super) struct Quarantined(BTreeMap<Key, Quarantine>);

#[derive(Default)]
pub(super) struct Quarantine {
    pub why: Vec<Finding>,
    /// Its last good input cannot be linked either.
    pub wholly: bool,
}

impl Quarantined {
    /// If no member asks for a redirect, those that are right only behind one are quarantined from the start.
    pub(super) fn of(candidates: &[Candidate]) -> Self {
        let mut quarantined = Self::default();
        if !candidates.iter().any(Candidate::asks_for_a_redirect) {
            let exposed = candidates.iter().filter(|candidate| candidate.is_right_behind_a_redirect());
            quarantined.add(exposed.map(|candidate| (candidate.key().clone(), Vec::new())).collect());
        }
        quarantined
    }

    /// Quarantines members with their present input; those that are quarantined so already, with their last good one.
    pub(super) fn add(&mut self, to_quarantine: ToQuarantine) {
        for (key, why) in to_quarantine {
            let again = self.0.contains_key(&key);
            let quarantine = self.0.entry(key).or_default();
            quarantine.wholly |= again;
            quarantine.why.extend(why);
        }
    }

    pub(super) fn get(&self, member: &Key) -> Option<&Quarantine> {
        self.0.get(member)
    }

    /// What a member takes part with, if no conflict displaces it: its present input, or its last good one.
    pub(super) fn leaves<'c>(&self, candidate: &'c Candidate) -> Option<&'c Arc<Fragment>> {
        let quarantine = self.get(candidate.key());
        let present = candidate.usable().filter(|_| quarantine.is_none());
        let last_good = candidate.last_good.as_ref().filter(|_| quarantine.is_none_or(|quarantine| !quarantine.wholly));
        present.or_else(|| last_good?.fragment())
    }
}
