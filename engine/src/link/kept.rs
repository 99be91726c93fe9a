//! Members that cannot be linked, neither as they are nor as they were: what AWS may hold of them stays.

use super::{Linked, MemberState};
use crate::world::{ClassifiedMember, View};

/// How the ledger calls the state of a member of which AWS holds something that nobody can derive.
pub const KEPT: &str = "Kept";

impl Linked {
    /// Whether a member was left out that may have something in AWS: it holds the group's finalizer, and was linked before or nobody
    /// remembers.
    #[must_use]
    pub fn leaves_out(&self, view: &View) -> bool {
        self.left_out(view).next().is_some()
    }

    /// Notes of those members that what AWS holds of them was kept.
    pub fn note_kept(&mut self, view: &View) {
        let kept: Vec<_> = self.left_out(view).map(ClassifiedMember::key).collect();
        for member in self.members.iter_mut().filter(|member| kept.contains(&member.key)) {
            member.state = MemberState::Kept;
        }
    }

    fn left_out<'v>(&'v self, view: &'v View) -> impl Iterator<Item = &'v ClassifiedMember> {
        let finalizer = view.group.finalizer();
        let aside = |key| self.members.iter().any(|one| one.key == key && one.state == MemberState::SetAside);
        view.members.iter().filter(move |member| {
            let holds = member.ingress.metadata.finalizers.iter().flatten().any(|held| *held == finalizer);
            holds && aside(member.key()) && may_have_been_linked(view, member)
        })
    }
}

fn may_have_been_linked(view: &View, member: &ClassifiedMember) -> bool {
    let Some(status) = view.ledger.as_ref().and_then(|ledger| ledger.status.as_ref()) else { return true };
    let key = member.key();
    let named = |namespace: &str, name: &str| namespace == key.namespace && name == key.name;
    status.last_good.iter().any(|one| named(&one.namespace, &one.name))
        || status.members.iter().any(|one| named(&one.namespace, &one.name) && one.state == KEPT)
}
