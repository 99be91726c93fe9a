//! First phase: who takes part, by seniority, each with its present input or with its last good one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conflict::Agreement;
use super::findings::Findings;
use super::quarantined::{Quarantined, ToQuarantine};
use super::{Candidate, Input, LinkedMember, MemberState, discovered, named};
use crate::annotation::catalogue::SSL_REDIRECT;
use crate::compile::Fragment;
use crate::finding::Finding;
use crate::kinds::Key;
use crate::world::View;

/// The members of a group, after it was decided how each takes part.
#[derive(Default)]
pub(super) struct Members<'a> {
    /// All members, the most senior first.
    pub by_seniority: Vec<Member<'a>>,
    /// Their places there.
    places: BTreeMap<&'a Key, usize>,
    /// Those whose present input is in conflict with that of a more senior member, and the conflicts.
    pub displaced: ToQuarantine,
    /// The port to which a member redirects that takes no part because of its rules alone: the others must not begin to answer in plaintext.
    pub redirect_of_quarantined: Option<u16>,
}

/// How a member takes part.
pub(super) struct Member<'a> {
    pub state: MemberState,
    /// Its place by seniority.
    pub rank: usize,
    pub candidate: &'a Candidate,
    /// What it takes part with may not be in AWS yet: it is new, or changed.
    pub is_newcomer: bool,
}

impl<'a> Members<'a> {
    pub(super) fn get(&self, key: &Key) -> Option<&Member<'a>> {
        self.by_seniority.get(*self.places.get(key)?)
    }

    fn push(&mut self, candidate: &'a Candidate, state: MemberState, is_taken_over: bool) {
        let rank = self.by_seniority.len();
        let is_newcomer = state == MemberState::Linked && !candidate.unchanged && !is_taken_over;
        self.places.insert(candidate.key(), rank);
        self.by_seniority.push(Member { state, rank, candidate, is_newcomer });
    }

    /// Members that take part because no rule of them is built, which is so only in a group that redirects HTTP to HTTPS.
    pub(super) fn exposed(&self) -> ToQuarantine {
        let linked = self.by_seniority.iter().filter(|member| member.state == MemberState::Linked);
        let exposed = linked.filter(|member| member.candidate.is_right_behind_a_redirect());
        exposed.map(|member| (member.candidate.key().clone(), Vec::new())).collect()
    }

    /// The members as callers know them.
    pub(super) fn linked(&self, view: &View, mut findings: Findings) -> Vec<LinkedMember> {
        let members = view.members.iter().map(|member| {
            let key = member.key();
            let state = self.get(&key).map_or(MemberState::Quarantined, |member| member.state);
            LinkedMember { state, findings: findings.take(&key), key }
        });
        members.collect()
    }
}

/// Takes in members by seniority, so that of two that conflict with each other the more junior is quarantined. Yields all members, and
/// what is linked, in group order.
pub(super) fn take<'a>(
    input: Input<'_>,
    candidates: &'a [Candidate],
    quarantined: &Quarantined,
    findings: &mut Findings,
) -> (Members<'a>, Vec<Arc<Fragment>>) {
    let mut agreement = Agreement::new(candidates.iter().filter_map(|one| quarantined.leaves(one)));
    let mut members = Members::default();
    let mut fragments = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let (present, key) = (&candidate.present, candidate.key());
        let quarantine = quarantined.get(key);
        let why = quarantine.map(|quarantine| quarantine.why.as_slice()).unwrap_or_default();
        let usable = candidate.usable().filter(|_| quarantine.is_none());
        let conflicts = usable.map(|fragment| agreement.conflicts(fragment)).unwrap_or_default();
        for finding in why.iter().chain(&conflicts) {
            findings.report(key, finding.clone());
        }
        let good = usable.filter(|_| conflicts.is_empty());
        let own: Vec<Finding> = match good {
            Some(_) => present.findings_without_rules().cloned().collect(),
            None => present.findings.clone(),
        };
        findings.put_first(key, own.into_iter().map(|finding| input.aged(finding)));
        if good.is_none() {
            report_rest(input, candidate, findings);
        }
        let last_good = || {
            let last_good = candidate.last_good.as_ref().filter(|_| !quarantine.is_some_and(|one| one.wholly))?;
            last_good.fragment().filter(|fragment| agreement.conflicts(fragment).is_empty())
        };
        let taken = good.map(|good| (MemberState::Linked, good));
        let taken = taken.or_else(|| Some((MemberState::LastGood, last_good()?)));
        match taken {
            Some((state, fragment)) => {
                members.push(candidate, state, input.is_taken_over());
                agreement.take_in(fragment);
                fragments.push(fragment.clone());
            }
            None => {
                if why.is_empty() && conflicts.is_empty() && present.fails_in_rules_alone() {
                    let redirect = || present.asked.values.get(&SSL_REDIRECT);
                    members.redirect_of_quarantined = members.redirect_of_quarantined.or_else(redirect);
                }
                members.push(candidate, MemberState::Quarantined, input.is_taken_over());
            }
        }
        if !conflicts.is_empty() {
            members.displaced.insert(key.clone(), conflicts);
        }
    }
    fragments.sort_by(|one: &Arc<Fragment>, other| one.in_group_order(other));
    (members, fragments)
}

/// Reports what else keeps out a member whose present input is not linked, so that everything can be fixed in one go.
fn report_rest(input: Input<'_>, candidate: &Candidate, findings: &mut Findings) {
    let present = &candidate.present;
    if !candidate.unchanged && !input.is_taken_over() {
        for finding in named::absent(input, &present.asked) {
            findings.report(&present.key, finding);
        }
    }
    if !present.linkable {
        for finding in discovered::certificates(input, &present.asked).into_iter().flat_map(|(_, faults)| faults) {
            findings.report(&present.key, finding);
        }
    }
}
