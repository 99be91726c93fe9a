//! The fragments of a group → what should exist in AWS, and findings on what crosses members.

mod addons;
mod certificates;
mod contradiction;
mod frontend_nlb;
mod kept;
mod listeners;
mod misfits;
mod named;
mod optimiser;
mod protection;
mod security_groups;
mod subnets;
mod target_groups;
mod totals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::compile::{Cache, Compiled, Context, Fragment};
use crate::facts::Facts;
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::ledger::{self, Standing};
use crate::settings::{Gate, Settings};
use crate::stack::{
    Desired, GroupId, IpAddressType, LoadBalancer, Ref, ResourceId, Scheme, Tags, load_balancer_name, tracking,
};
use crate::world::{ClassifiedMember, View};

pub use crate::compile::Origin;
use contradiction::Agreement;
pub use kept::KEPT;
pub use totals::{grows_not, is_total};

/// How a member takes part in what is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// From its present input.
    Linked,
    /// From its last good input, because the present one cannot be used.
    LastGood,
    /// Not at all.
    SetAside,
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
}

impl Linked {
    /// All findings of all members.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.members.iter().flat_map(|member| &member.findings)
    }
}

/// A load balancer that exists, as far as it decides what should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its scheme.
    pub scheme: Scheme,
    /// Its subnets, kept unless others are asked for.
    pub subnets: Vec<String>,
    /// The NLB in front of it.
    pub frontend_nlb: Option<ExistingFrontendNlb>,
}

/// A frontend NLB that exists, as far as it decides what should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingFrontendNlb {
    /// Its scheme.
    pub scheme: Scheme,
    /// Its subnets, kept unless others are asked for.
    pub subnets: Vec<String>,
}

/// What linking looks at besides the view.
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

/// Compiles and links a group, from nothing.
#[must_use]
pub fn link(input: Input<'_>) -> Linked {
    relink(input, &mut Cache::default())
}

/// Links a group; what was compiled before from the same inputs is taken from the cache. The result is the same.
#[must_use]
pub fn relink(input: Input<'_>, cache: &mut Cache) -> Linked {
    let candidates = candidates(input, cache);
    link_compiled(input, candidates)
}

/// A member, compiled from its present input and, where that is another, from its last good one.
#[derive(Debug, Clone)]
pub struct Candidate {
    present: Arc<Compiled>,
    last_good: Option<Arc<Compiled>>,
    /// It is as it was when it was last linked.
    unchanged: bool,
    created: Option<Timestamp>,
}

/// The members of a group, compiled: all that linking needs the cache for.
#[must_use]
pub fn candidates(input: Input<'_>, cache: &mut Cache) -> Vec<Candidate> {
    let context = Context { settings: input.settings, view: input.view, facts: input.facts };
    let members = &input.view.members;
    let standing = |member: &ClassifiedMember| ledger::standing(input.view.ledger.as_deref(), member);
    let standings: Vec<Standing> = members.iter().map(standing).collect();
    let changed = standings.iter().filter_map(|standing| match standing {
        Standing::Changed(before) => Some(&**before),
        Standing::New | Standing::Unchanged => None,
    });
    let mut before = cache.compile(changed, context).into_iter();
    let present = cache.compile(members, context);
    let all = members.iter().zip(present).zip(&standings).map(|((member, present), standing)| Candidate {
        present,
        last_good: matches!(standing, Standing::Changed(_)).then(|| before.next()).flatten(),
        unchanged: matches!(standing, Standing::Unchanged),
        created: member.ingress.metadata.creation_timestamp.as_ref().map(|time| time.0),
    });
    all.collect()
}

/// Links what was compiled.
#[must_use]
pub fn link_compiled(input: Input<'_>, candidates: Vec<Candidate>) -> Linked {
    let mut linker = Linker::new(input);
    linker.take(candidates);
    let desired = linker.fitting();
    linker.finish(desired)
}

/// The state of linking one group.
struct Linker<'a> {
    input: Input<'a>,
    /// What is linked, in group order.
    fragments: Vec<Arc<Fragment>>,
    states: BTreeMap<Key, MemberState>,
    findings: BTreeMap<Key, Vec<Finding>>,
    /// What members asked for when they were last linked, of those that ask for something else now.
    last_good: BTreeMap<Key, Arc<Fragment>>,
    /// What linking found, for nothing is said twice.
    reported: BTreeSet<Finding>,
    /// Who comes before whom, and who is as it was when it was last linked.
    seniority: Vec<(Key, bool)>,
    /// What those taken so far say.
    agreement: Agreement,
    origins: BTreeMap<u16, Vec<Arc<Origin>>>,
    blocked: bool,
}

impl<'a> Linker<'a> {
    fn new(input: Input<'a>) -> Self {
        Self {
            input,
            fragments: Vec::new(),
            states: BTreeMap::new(),
            findings: BTreeMap::new(),
            last_good: BTreeMap::new(),
            reported: BTreeSet::new(),
            seniority: Vec::new(),
            agreement: Agreement::default(),
            origins: BTreeMap::new(),
            blocked: false,
        }
    }

    /// The desired state without those members that do not fit, or that would make it larger than AWS allows.
    fn fitting(&mut self) -> Option<Desired> {
        loop {
            self.place_certificates();
            let misfits = self.misfits();
            if !misfits.is_empty() {
                self.set_aside(misfits);
                continue;
            }
            let known: BTreeMap<Key, usize> =
                self.findings.iter().map(|(key, findings)| (key.clone(), findings.len())).collect();
            let desired = self.desired()?;
            let totals = self.totals(&desired);
            let victims = self.victims(&totals);
            if victims.is_empty() {
                self.warn_of_totals(&totals);
                return Some(desired);
            }
            // What was found of the whole is of a group that will not be.
            for (key, findings) in &mut self.findings {
                findings.truncate(known.get(key).copied().unwrap_or_default());
            }
            self.reported.clear();
            self.set_aside(victims);
        }
    }

    /// Takes in members by seniority, so that of two that contradict each other the younger is set aside.
    fn take(&mut self, mut candidates: Vec<Candidate>) {
        self.agreement = Agreement::new(candidates.iter().filter_map(|one| one.present.fragment()));
        candidates.sort_by(|a, b| {
            // Under review an Ingress may have no time of creation yet: then it is the youngest.
            let rank = |one: &Candidate| (!one.unchanged, one.created.is_none(), one.created);
            rank(a).cmp(&rank(b)).then_with(|| a.present.key.cmp(&b.present.key))
        });
        for Candidate { present, last_good, unchanged, .. } in candidates {
            let key = present.key.clone();
            self.seniority.push((key.clone(), unchanged));
            self.last_good.extend(last_good.and_then(|one| one.fragment().cloned()).map(|good| (key.clone(), good)));
            let findings: Vec<Finding> = present.findings.iter().map(|finding| self.aged(finding.clone())).collect();
            self.findings.entry(key.clone()).or_default().extend(findings);
            // Who is in AWS already, or may be, is not set aside for what is not found: it keeps the group as it is.
            let absent = if unchanged || self.is_taken_over() { Vec::new() } else { self.absent(&present.asked) };
            let found = absent.is_empty();
            for finding in absent {
                self.report(&key, finding);
            }
            if !present.linkable {
                self.report_uncovered(&present.asked);
            }
            let good = present.fragment().cloned().filter(|fragment| self.admit(fragment, true) && found);
            let taken = match good {
                Some(fragment) => Some((MemberState::Linked, fragment)),
                None => self.last_good(&key).map(|fragment| (MemberState::LastGood, fragment)),
            };
            let state = taken.as_ref().map_or(MemberState::SetAside, |(state, _)| *state);
            self.states.insert(key, state);
            self.take_in(taken.map(|(_, fragment)| fragment));
        }
        self.sort();
    }

    /// What a member asked for when it was last linked, if that goes together with those taken so far.
    fn last_good(&mut self, key: &Key) -> Option<Arc<Fragment>> {
        self.last_good.get(key).cloned().filter(|fragment| self.admit(fragment, false))
    }

    fn take_in(&mut self, fragment: Option<Arc<Fragment>>) {
        self.fragments.extend(fragment.inspect(|fragment| self.agreement.take_in(fragment)));
    }

    /// Puts the fragments into the order of the group.
    fn sort(&mut self) {
        self.fragments.sort_by(|one, other| one.in_group_order(other));
    }

    /// Whether a fragment goes together with those taken so far.
    fn admit(&mut self, fragment: &Fragment, report: bool) -> bool {
        let contradictions = self.agreement.contradictions(fragment);
        let agrees = contradictions.is_empty();
        if report {
            for finding in contradictions {
                self.report(&fragment.key.clone(), finding);
            }
        }
        agrees
    }

    /// Keeps a finding of a member, once.
    fn report(&mut self, key: &Key, finding: Finding) {
        if finding.effect == Effect::GroupBlocked {
            self.blocked = true;
        }
        if self.reported.insert(finding.clone()) {
            self.findings.entry(key.clone()).or_default().push(finding);
        }
    }

    /// A finding on an annotation of every member that carries it, or of all members when none does.
    fn report_group(&mut self, suffix: &str, make: impl Fn(Finding) -> Finding, code: Code, message: &str) {
        let key = format!("{}{suffix}", crate::annotation::PREFIX);
        let carriers = self.carriers(suffix);
        let named = if carriers.is_empty() {
            self.fragments.iter().map(|fragment| fragment.key.clone()).collect()
        } else {
            carriers
        };
        for member in named {
            let subject = ObjectRef::ingress(&member.namespace, &member.name);
            let finding = Finding::new(code, subject, FieldPath::annotation(&key), message);
            self.report(&member, make(finding));
        }
    }

    /// The members that carry an annotation.
    fn carriers(&self, suffix: &str) -> BTreeSet<Key> {
        let key = format!("{}{suffix}", crate::annotation::PREFIX);
        let carries = |member: &&ClassifiedMember| {
            member.ingress.metadata.annotations.as_ref().is_some_and(|map| map.contains_key(&key))
        };
        self.input.view.members.iter().filter(carries).map(ClassifiedMember::key).collect()
    }

    /// Whether the load balancer exists and has no ledger: then nobody knows who is in AWS.
    fn is_taken_over(&self) -> bool {
        self.input.existing.is_some() && self.input.view.ledger.is_none()
    }

    fn group(&self) -> &'a GroupId {
        &self.input.view.group
    }

    fn desired(&mut self) -> Option<Desired> {
        if self.input.view.members.is_empty() {
            return Some(Desired {
                lift_deletion_protection: self.leavers_lift("load-balancer-attributes"),
                lift_frontend_deletion_protection: self.leavers_lift("frontend-nlb-attributes"),
                ..Desired::empty(self.group().clone())
            });
        }
        if self.fragments.is_empty() {
            return None;
        }
        let scheme = self.first(|fragment| fragment.load_balancer.scheme).unwrap_or(self.input.settings.default_scheme);
        let ip_address_type = self.ip_address_type();
        let subnets = self.subnets(scheme, ip_address_type);
        let groups = self.security_groups(ip_address_type);
        let listeners = self.listeners();
        let (target_groups, bindings) = self.target_groups(ip_address_type, &groups, &listeners);
        if self.blocked {
            return None;
        }
        let load_balancer = LoadBalancer {
            name: self
                .first(|fragment| fragment.load_balancer.name.clone())
                .unwrap_or_else(|| load_balancer_name(&self.input.settings.cluster_name, self.group(), scheme)),
            scheme,
            ip_address_type,
            subnets: subnets?,
            security_groups: groups.of_load_balancer,
            customer_owned_ipv4_pool: self.first(|fragment| fragment.load_balancer.customer_owned_ipv4_pool.clone()),
            ipv4_ipam_pool_id: self.ipam_pool(),
            attributes: self.attributes(),
            tags: self.tags(&ResourceId::load_balancer(), self.fragments()),
        };
        let frontend_nlb = self.frontend_nlb(&load_balancer);
        let lift_deletion_protection =
            self.members_lift(&[&load_balancer.attributes], |fragment| Some(&fragment.load_balancer.attributes));
        Some(Desired {
            group: self.group().clone(),
            frontend_nlb,
            keep_frontend_nlb: self.keeps_frontend_nlb(),
            lift_frontend_deletion_protection: self.unprotects_frontend_nlb(),
            load_balancer: Some(load_balancer),
            addons: self.addons(),
            security_group: groups.managed,
            listeners,
            target_groups,
            bindings,
            backend_security_group: groups.backend,
            lift_deletion_protection,
        })
    }

    /// What is linked, in group order.
    fn fragments(&self) -> impl Iterator<Item = &Fragment> {
        self.fragments.iter().map(|fragment| &**fragment)
    }

    fn first<T>(&self, get: impl Fn(&Fragment) -> Option<T>) -> Option<T> {
        self.fragments().find_map(get)
    }

    fn ip_address_type(&self) -> IpAddressType {
        self.first(|fragment| fragment.load_balancer.ip_address_type).unwrap_or(IpAddressType::Ipv4)
    }

    /// Attributes of all members; where the parameters of the first member's class set one, they win.
    fn attributes(&self) -> BTreeMap<String, String> {
        let asked = self.fragments.iter().flat_map(|fragment| fragment.load_balancer.attributes.clone());
        let enforced = self.fragments.first().and_then(|fragment| fragment.params.clone());
        let enforced = enforced.map(|params| params.spec.load_balancer_attributes.clone()).unwrap_or_default();
        asked.chain(enforced.into_iter().map(|attribute| (attribute.key, attribute.value))).collect()
    }

    fn ipam_pool(&self) -> Option<String> {
        let enforced = self.fragments.first().and_then(|fragment| fragment.params.as_ref());
        let enforced = enforced.and_then(|params| params.spec.ipam_configuration.as_ref());
        enforced
            .and_then(|pools| pools.ipv4_ipam_pool_id.clone())
            .or_else(|| self.first(|fragment| fragment.load_balancer.ipv4_ipam_pool_id.clone()))
    }

    /// The tags of a resource: those of the fragments that it comes from and the default ones, under the tracking tags.
    fn tags<'f>(&self, id: &ResourceId, fragments: impl Iterator<Item = &'f Fragment>) -> Tags {
        let mut own = Tags::new();
        // Members of a group mostly say the same.
        for (key, value) in fragments.flat_map(|fragment| &fragment.tags) {
            if own.get(key) != Some(value) {
                own.insert(key.clone(), value.clone());
            }
        }
        let mut tags = self.input.settings.with_default_tags(own);
        tags.extend(tracking(&self.input.settings.cluster_name, self.group(), id));
        tags
    }

    /// Tags of listeners and rules, which a gate can switch off.
    fn listener_tags<'f>(&self, id: &ResourceId, fragments: impl Iterator<Item = &'f Fragment>) -> Tags {
        if self.input.settings.gate(Gate::ListenerRulesTagging) { self.tags(id, fragments) } else { Tags::new() }
    }

    fn finish(mut self, desired: Option<Desired>) -> Linked {
        let taken: BTreeSet<Key> = self.fragments.iter().map(|fragment| fragment.key.clone()).collect();
        let members = self.input.view.members.iter().map(|member| {
            let key = member.key();
            let state = self.states.get(&key).copied().filter(|_| taken.contains(&key));
            LinkedMember {
                state: state.unwrap_or(MemberState::SetAside),
                findings: self.findings.remove(&key).unwrap_or_default(),
                key,
            }
        });
        let members = members.collect();
        Linked { members, desired: desired.filter(|_| !self.blocked), origins: self.origins }
    }
}

/// The security groups of a group's load balancer.
struct SecurityGroups {
    managed: Option<crate::stack::SecurityGroup>,
    of_load_balancer: Vec<Ref>,
    /// The source from which targets are reached; `None` leaves the targets' groups alone.
    source: Option<Ref>,
    /// Whether the shared backend group has to exist.
    backend: bool,
}
