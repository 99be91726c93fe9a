//! The members of a group, compiled, and who of them is more senior.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use super::Input;
use crate::annotation::catalogue::SSL_REDIRECT;
use crate::compile::{Cache, Compiled, Context, Fragment, MemberSetting, SettingKey};
use crate::kinds::Key;
use crate::ledger::{self, Standing};
use crate::world::ClassifiedMember;

/// A member, compiled from its present input and, where that is another, from its last good one.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub(super) present: Arc<Compiled>,
    pub(super) last_good: Option<Arc<Compiled>>,
    /// It is as it was when it was last linked.
    pub(super) unchanged: bool,
    created: Option<Timestamp>,
}

impl Candidate {
    /// The Ingress.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.present.key
    }

    /// Whether it asks for something that was not linked before.
    #[must_use]
    pub fn is_newcomer(&self) -> bool {
        !self.unchanged
    }

    /// The most senior first: unchanged since it was last linked, then the older, then by name.
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
    pub(super) fn asks_for_a_redirect(&self) -> bool {
        let mut inputs = [Some(&self.present), self.last_good.as_ref()].into_iter().flatten();
        inputs.any(|compiled| compiled.asked.values.get(&SSL_REDIRECT).is_some())
    }

    /// What it asks for now, if that can be linked in a group that redirects HTTP to HTTPS.
    pub(super) fn usable(&self) -> Option<&Arc<Fragment>> {
        let hidden = || Some(&self.present.asked).filter(|_| self.is_right_behind_a_redirect());
        self.present.fragment().or_else(hidden)
    }

    /// Its value of a setting when it was last linked, if it changed since.
    pub(super) fn setting_before(&self, key: &SettingKey) -> Option<&MemberSetting> {
        self.last_good.as_ref()?.asked.setting(key)
    }
}

/// The members of a group, compiled: all that linking needs the cache for.
#[must_use]
pub fn candidates(input: Input<'_>, cache: &mut Cache) -> Vec<Candidate> {
    let context = Context { settings: input.settings, view: input.view, facts: input.facts };
    let members = &input.view.members;
    let standing = |member: &ClassifiedMember| ledger::standing(input.view.ledger.as_deref(), member);
    let standings: Vec<Standing> = members.iter().map(standing).collect();
    let changed = standings.iter().filter_map(|standing| match standing {
        Standing::Changed(before) => Some(&**before),
        Standing::New | Standing::Unchanged => None,
    });
    let mut before = cache.compile(changed, context).into_iter();
    let present = cache.compile(members, context);
    let all = members.iter().zip(present).zip(&standings).map(|((member, present), standing)| Candidate {
        present,
        last_good: matches!(standing, Standing::Changed(_)).then(|| before.next()).flatten(),
        unchanged: matches!(standing, Standing::Unchanged),
        created: member.ingress.metadata.creation_timestamp.as_ref().map(|time| time.0),
    });
    all.collect()
}
