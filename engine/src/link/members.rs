//! Who takes part: members by seniority, each with what it asks for now, or with what it asked for when it was last linked.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Agreement, Candidate, Input, Linked, LinkedMember, Linker, MemberState};
use crate::annotation::catalogue::SSL_REDIRECT;
use crate::compile::{Fragment, MemberSetting, SettingKey};
use crate::finding::Finding;
use crate::kinds::Key;
use crate::stack::{Desired, Protocol};

/// Members that cannot take part, each with the reason.
pub(super) type ToQuarantine = BTreeMap<Key, Vec<Finding>>;

/// Members without which the whole is built.
#[derive(Default)]
pub(super) struct Quarantined(BTreeMap<Key, Quarantine>);

#[derive(Default)]
struct Quarantine {
    why: Vec<Finding>,
    /// What it asked for last does not go either.
    wholly: bool,
}

impl Quarantined {
    /// Where nobody asks for a redirect, those who would be right behind one are quarantined from the start.
    pub(super) fn of(candidates: &[Candidate]) -> Self {
        let mut quarantined = Self::default();
        if !candidates.iter().any(Candidate::asks_for_a_redirect) {
            let exposed = candidates.iter().filter(|candidate| candidate.is_right_behind_a_redirect());
            quarantined.add(exposed.map(|candidate| (candidate.present.key.clone(), Vec::new())).collect());
        }
        quarantined
    }

    /// Quarantines members with what they ask for now; those that are quarantined so already, with what they asked for last.
    pub(super) fn add(&mut self, to_quarantine: ToQuarantine) {
        for (key, why) in to_quarantine {
            let known = self.0.get_mut(&key);
            match known {
                Some(quarantine) => {
                    quarantine.wholly = true;
                    quarantine.why.extend(why);
                }
                None => {
                    self.0.insert(key, Quarantine { why, wholly: false });
                }
            }
        }
    }
}

/// How a member was taken.
pub(super) struct Taken<'a> {
    pub(super) state: MemberState,
    /// Its place by seniority.
    pub(super) rank: usize,
    pub(super) candidate: &'a Candidate,
}

impl Candidate {
    /// The most senior first: who is as it was when it was last linked, then the older, then by name.
    pub(super) fn by_seniority(&self, other: &Self) -> Ordering {
        // Under review an Ingress may have no time of creation yet: then it is the youngest.
        let rank = |one: &Self| (!one.unchanged, one.created.is_none(), one.created);
        rank(self).cmp(&rank(other)).then_with(|| self.present.key.cmp(&other.present.key))
    }

    /// Whether it has HTTP listeners alone and only its rules are wrong: none of them is built while the group redirects HTTP to
    /// HTTPS, and then it takes part with all the rest, as with the predecessor.
    pub(super) fn is_right_behind_a_redirect(&self) -> bool {
        !self.present.linkable
            && !self.present.asked.listeners.is_empty()
            && !self.present.asked.routes(true)
            && self.present.fails_in_rules_alone()
    }

    /// Whether it asks for a redirect to HTTPS, now or when it was last linked.
    fn asks_for_a_redirect(&self) -> bool {
        let mut inputs = [Some(&self.present), self.last_good.as_ref()].into_iter().flatten();
        inputs.any(|compiled| compiled.asked.values.get(&SSL_REDIRECT).is_some())
    }

    /// What it asks for now, if that can be linked in a group that redirects HTTP to HTTPS.
    fn usable(&self) -> Option<&Arc<Fragment>> {
        let hidden = || Some(&self.present.asked).filter(|_| self.is_right_behind_a_redirect());
        self.present.fragment().or_else(hidden)
    }

    /// What it takes part with, if nobody conflicts with it: what it asks for now, or what it asked for last.
    fn unless_quarantined(&self, quarantined: &Quarantined) -> Option<&Arc<Fragment>> {
        let quarantine = quarantined.0.get(&self.present.key);
        let present = self.usable().filter(|_| quarantine.is_none());
        let last_good = self.last_good.as_ref().filter(|_| quarantine.is_none_or(|quarantine| !quarantine.wholly));
        present.or_else(|| last_good?.fragment())
    }

    /// Its value of a setting when it was last linked, if it changed since.
    pub(super) fn setting_before(&self, key: &SettingKey) -> Option<&MemberSetting> {
        setting_of(&self.last_good.as_ref()?.asked, key)
    }
}

/// The value of a setting in a member.
pub(super) fn setting_of<'f>(fragment: &'f Fragment, key: &SettingKey) -> Option<&'f MemberSetting> {
    fragment.settings.iter().find(|one| one.key == *key)
}

impl<'a> Linker<'a> {
    pub(super) fn new(input: Input<'a>, candidates: &'a [Candidate], quarantined: &'a Quarantined) -> Self {
        Self {
            input,
            candidates,
            quarantined,
            fragments: Vec::with_capacity(candidates.len()),
            taken: BTreeMap::new(),
            findings: BTreeMap::new(),
            reported: BTreeSet::new(),
            losers: BTreeMap::new(),
            agreement: Agreement::new(candidates.iter().filter_map(|one| one.unless_quarantined(quarantined))),
            origins: BTreeMap::new(),
        }
    }

    /// Takes in members by seniority, so that of two that conflict with each other the younger is quarantined.
    pub(super) fn take(&mut self) {
        for (rank, candidate) in self.candidates.iter().enumerate() {
            let (present, key) = (&candidate.present, &candidate.present.key);
            let quarantine = self.quarantined.0.get(key);
            for finding in quarantine.into_iter().flat_map(|quarantine| &quarantine.why) {
                self.report(key, finding.clone());
            }
            let good = candidate.usable().filter(|fragment| quarantine.is_none() && self.agrees(fragment)).cloned();
            let own: Vec<Finding> = match good {
                Some(_) => present.findings_without_rules().cloned().collect(),
                None => present.findings.clone(),
            };
            let later = self.findings.remove(key).unwrap_or_default();
            let own = own.into_iter().map(|finding| self.aged(finding));
            self.findings.insert(key.clone(), own.chain(later).collect());
            if good.is_none() {
                self.report_rest(candidate);
            }
            let good = good.map(|fragment| (MemberState::Linked, fragment));
            let wholly = quarantine.is_some_and(|quarantine| quarantine.wholly);
            let taken = good.or_else(|| Some((MemberState::LastGood, self.last_good(candidate, wholly)?)));
            let state = taken.as_ref().map_or(MemberState::Quarantined, |(state, _)| *state);
            self.taken.insert(key.clone(), Taken { state, rank, candidate });
            if let Some((_, fragment)) = taken {
                self.agreement.take_in(&fragment);
                self.fragments.push(fragment);
            }
        }
        self.fragments.sort_by(|one, other| one.in_group_order(other));
    }

    /// What a member asked for when it was last linked, if that goes together with those taken so far.
    fn last_good(&self, candidate: &Candidate, quarantined: bool) -> Option<Arc<Fragment>> {
        let good = candidate.last_good.as_ref().filter(|_| !quarantined)?.fragment()?;
        self.agreement.conflicts(good).is_empty().then(|| good.clone())
    }

    /// Whether a member goes together with those taken so far.
    fn agrees(&mut self, fragment: &Fragment) -> bool {
        let conflicts = self.agreement.conflicts(fragment);
        let agrees = conflicts.is_empty();
        for finding in &conflicts {
            self.report(&fragment.key, finding.clone());
        }
        if !agrees {
            self.losers.insert(fragment.key.clone(), conflicts);
        }
        agrees
    }

    /// Tells a member that takes no part with what it asks for what else would keep it out: it is fixed in one go.
    fn report_rest(&mut self, candidate: &Candidate) {
        let present = &candidate.present;
        if !candidate.unchanged && !self.is_taken_over() {
            for finding in self.absent(&present.asked) {
                self.report(&present.key, finding);
            }
        }
        if !present.linkable {
            self.report_uncovered(&present.asked);
        }
    }

    /// Members that take part because no rule of them is built, which does not hold: the group redirects nothing.
    pub(super) fn exposed(&self) -> ToQuarantine {
        let exposed = self
            .taken
            .iter()
            .filter(|(_, taken)| taken.state == MemberState::Linked && taken.candidate.is_right_behind_a_redirect());
        exposed.map(|(key, _)| (key.clone(), Vec::new())).collect()
    }

    /// Where a member that takes no part because of its rules alone redirects to: the others must not begin to answer in plaintext.
    pub(super) fn redirect_of_quarantined(&self) -> Option<u16> {
        let out = |candidate: &&Candidate| {
            let key = &candidate.present.key;
            let quarantine = self.quarantined.0.get(key);
            self.taken.get(key).is_some_and(|taken| taken.state == MemberState::Quarantined)
                && quarantine.is_none_or(|quarantine| quarantine.why.is_empty())
                && !self.losers.contains_key(key)
                && candidate.present.fails_in_rules_alone()
        };
        let port = self.candidates.iter().filter(out).find_map(|one| one.present.asked.values.get(&SSL_REDIRECT))?;
        Some(port).filter(|port| self.ports().get(port) == Some(&Protocol::Https))
    }

    /// Whether the load balancer exists and has no ledger: then nobody knows who is in AWS.
    pub(super) fn is_taken_over(&self) -> bool {
        self.input.existing.is_some() && self.input.view.ledger.is_none()
    }

    /// Whether what a member asks for is not in AWS yet: it is new, or changed. Who may be in AWS is not.
    pub(super) fn is_newcomer(&self, taken: &Taken<'_>) -> bool {
        taken.state == MemberState::Linked && !taken.candidate.unchanged && !self.is_taken_over()
    }

    /// Keeps a finding of a member, once.
    pub(super) fn report(&mut self, key: &Key, finding: Finding) {
        if self.reported.insert(finding.clone()) {
            self.findings.entry(key.clone()).or_default().push(finding);
        }
    }

    pub(super) fn finish(mut self, desired: Option<Desired>) -> Linked {
        let members = self.input.view.members.iter().map(|member| {
            let key = member.key();
            LinkedMember {
                state: self.taken.get(&key).map_or(MemberState::Quarantined, |taken| taken.state),
                findings: self.findings.remove(&key).unwrap_or_default(),
                key,
            }
        });
        Linked { members: members.collect(), desired, origins: self.origins, fragments: self.fragments }
    }
}
