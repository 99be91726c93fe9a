//! The fragments of a group → what should exist in AWS, and findings on what crosses members.

mod addons;
mod base_config;
mod certificates;
mod conflict;
mod existing;
mod faults;
mod frontend_nlb;
mod in_effect;
mod kept;
mod listeners;
mod logs;
mod members;
mod merge;
mod named;
mod optimiser;
mod protection;
mod security_group_total;
mod security_groups;
mod strangers;
mod subnets;
mod takeover;
mod target_groups;
mod totals;
mod unremembered;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::compile::{Cache, Compiled, Context, Fragment};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::kinds::Key;
use crate::ledger::{self, Standing};
use crate::settings::Settings;
use crate::stack::Desired;
use crate::world::{ClassifiedMember, View};

pub use crate::compile::Origin;
use conflict::Agreement;
pub use existing::{Existing, ExistingFrontendNlb};
pub use in_effect::InEffect;
pub use kept::KEPT;
use members::{Quarantined, Taken};
pub use strangers::{Orphan, set_strangers_apart};
pub use totals::{is_total, not_worse};

/// How a member takes part in what is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// From its present input.
    Linked,
    /// From its last good input, because the present one cannot be used.
    LastGood,
    /// Not at all.
    Quarantined,
    /// Not at all, and what AWS holds of it stays: nobody remembers what it asked for.
    Kept,
}

/// A member after linking.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkedMember {
    /// The Ingress.
    pub key: Key,
    /// How it takes part.
    pub state: MemberState,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// The outcome of linking a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// What should exist; `None` when the group is blocked and nothing may change.
    pub desired: Option<Desired>,
    /// Where each rule comes from, by port and in the order of the listener's rules.
    pub origins: BTreeMap<u16, Vec<Arc<Origin>>>,
    /// The members, by namespace and name.
    pub members: Vec<LinkedMember>,
    /// What is asked for by those that take part, in group order.
    pub fragments: Vec<Arc<Fragment>>,
}

impl Linked {
    /// All findings of all members.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.members.iter().flat_map(|member| &member.findings)
    }
}

/// What linking looks at besides the view.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// What the group is built from.
    pub view: &'a View,
    /// The account.
    pub facts: &'a Facts,
    /// The group's load balancer, if one exists.
    pub existing: Option<&'a Existing>,
    /// The time.
    pub now: Timestamp,
}

/// Compiles and links a group, from nothing.
#[must_use]
pub fn link(input: Input<'_>) -> Linked {
    relink(input, &mut Cache::default())
}

/// Links a group; what was compiled before from the same inputs is taken from the cache. The result is the same.
#[must_use]
pub fn relink(input: Input<'_>, cache: &mut Cache) -> Linked {
    let candidates = candidates(input, cache);
    link_compiled(input, candidates)
}

/// A member, compiled from its present input and, where that is another, from its last good one.
#[derive(Debug, Clone)]
pub struct Candidate {
    present: Arc<Compiled>,
    last_good: Option<Arc<Compiled>>,
    /// It is as it was when it was last linked.
    unchanged: bool,
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

/// After so many times that members were quarantined, those who had to give way to one of them are not looked at again: it bounds how
/// often a group is linked, whatever its members say.
const READMISSIONS: usize = 8;

/// Links what was compiled. Members for whom the whole cannot be built are quarantined, and it begins anew without them: who gave way to
/// one of them is in again, and nothing is told of a group that will not be.
#[must_use]
pub fn link_compiled(input: Input<'_>, candidates: Vec<Candidate>) -> Linked {
    link_refused(input, candidates, BTreeMap::new())
}

/// As [`link_compiled`], without what some members ask for now: AWS refused it, as the findings say.
#[must_use]
pub fn link_refused(input: Input<'_>, mut candidates: Vec<Candidate>, refused: BTreeMap<Key, Vec<Finding>>) -> Linked {
    candidates.sort_by(Candidate::by_seniority);
    let mut quarantined = Quarantined::of(&candidates);
    quarantined.add(refused);
    let mut rounds = 0;
    loop {
        let mut linker = Linker::new(input, &candidates, &quarantined);
        linker.take();
        let to_quarantine = match linker.build() {
            Ok(desired) => return linker.finish(desired),
            Err(to_quarantine) => to_quarantine,
        };
        let losers = std::mem::take(&mut linker.losers);
        rounds += 1;
        if rounds > READMISSIONS {
            quarantined.add(losers);
        }
        quarantined.add(to_quarantine);
    }
}

/// The state of linking one group.
struct Linker<'a> {
    input: Input<'a>,
    /// All members, the most senior first.
    candidates: &'a [Candidate],
    /// Those that take no part with what they ask for now, or not at all.
    quarantined: &'a Quarantined,
    /// What is linked, in group order.
    fragments: Vec<Arc<Fragment>>,
    taken: BTreeMap<Key, Taken<'a>>,
    findings: BTreeMap<Key, Vec<Finding>>,
    /// What linking found, for nothing is said twice.
    reported: BTreeSet<Finding>,
    /// Who gave way to a senior, and why.
    losers: BTreeMap<Key, Vec<Finding>>,
    /// What those taken so far say.
    agreement: Agreement,
    origins: BTreeMap<u16, Vec<Arc<Origin>>>,
}
