//! What linking reads.

use jiff::Timestamp;

use super::Existing;
use crate::facts::{self, Facts};
use crate::finding::{Code, Finding};
use crate::settings::Settings;
use crate::world::View;

/// What linking looks at besides the compiled members.
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

impl Input<'_> {
    /// Whether the load balancer exists and has no ledger: then it is unknown which members are in AWS.
    pub(super) fn is_taken_over(&self) -> bool {
        self.existing.is_some() && self.view.ledger.is_none()
    }

    /// A finding of a member with the age of the fact that it rests on: members are compiled without a clock.
    pub(super) fn aged(&self, finding: Finding) -> Finding {
        let facts = self.facts;
        let read_at = match finding.code {
            Code::CertificateNotFound => facts.certificates.as_ref().map(|known| known.read_at),
            Code::WebAclNotFound => facts.web_acls.as_ref().map(|known| known.read_at),
            Code::TrustStoreNotFound => facts.trust_stores.as_ref().map(|known| known.read_at),
            Code::TargetGroupNotFound => facts.target_group_names.as_ref().map(|known| known.read_at),
            Code::ShieldNotSubscribed => facts.shield_subscribed.as_ref().map(|known| known.read_at),
            _ => None,
        };
        match read_at {
            Some(read_at) => finding.age(facts::age(read_at, self.now)),
            None => finding,
        }
    }
}
