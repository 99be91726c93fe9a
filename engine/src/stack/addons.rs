//! What is attached to a load balancer and lives beside it: web ACLs, Shield Advanced, reserved capacity.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names of Shield protections that are ours to delete: the predecessor's, and its own predecessor's.
const OUR_PROTECTIONS: [&str; 2] = [SHIELD_PROTECTION, "managed by aws-alb-ingress-controller"];

/// Name under which a Shield protection is made.
pub const SHIELD_PROTECTION: &str = "managed by aws-load-balancer-controller";

/// What should be attached; `None`: nobody says anything, and what is there stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addons {
    /// Regional web ACL of `WAFv2`, by ARN: <https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html>.
    pub wafv2: Option<WebAcl>,
    /// Web ACL of WAF Classic Regional, by id:
    /// <https://docs.aws.amazon.com/waf/latest/APIReference/API_wafRegional_AssociateWebACL.html>.
    pub waf_classic: Option<WebAcl>,
    /// Whether Shield Advanced protects it:
    /// <https://docs.aws.amazon.com/waf/latest/DDOSAPIReference/API_CreateProtection.html>.
    pub shield: Option<bool>,
    /// Load balancer capacity units that AWS keeps ready, 0 for none:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyCapacityReservation.html>.
    pub capacity_units: Option<i32>,
}

impl Addons {
    /// Whether nobody says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The web ACL of a load balancer, which has at most one of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebAcl {
    /// This one, by ARN (`WAFv2`) or id (WAF Classic).
    Associated(String),
    /// None.
    Nothing,
}

impl WebAcl {
    /// From what an annotation says: `none` and an empty value take an association away.
    #[must_use]
    pub fn asked(text: &str) -> Self {
        if matches!(text, "" | "none") { Self::Nothing } else { Self::Associated(text.to_owned()) }
    }
}

impl fmt::Display for WebAcl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Associated(acl) => f.write_str(acl),
            Self::Nothing => f.write_str("none"),
        }
    }
}

/// What is attached; `None`: not read, because nobody says anything of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ObservedAddons {
    /// Web ACL of `WAFv2`.
    pub wafv2: Option<WebAcl>,
    /// Web ACL of WAF Classic Regional.
    pub waf_classic: Option<WebAcl>,
    /// Protection by Shield Advanced.
    pub shield: Option<Shield>,
    /// Capacity units that are reserved, 0 for none.
    pub capacity_units: Option<i32>,
}

/// Whether Shield Advanced protects a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Shield {
    /// It does not.
    Unprotected,
    /// It does.
    Protected {
        /// Id of the protection.
        id: String,
        /// Its name, which says whose it is.
        name: String,
    },
}

impl Shield {
    /// The id of a protection that may be deleted: one that somebody made by hand stays.
    #[must_use]
    pub fn ours(&self) -> Option<&str> {
        match self {
            Self::Protected { id, name } if OUR_PROTECTIONS.contains(&name.as_str()) => Some(id),
            _ => None,
        }
    }
}
