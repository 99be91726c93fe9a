//! One Ingress, its class, parameters, Services and facts → a fragment and findings. What crosses members is `link`'s.

mod actions;
mod addons;
mod authentication;
mod bounds;
mod cache;
mod client_certificates;
mod doubles;
mod forbidden;
mod keys;
mod listeners;
mod load_balancer;
mod member_settings;
mod reader;
mod requested_certificates;
mod resolve;
mod rules;
mod service_type;
mod target_groups;
mod target_settings;
mod unused;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::IngressSpec;

use crate::annotation::{SettingRow, Value, Values};
use crate::facts::Facts;
use crate::finding::{Effect, Finding};
use crate::kinds::{IngressClassParams, Key};
use crate::settings::Settings;
use crate::stack::{
    Action, Attributes, Condition, GroupId, NetworkingPort, Protocol, RESOURCE_TAG, ResourceId, Rule, RuleTags,
    ServicePort, Tags, TargetGroup, Transform, tracking_group,
};
use crate::world::{ClassifiedMember, View};

pub(crate) use addons::web_acl_named;
pub use bounds::PATHS;
pub use cache::Cache;
pub use member_settings::{MemberSetting, SettingKey};
pub use reader::Reader;
pub use target_settings::target_settings;

/// What one member asks of its group.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// The Ingress.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its place in the group.
    pub order: i32,
    /// Parameters of its class, some of which count only for the group's first member.
    pub params: Option<Arc<IngressClassParams>>,
    /// What it says of the load balancer, its listeners and the NLB in front.
    pub values: Values,
    /// Its listeners, by port.
    pub listeners: BTreeMap<u16, ListenerSpec>,
    /// Certificates of its HTTPS listeners.
    pub certificates: CertificatesSpec,
    /// Its rules, in the order in which they are tried.
    pub rules: Vec<RuleSpec>,
    /// It has paths or a default backend, whatever could be made of them.
    pub routes_something: bool,
    /// What answers what no rule matches.
    pub default_backend: Option<RuleSpec>,
    /// Its target groups.
    pub target_groups: BTreeMap<ResourceId, TargetGroupSpec>,
    /// Its own tags and those of its class's parameters.
    pub tags: Tags,
    /// Tags of its rules: these and the tracking ones, without the one that says which rule it is.
    pub rule_tags: Arc<Tags>,
    /// All of this that has to fit the other members, piece by piece.
    pub settings: Vec<MemberSetting>,
}

impl Fragment {
    /// The value of a setting in the parameters of its class; `suffix` is the whole key, without its prefix.
    #[must_use]
    pub fn of_class(&self, row: &SettingRow, suffix: &str) -> Option<Value> {
        row.of_class(&self.params.as_ref()?.spec, suffix)
    }

    /// Who stands first in the group: by order, then by `namespace/name` as one text.
    #[must_use]
    pub fn in_group_order(&self, other: &Self) -> Ordering {
        let text = |key: &'_ Key| key.namespace.bytes().chain([b'/']).chain(key.name.bytes()).collect::<Vec<u8>>();
        let same = self.key.namespace == other.key.namespace;
        self.order.cmp(&other.order).then_with(|| match same {
            true => self.key.name.cmp(&other.key.name),
            false => text(&self.key).cmp(&text(&other.key)),
        })
    }

    /// The value of a setting that has to fit the other members.
    #[must_use]
    pub fn setting(&self, key: &SettingKey) -> Option<&MemberSetting> {
        self.settings.iter().find(|one| one.key == *key)
    }

    /// Whether its rules are built; `redirected`: HTTP listeners redirect everything to HTTPS.
    #[must_use]
    pub fn routes(&self, redirected: bool) -> bool {
        self.listeners.values().any(|spec| !redirected || spec.protocol == Protocol::Https)
    }
}

/// A listener of a member.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerSpec {
    /// Protocol.
    pub protocol: Protocol,
    /// Attributes.
    pub attributes: Attributes,
}

/// How a member chooses certificates.
#[derive(Debug, Clone, PartialEq)]
pub enum CertificatesSpec {
    /// These.
    Explicit(Vec<String>),
    /// All issued ones that cover these hosts.
    Discover(Vec<String>),
}

/// The path of an Ingress that a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The Ingress.
    pub key: Key,
    /// `spec.rules[0].http.paths[0]`.
    pub path: String,
}

/// A rule of one path, the same on every listener but for authentication, which needs HTTPS.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// Where it comes from.
    pub origin: Arc<Origin>,
    /// Conditions.
    pub conditions: Arc<[Condition]>,
    /// What is done on HTTP listeners.
    pub actions: Arc<[Action]>,
    /// What is done on HTTPS listeners: authentication comes before it.
    pub secure_actions: Arc<[Action]>,
    /// Rewrites.
    pub transforms: Arc<[Transform]>,
}

impl RuleSpec {
    /// The rule on a listener.
    #[must_use]
    pub fn rule(&self, protocol: Protocol, priority: u32, tags: RuleTags) -> Rule {
        let (conditions, transforms) = (self.conditions.clone(), self.transforms.clone());
        Rule { priority, conditions, actions: self.actions_on(protocol).clone(), transforms, tags }
    }

    /// What is done on a listener.
    #[must_use]
    pub fn actions_on(&self, protocol: Protocol) -> &Arc<[Action]> {
        match protocol {
            Protocol::Https => &self.secure_actions,
            Protocol::Http => &self.actions,
        }
    }
}

/// A target group and what its binding needs beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetGroupSpec {
    /// The target group, tracking tags included.
    pub target_group: Arc<TargetGroup>,
    /// Service.
    pub service: String,
    /// Its port as the Ingress refers to it.
    pub service_port: ServicePort,
    /// Ports of targets that the load balancer has to reach.
    pub networking_ports: Vec<NetworkingPort>,
    /// Labels that nodes must carry.
    pub node_labels: BTreeMap<String, String>,
    /// Several clusters register targets.
    pub multi_cluster: bool,
}

/// A member that was compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// The Ingress.
    pub key: Key,
    /// What it asks, as far as that could be understood.
    pub asked: Arc<Fragment>,
    /// No finding keeps it from being linked.
    pub linkable: bool,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Those of [`Compiled::findings`] that are about its rules and their backends.
    pub of_rules: Range<usize>,
}

impl Compiled {
    /// What is linked of it: all that it asks, or nothing.
    #[must_use]
    pub fn fragment(&self) -> Option<&Arc<Fragment>> {
        Some(&self.asked).filter(|_| self.linkable)
    }

    /// Whether only its rules keep it from being linked: where no rule of it is built, nothing does.
    #[must_use]
    pub fn fails_in_rules_alone(&self) -> bool {
        let mut faults = self.findings.iter().enumerate().filter(|(_, finding)| is_fault(finding)).peekable();
        faults.peek().is_some() && faults.all(|(place, _)| self.of_rules.contains(&place))
    }

    /// What is wrong with it where no rule of it is built.
    pub fn findings_without_rules(&self) -> impl Iterator<Item = &Finding> {
        let counts = |(place, finding): &(usize, &Finding)| !(self.of_rules.contains(place) && is_fault(finding));
        self.findings.iter().enumerate().filter(counts).map(|(_, finding)| finding)
    }
}

/// What a compilation may look at besides the member.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// The group and what its members refer to.
    pub view: &'a View,
    /// The account.
    pub facts: &'a Facts,
}

/// Compiles one member.
#[must_use]
pub fn compile(member: &ClassifiedMember, context: Context<'_>) -> Compiled {
    if let Some(finding) = bounds::check(&member.ingress) {
        return oversized(member, context, finding);
    }
    let mut compiler = Compiler::new(member, context);
    compiler.check_keys();
    compiler.check_control_characters();
    compiler.check_forbidden();
    compiler.check_requested_certificates();
    let fragment = compiler.fragment();
    compiler.check_values(&fragment.values);
    compiler.check_params();
    compiler.check_effects(&fragment.values);
    let of_rules = compiler.of_rules;
    let findings = compiler.reader.finish();
    let linkable = !findings.iter().any(is_fault);
    Compiled { key: member.key(), asked: Arc::new(fragment), linkable, findings, of_rules }
}

/// Whether it keeps a member from being linked.
fn is_fault(finding: &Finding) -> bool {
    finding.effect == Effect::MemberQuarantined
}

/// What is made of an Ingress that is too large to be compiled: nothing is asked, as if its spec and annotations were empty.
fn oversized(member: &ClassifiedMember, context: Context<'_>, finding: Finding) -> Compiled {
    let empty = ClassifiedMember { ingress: Arc::new(bounds::emptied(&member.ingress)), class: member.class.clone() };
    let asked = Arc::new(Compiler::new(&empty, context).fragment());
    Compiled { key: member.key(), asked, linkable: false, findings: vec![finding], of_rules: 0..0 }
}

/// The state of one compilation.
struct Compiler<'a> {
    context: Context<'a>,
    key: Key,
    uid: String,
    created: Option<Timestamp>,
    spec: IngressSpec,
    params: Option<Arc<IngressClassParams>>,
    reader: Reader<'a>,
    /// One of its listeners has TLS.
    tls: bool,
    /// The findings on its rules, by their places.
    of_rules: Range<usize>,
    target_groups: BTreeMap<ResourceId, TargetGroupSpec>,
}

impl<'a> Compiler<'a> {
    fn new(member: &'a ClassifiedMember, context: Context<'a>) -> Self {
        let meta = &member.ingress.metadata;
        let key = member.key();
        let subject = key.ingress();
        Self {
            context,
            uid: meta.uid.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            spec: member.ingress.spec.clone().unwrap_or_default(),
            params: member.class.params.clone(),
            reader: Reader::new(
                subject,
                meta.annotations.as_ref(),
                context.view.group.is_explicit(),
                &context.settings.extra_attributes,
            ),
            key,
            tls: false,
            of_rules: 0..0,
            target_groups: BTreeMap::new(),
        }
    }

    fn fragment(&mut self) -> Fragment {
        let order = self.order();
        let tags = self.tags_of(None);
        let mut rule_tags = self.settings().with_default_tags(tags.clone());
        rule_tags.remove(RESOURCE_TAG);
        rule_tags.extend(tracking_group(&self.settings().cluster_name, self.group()));
        let mut values = self.values();
        self.check_addons(&mut values);
        let certificates = self.certificates(&values);
        let listeners = self.listeners(&mut values);
        let before = self.reader.findings.len();
        let (rules, default_backend) = self.rules();
        self.of_rules = before..self.reader.findings.len();
        let mut fragment = Fragment {
            key: self.key.clone(),
            uid: self.uid.clone(),
            created: self.created,
            order,
            params: self.params.clone(),
            values,
            listeners,
            certificates,
            rules,
            routes_something: self.spec.default_backend.is_some()
                || self.spec.rules.iter().flatten().any(|rule| rule.http.is_some()),
            default_backend,
            target_groups: std::mem::take(&mut self.target_groups),
            rule_tags: Arc::new(rule_tags),
            tags,
            settings: Vec::new(),
        };
        fragment.settings = member_settings::of(&fragment);
        fragment
    }

    fn group(&self) -> &'a GroupId {
        &self.context.view.group
    }

    fn settings(&self) -> &'a Settings {
        self.context.settings
    }

    fn service(&self, name: &str) -> Option<Arc<Service>> {
        self.context.view.services.get(&Key::new(&self.key.namespace, name)).cloned()
    }
}
