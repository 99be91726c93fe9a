//! The catalogue: one row for every annotation key, from which parsing, merging, docs and suggestions are derived.

/// A table of settings, and the list of their rows: `NAME: type of the value = Setting::new(key, scope, grammar, merge rule, example, doc)…;`.
macro_rules! settings {
    ($rows:ident: $($name:ident: $value:ty = $setting:expr;)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: see its row.")]
            pub static $name: Setting<$value> = $setting;
        )+

        pub(super) const $rows: &[&SettingRow] = &[$(&$name.row),+];
    };
}

mod frontend_nlb;
mod group;
mod listener;
mod other;
mod rule;
mod target_group;

use std::cmp::Ordering;

use super::arn::Kind as ArnKind;
use super::attributes::Owner;
use super::setting::{ClassParameter, Flag, OnService, Setting, When, Wins};
use super::value::Value;
use crate::finding::{Code, FieldPath};

pub use frontend_nlb::*;
pub use group::*;
pub use listener::*;
pub use rule::*;
pub use target_group::*;

/// One annotation key. Rows are the same if their keys are.
#[derive(Clone, Copy, Debug)]
pub struct SettingRow {
    /// What stands before the key: [`PREFIX`], but for the few of other domains.
    pub prefix: &'static str,
    /// What follows the prefix; a family's ends with a dot and the user's part comes after it.
    pub key: &'static str,
    /// Whether the key is only the beginning of keys.
    pub family: bool,
    /// What the value belongs to.
    pub scope: Scope,
    /// What it does on a Service.
    pub on_service: OnService,
    /// How the value is read.
    pub grammar: Grammar,
    /// The value that absence amounts to, as one would write it, or empty.
    pub default: &'static str,
    /// The flag that sets it instead.
    pub flag: Option<Flag>,
    /// What happens when several members of a group have it.
    pub merge: Merge,
    /// The parameter of the class that overrides it.
    pub parameter: Option<ClassParameter>,
    /// When it has an effect.
    pub when: When,
    /// Whatever is wrong with the value keeps the Ingress out, also what only AWS would refuse.
    pub strict: bool,
    /// A word that is not on the list is passed on as it is, as in LBC.
    pub passed_on: bool,
    /// The code of a fault in the value itself.
    pub code: Code,
    /// What the code advises fits a value that is no number or no word of the list, and says more than the list.
    pub code_has_fix: bool,
    /// The code of a value that is no number or no word where one belongs.
    pub unreadable: Code,
    /// Codes of other findings about it: a conflict with other objects or with AWS.
    pub other_codes: &'static [Code],
    /// The value may hold what is nobody's business: it is never shown.
    pub confidential: bool,
    /// What it is for, with units.
    pub doc: &'static str,
    /// A value that can be copied.
    pub example: &'static str,
}

/// What an annotation's value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The load balancer, one value for the whole group
    GroupExclusive,
    /// The load balancer, the members' values are united
    GroupMergeable,
    /// Listeners, by port
    Listener,
    /// This Ingress alone
    Ingress,
    /// The rules of this Ingress
    Rule,
    /// The target groups of this Ingress' backends
    TargetGroup,
    /// The network load balancer in front of the group's
    FrontendNlb,
    /// Written by the controller
    Output,
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// Any text, taken as it is, spaces included
    Text,
    /// A web ACL's name
    WebAclName,
    /// A cookie's name
    CookieName,
    /// Go's booleans: `true`, `1`, `t`, …
    Bool,
    /// A whole number within bounds, both inclusive
    Int32 {
        /// Smallest
        min: i32,
        /// Largest
        max: i32,
    },
    /// A whole number within bounds, both inclusive
    Int64 {
        /// Smallest
        min: i64,
        /// Largest
        max: i64,
    },
    /// Ids that begin so, or values of the tag Name, separated by commas
    IdsOrNames(&'static str),
    /// Ids that begin so, separated by commas
    Ids(&'static str),
    /// One id that begins so
    Id(&'static str),
    /// Labels of nodes, `key=value` pairs separated by commas
    Labels,
    /// Attributes of a resource, `key=value` pairs separated by commas
    Attributes(Owner),
    /// AWS tags, `key=value` pairs separated by commas
    Tags,
    /// `CapacityUnits=number`
    Capacity,
    /// One of these, spelt exactly so
    OneOf(&'static [&'static str]),
    /// JSON
    Json(Shape),
    /// One ARN of a kind
    Arn(ArnKind),
    /// ARNs of certificates in ACM or IAM, separated by commas
    Certificates,
    /// One ARN of a regional web ACL, or `none`, which takes away what is associated
    WebAcl,
    /// A load balancer's name
    LoadBalancerName,
    /// The name of a TLS policy
    SslPolicy,
    /// A path that begins with a slash
    Path,
    /// CIDRs separated by commas
    Cidrs,
    /// An `IngressGroup`'s name
    GroupName,
    /// A port number, `traffic-port`, or the name of a Service's port
    HealthCheckPort,
    /// A port number, or `traffic-port`
    TrafficPort,
    /// Status codes and ranges up to the given end, separated by commas: `200,301-302`
    StatusCodes(u16),
    /// `port=port` pairs separated by commas
    PortMap,
}

/// What JSON holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A list of objects {protocol: port}
    ListenPorts,
    /// One object: what is done with a request
    Action,
    /// A list of objects: what a request must be like
    Conditions,
    /// A list of objects: how a request is rewritten
    Transforms,
    /// A list of objects, one a port: client certificates
    MutualAuthentication,
    /// One object: a Cognito user pool
    Cognito,
    /// One object: an identity provider of `OpenID` Connect
    Oidc,
    /// One object: which JSON web tokens are valid
    Jwt,
}

/// What happens when several members of a group have an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Merge {
    /// Nothing: it concerns its own Ingress or Service alone
    Own,
    /// All who say something must say the same
    Same,
    /// The same items, in any order
    SameSet,
    /// The same items in the same order
    SameList,
    /// The same among those who say something that isn't empty
    SameNonEmpty,
    /// From the first member on that has it, the same in every one; absence isn't the same
    Identical,
    /// United by key; one key with two values is a conflict
    KeyUnion,
    /// United by port
    PortUnion,
    /// Those who listen on a port and say something must say the same for it
    SamePerPort,
    /// Those who listen on a port and say something must name the same items for it, in any order
    SameSetPerPort,
    /// United by key for each port
    KeyUnionPerPort,
    /// Joined in the group's order for each port, duplicates removed
    JoinPerPort,
}

impl SettingRow {
    /// The whole key, or the beginning of a family's keys.
    #[must_use]
    pub fn full_key(&self) -> String {
        format!("{}{}", self.prefix, self.key)
    }

    /// The place of the annotation, as findings name it.
    #[must_use]
    pub fn path(&self) -> FieldPath {
        FieldPath::annotation(&self.full_key())
    }

    /// A value as one writes it.
    #[must_use]
    pub fn shown(&self, value: &Value) -> String {
        match self.grammar {
            Grammar::Capacity => format!("CapacityUnits={value}"),
            _ => value.to_string(),
        }
    }

    /// Every code that a finding about it can have.
    pub fn codes(&self) -> impl Iterator<Item = Code> + use<> {
        [self.code].into_iter().chain(self.other_codes.iter().copied())
    }
}

impl PartialEq for SettingRow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SettingRow {}

impl PartialOrd for SettingRow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SettingRow {
    fn cmp(&self, other: &Self) -> Ordering {
        if std::ptr::eq(self, other) {
            return Ordering::Equal;
        }
        (self.key, self.prefix).cmp(&(other.key, other.prefix))
    }
}

/// Every annotation that means something, those of other domains last.
pub fn every_row() -> impl Iterator<Item = &'static SettingRow> {
    rows().chain(other::OTHER_ROWS.iter().copied())
}

/// Every row under our prefix, the scopes together.
pub fn rows() -> impl Iterator<Item = &'static SettingRow> {
    [GROUP_ROWS, LISTENER_ROWS, RULE_ROWS, TARGET_GROUP_ROWS, FRONTEND_NLB_ROWS].into_iter().flatten().copied()
}

/// The row of a key given without its prefix. A family matches when something follows its dot.
#[must_use]
pub fn row(suffix: &str) -> Option<&'static SettingRow> {
    rows().find(|row| match suffix.strip_prefix(row.key) {
        Some(rest) => rest.is_empty() != row.family,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_found_by_key() {
        assert_eq!(row("scheme").map(|row| row.scope), Some(Scope::GroupExclusive));
        assert_eq!(row("actions.ssl-redirect").map(|row| row.key), Some("actions."));
        assert_eq!(row("ssl-redirect").map(|row| row.scope), Some(Scope::Listener));
        assert_eq!(row("listener-attributes.HTTPS-443").map(|row| row.key), Some("listener-attributes."));
        assert_eq!(row("target-control-port.svc.http").map(|row| row.key), Some("target-control-port."));
        for unknown in ["", "actions", "actions.", "schemes", "Scheme", "scheme.x", "group", "group."] {
            assert_eq!(row(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn keys_are_unique_and_rows_are_complete() {
        let mut keys = HashSet::new();
        for row in every_row() {
            assert!(keys.insert(row.full_key()), "{} twice", row.key);
            assert!(!row.doc.is_empty() && row.doc.ends_with('.'), "{}: doc", row.key);
            assert_eq!(row.family, row.key.ends_with('.'), "{}", row.key);
            assert!(row.scope == Scope::Output || !row.example.is_empty(), "{}: example", row.key);
        }
        assert_eq!(keys.len(), 76);
    }

    #[test]
    fn no_row_hides_another() {
        for one in rows() {
            assert_eq!(row(one.key).is_some(), !one.family, "{}", one.key);
            let suffix = if one.family { format!("{}name", one.key) } else { one.key.to_owned() };
            assert_eq!(row(&suffix), Some(one));
        }
    }

    #[test]
    fn a_scope_fits_its_merge_rule() {
        for row in rows() {
            let alone = matches!(row.scope, Scope::Ingress | Scope::Rule | Scope::TargetGroup | Scope::Output);
            assert_eq!(row.merge == Merge::Own, alone, "{}", row.key);
            let service = matches!(row.scope, Scope::TargetGroup | Scope::Rule) || row.key == "tags";
            assert!(row.on_service == OnService::Unread || service, "{}", row.key);
        }
    }
}
