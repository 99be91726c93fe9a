//! Members that cannot be linked, neither as they are nor as they were: what AWS may hold of them stays.

use std::collections::BTreeSet;

use super::{Linked, LinkedMember, MemberState};
use crate::kinds::Key;
use crate::world::{ClassifiedMember, Leaving, View};

/// How the ledger calls the state of a member of which AWS holds something that nobody can derive.
pub const KEPT: &str = "Kept";

impl Linked {
    /// Whether a member was left out that may have something in AWS: it holds the group's finalizer, and was linked before or nobody
    /// remembers.
    #[must_use]
    pub fn leaves_out(&self, view: &View) -> bool {
        self.left_out(view).next().is_some() || unknown(view).next().is_some()
    }

    /// Notes those of whom cannot be told whether they are members, so that the ledger goes on knowing them.
    pub fn note_unknown(&mut self, view: &View) {
        let kept = unknown(view).map(|key| LinkedMember { key, state: MemberState::Kept, findings: Vec::new() });
        self.members.extend(kept);
        self.members.sort_by(|a, b| a.key.cmp(&b.key));
    }

    /// Notes of those members that what AWS holds of them was kept.
    pub fn note_kept(&mut self, view: &View) {
        let kept: BTreeSet<Key> = self.left_out(view).map(ClassifiedMember::key).collect();
        for member in self.members.iter_mut().filter(|member| kept.contains(&member.key)) {
            member.state = MemberState::Kept;
        }
    }

    fn left_out<'v>(&'v self, view: &'v View) -> impl Iterator<Item = &'v ClassifiedMember> {
        let quarantined: BTreeSet<&Key> =
            self.members.iter().filter(|one| one.state == MemberState::Quarantined).map(|one| &one.key).collect();
        let linked_before = linked_before(view);
        view.members.iter().filter(move |member| {
            let key = member.key();
            let holds = view.is_held(&member.ingress);
            let known = |names: &BTreeSet<(&str, &str)>| names.contains(&(&key.namespace, &key.name));
            holds && quarantined.contains(&key) && linked_before.as_ref().is_none_or(known)
        })
    }
}

/// Those that were members and of whom cannot be told what they are: their class is gone, say.
fn unknown(view: &View) -> impl Iterator<Item = Key> {
    view.leaving.iter().filter_map(|leaving| match leaving {
        Leaving::Unknown(ingress, _) => Some(Key::of(&ingress.metadata)),
        Leaving::Left(_) => None,
    })
}

/// Namespaces and names of those that have been linked, or kept since; `None`: nobody remembers.
fn linked_before(view: &View) -> Option<BTreeSet<(&str, &str)>> {
    let status = view.ledger.as_ref()?.status.as_ref()?;
    let good = status.last_good.iter().map(|one| (one.namespace.as_str(), one.name.as_str()));
    let kept = status.members.iter().filter(|one| one.state == KEPT);
    Some(good.chain(kept.map(|one| (one.namespace.as_str(), one.name.as_str()))).collect())
}
