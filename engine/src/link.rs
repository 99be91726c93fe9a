//! The fragments of a group → what should exist in AWS, and findings on what crosses members.
//!
//! Linking is a row of phases. Each is a function that takes what earlier phases made and returns what it makes; only `Findings` is handed
//! from one to the next, for all of them to report.

mod addons;
mod base_config;
mod blame;
mod candidate;
mod certificates;
mod conflict;
mod desired;
mod discovered;
mod discovery;
mod existing;
mod faults;
mod findings;
mod group;
mod in_effect;
mod input;
mod kept;
mod linked;
mod listeners;
mod logs;
mod members;
mod merge;
mod named;
mod namesakes;
mod nlb;
mod optimiser;
mod placement;
mod prefix_lists;
mod protection;
mod protocol_versions;
mod quarantined;
mod rules;
mod security_group_total;
mod security_groups;
mod strangers;
mod subnets;
mod takeover;
mod target_groups;
mod total;
mod totals;
mod unreached;
mod unremembered;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compile::{Cache, Fragment};
use crate::finding::Finding;
use crate::kinds::Key;
use crate::stack::Desired;

pub use crate::compile::Origin;
pub use candidate::{Candidate, candidates};
pub use discovery::{Discovery, Look, Standing, looks_of};
pub use existing::{Existing, ExistingNlb};
use findings::Findings;
use group::Group;
pub use in_effect::InEffect;
pub use input::Input;
pub use kept::KEPT;
pub use linked::{Linked, LinkedMember, MemberState};
use members::Members;
use quarantined::{Quarantined, ToQuarantine};
use rules::Origins;
pub use strangers::{Orphan, set_strangers_apart};
pub use total::{is_total, not_worse};

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

/// After so many times that members were quarantined, those that were displaced by one of them stay displaced: it bounds how
/// often a group is linked, whatever its members say.
const READMISSIONS: usize = 8;

/// Links what was compiled. Members for whom the whole cannot be built are quarantined, and the group is linked again without them: members
/// that they displaced return, and the findings of the abandoned attempt are dropped.
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
        let abandoned = match attempt(input, &candidates, &quarantined) {
            Ok(linked) => return linked,
            Err(abandoned) => abandoned,
        };
        rounds += 1;
        if rounds > READMISSIONS {
            quarantined.add(abandoned.displaced);
        }
        quarantined.add(abandoned.to_quarantine);
    }
}

/// An attempt that fails because of members.
struct Abandoned {
    to_quarantine: ToQuarantine,
    /// Members that are in conflict with more senior ones.
    displaced: ToQuarantine,
}

/// Links the group once, without the members that are quarantined already.
fn attempt(input: Input<'_>, candidates: &[Candidate], quarantined: &Quarantined) -> Result<Linked, Abandoned> {
    let mut findings = Findings::default();
    let (members, fragments) = members::take(input, candidates, quarantined, &mut findings);
    let built = match input.view.members.is_empty() {
        true => Ok(Built { desired: Some(desired::nothing(input)), origins: BTreeMap::new(), fragments }),
        false => build(input, &members, fragments, &mut findings),
    };
    match built {
        Ok(Built { desired, origins, fragments }) => {
            Ok(Linked { desired, origins, members: members.linked(input.view, findings), fragments })
        }
        Err(to_quarantine) => Err(Abandoned { to_quarantine, displaced: members.displaced }),
    }
}

/// What is made of the members of a group.
struct Built {
    /// `None` when nothing may change.
    desired: Option<Desired>,
    origins: Origins,
    fragments: Vec<Arc<Fragment>>,
}

/// The phases after the choice of members. Fails with members that have to be quarantined.
fn build(
    input: Input<'_>,
    members: &Members<'_>,
    fragments: Vec<Arc<Fragment>>,
    findings: &mut Findings,
) -> Result<Built, ToQuarantine> {
    let fragments = certificates::place(input, members, fragments, findings)?;
    if fragments.is_empty() {
        return Ok(Built { desired: None, origins: Origins::new(), fragments });
    }
    let group = Group { input, fragments: &fragments };
    let (base_config, faults) = base_config::base_config(group, members);
    let redirected = base_config.redirect.is_some();
    if !redirected {
        unless_any(members.exposed())?;
    }
    unless_any(blame::culprits(group, members, &faults))?;
    let goes_on = blame::tell(group, members, &faults, findings);
    let listeners = listeners::listeners(group, base_config.redirect);
    let routing = rules::rules(group, listeners, redirected);
    unreached::report(group, &routing, redirected, findings);
    let target_groups = target_groups::target_groups(group, &base_config.groups, redirected);
    let desired = desired::desired(group, members, base_config, routing.listeners, target_groups, findings);
    let totals = totals::totals(group, &desired, &routing.origins);
    unless_any(totals::victims(group, members, &totals))?;
    totals::warn(group, members, &totals, findings);
    security_group_total::warn_of_unweighed_lists(group, &desired, findings);
    discovery::warn_of_zones(group, &desired, findings);
    logs::check(group, &desired, findings);
    namesakes::check(group, findings);
    prefix_lists::check(group, &desired, findings);
    protocol_versions::check(group, redirected, findings);
    unremembered::report(input.view, findings);
    Ok(Built { desired: Some(desired).filter(|_| goes_on), origins: routing.origins, fragments })
}

/// Nothing, unless members have to be left out.
fn unless_any(to_quarantine: ToQuarantine) -> Result<(), ToQuarantine> {
    if to_quarantine.is_empty() { Ok(()) } else { Err(to_quarantine) }
}
