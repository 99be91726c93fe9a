//! What linking reports, by member: each phase adds to it, and none reads it.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::kinds::Key;

/// The findings of one attempt to link a group.
#[derive(Debug, Default)]
pub(super) struct Findings {
    by_member: BTreeMap<Key, Vec<Finding>>,
    /// What was reported: nothing is said twice.
    reported: BTreeSet<Finding>,
}

impl Findings {
    /// Adds a finding of a member, unless it was reported already.
    pub(super) fn report(&mut self, member: &Key, finding: Finding) {
        if self.reported.insert(finding.clone()) {
            self.by_member.entry(member.clone()).or_default().push(finding);
        }
    }

    /// Puts the findings of a member's own compilation before those that were reported of it. They may repeat what is reported later.
    pub(super) fn put_first(&mut self, member: &Key, own: impl IntoIterator<Item = Finding>) {
        self.by_member.entry(member.clone()).or_default().splice(..0, own);
    }

    /// Takes out the findings of a member.
    pub(super) fn take(&mut self, member: &Key) -> Vec<Finding> {
        self.by_member.remove(member).unwrap_or_default()
    }
}
