//! What is attached to a load balancer and lives beside it: web ACLs, Shield Advanced, reserved capacity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names of Shield protections that are ours to delete: the predecessor's, and its own predecessor's.
const OUR_PROTECTIONS: [&str; 2] = [SHIELD_PROTECTION, "managed by aws-alb-ingress-controller"];

/// Name under which a Shield protection is made.
pub const SHIELD_PROTECTION: &str = "managed by aws-load-balancer-controller";

/// An add-on of a load balancer. Which calls of AWS attach and detach it is its row in `plan/operation/addons.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Addon {
    /// A regional web ACL, by ARN: <https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html>.
    WebAcl,
    /// A web ACL of WAF Classic Regional, by id:
    /// <https://docs.aws.amazon.com/waf/latest/APIReference/API_wafRegional_AssociateWebACL.html>.
    ClassicWebAcl,
    /// A protection by Shield Advanced, desired by name and observed by id:
    /// <https://docs.aws.amazon.com/waf/latest/DDOSAPIReference/API_CreateProtection.html>.
    Shield,
    /// A number of load balancer capacity units that AWS keeps ready:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyCapacityReservation.html>.
    Capacity,
}

impl Addon {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WebAcl, Self::ClassicWebAcl, Self::Shield, Self::Capacity];

    /// Whether what is attached is what is asked for. Any protection by Shield will do.
    #[must_use]
    pub fn is_met(self, asked: &Attachment, there: &Attachment) -> bool {
        let protected = self == Self::Shield && matches!((asked, there), (Attachment::To(_), Attachment::To(_)));
        asked == there || protected || *there == Attachment::Foreign
    }
}

/// The attachments of a load balancer. Desired: an add-on for which no setting is given is absent, and stays as it is. Observed: one that
/// was not read is absent.
pub type Addons = BTreeMap<Addon, Attachment>;

/// What is attached of one add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attachment {
    /// Nothing.
    Nothing,
    /// This one.
    To(String),
    /// One that somebody attached by hand: it stays.
    Foreign,
}

impl Attachment {
    /// From what an annotation says: `none` and an empty value take an association away.
    #[must_use]
    pub fn asked(text: &str) -> Self {
        if matches!(text, "" | "none") { Self::Nothing } else { Self::To(text.to_owned()) }
    }

    /// Whether Shield is to protect it.
    #[must_use]
    pub fn protection(on: bool) -> Self {
        if on { Self::To(SHIELD_PROTECTION.to_owned()) } else { Self::Nothing }
    }

    /// A protection that exists; its name says whose it is.
    #[must_use]
    pub fn of_protection(id: String, name: &str) -> Self {
        if OUR_PROTECTIONS.contains(&name) { Self::To(id) } else { Self::Foreign }
    }

    /// Capacity units; 0 are none.
    #[must_use]
    pub fn units(units: i32) -> Self {
        if units == 0 { Self::Nothing } else { Self::To(units.to_string()) }
    }
}
