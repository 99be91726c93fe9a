//! The outcome of linking a group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compile::{Fragment, Origin};
use crate::finding::Finding;
use crate::kinds::Key;
use crate::stack::Desired;

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
