//! What is known of a setting: one row a key.

use std::cmp::Ordering;

use super::arn::Kind as ArnKind;
use super::attributes::Owner;
use super::read::Shape;
use super::value::Value;
use crate::finding::{Code, FieldPath};
use crate::kinds::IngressClassParamsSpec;
use crate::settings::Settings;
use crate::stack::Protocol;

/// One annotation key. Rows are the same if their keys are.
#[derive(Clone, Copy, Debug)]
pub struct SettingRow {
    /// What stands before the key: [`PREFIX`], but for the few of other domains.
    pub prefix: &'static str,
    /// What follows the prefix; a family's ends with a dot and the user's part comes after it.
    pub key: &'static str,
    /// Whether the key is only the beginning of keys.
    pub family: bool,
    /// What stands for the user's part of a family's key: `<service>`.
    pub placeholder: &'static str,
    /// The user's part in the example.
    pub example_name: &'static str,
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
    NetworkLoadBalancer,
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
    Json(&'static Shape),
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

impl Merge {
    /// Whether a value of one member can be in conflict with those of the other members of its group. In a shared group, a member without the
    /// setting accepts any value, so admission writes no default there.
    #[must_use]
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::Own | Self::JoinPerPort)
    }
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

    /// The whole key, without its prefix, of the member of a family that is for one listener.
    #[must_use]
    pub fn key_on(&self, protocol: Protocol, port: u16) -> String {
        format!("{}{protocol}-{port}", self.key)
    }

    /// The value in the parameters of a class; `suffix` is the whole key, without its prefix.
    #[must_use]
    pub fn of_class(&self, spec: &IngressClassParamsSpec, suffix: &str) -> Option<Value> {
        let parameter = self.parameter.as_ref()?;
        (parameter.get)(spec, suffix.strip_prefix(self.key).unwrap_or_default())
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

/// A field of `IngressClassParams` that sets the same as an annotation.
#[derive(Clone, Copy, Debug)]
pub struct ClassParameter {
    /// The field below `spec`.
    pub field: &'static str,
    /// Its value; of a family, for what follows the family's dot.
    pub get: fn(&IngressClassParamsSpec, &str) -> Option<Value>,
    /// What it wins over.
    pub wins: Wins,
}

/// What a class parameter wins over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wins {
    /// The annotation of every Ingress of the class.
    OverEach,
    /// The annotations of all members, where the class is that of the group's first member. Other classes' parameters are not read.
    AsFirst,
    /// The same keys of every Ingress of the class.
    ByKey,
    /// The same keys of all members, where the class is that of the first member (on the port). Other classes' parameters are not read.
    ByKeyAsFirst,
}

impl Wins {
    /// Whether it wins over single keys.
    #[must_use]
    pub const fn by_key(self) -> bool {
        matches!(self, Self::ByKey | Self::ByKeyAsFirst)
    }
}

/// What the annotation of a Service does to that of the Ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnService {
    /// Nothing: no Service has it.
    Unread,
    /// It takes its place.
    Replaces,
    /// It is added, and wins by key.
    AddsByKey,
    /// True on either is true.
    Either,
}

impl OnService {
    /// Whether a Service may have the annotation.
    #[must_use]
    pub fn is_read(self) -> bool {
        self != Self::Unread
    }
}

/// When a setting has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In every Ingress.
    Always,
    /// It is read before an Ingress is compiled, and checked there.
    Elsewhere,
    /// The Ingress has an HTTPS listener.
    Https,
    /// The Ingress has an HTTPS listener on the port that it names. It is read all the same, as in LBC.
    HttpsPorts,
    /// No member names security groups.
    ManagedSecurityGroup,
    /// A member names security groups.
    OwnSecurityGroups,
    /// The other setting, which wins over it, is given neither by the Ingress nor by its class. The text says so in a sentence.
    Without(&'static SettingRow, &'static str),
    /// A member asks for an NLB in front.
    NetworkLoadBalancer,
    /// A rule has the backend that the key names.
    Backend,
    /// A backend has the name in the key and asks for the annotation by its port.
    BackendAsks,
}

impl When {
    /// The setting that takes the effect from this one.
    #[must_use]
    pub fn winner(self) -> Option<&'static SettingRow> {
        if let Self::Without(other, _) = self { Some(other) } else { None }
    }
}

/// A flag of the controller that sets what absence amounts to.
pub type Flag = fn(&Settings) -> Value;
