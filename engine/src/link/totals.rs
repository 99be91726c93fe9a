//! Totals of a group against the account's quotas: who makes it too large is quarantined, and it is said before it comes to that.

use std::collections::{BTreeMap, BTreeSet};

use super::Linker;
use super::members::ToQuarantine;
use crate::annotation::SettingRow;
use crate::annotation::catalogue::{CERTIFICATE_ARN, FRONTEND_NLB_LISTENER_PORT_MAPPING, LISTEN_PORTS};
use crate::compile::{CertificatesSpec, Fragment};
use crate::facts::{Limit, Quota};
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::stack::{Action, Binding, Condition, Desired, Listener, Protocol, Ref, Rule, TargetType};

/// Findings name at most so many of the others that take part.
const NAMED: usize = 10;

/// How much of one thing a group has.
pub(super) struct Total {
    pub(super) quota: Quota,
    pub(super) limit: Limit,
    pub(super) count: u64,
    /// What each member adds, as far as that can be told; what several ask for counts for each.
    pub(super) parts: BTreeMap<Key, u64>,
    pub(super) path: FieldPath,
}

impl Total {
    pub(super) fn is_over(&self) -> bool {
        self.count > self.limit.max
    }

    /// Four fifths of a quota are used.
    pub(super) fn is_near(&self) -> bool {
        self.count > 0 && self.count * 5 >= self.limit.max * 4
    }
}

impl Linker<'_> {
    /// The most junior of those members whose part AWS would refuse, and why. Who is unchanged stays, for it is in AWS
    /// already, and so does who is linked from its last good input. Of a load balancer that exists and has no ledger, one
    /// that is taken over, nobody knows who is in AWS: all stay.
    pub(super) fn victims(&self, totals: &[Total]) -> ToQuarantine {
        let mut victims = ToQuarantine::new();
        let refused = |total: &&Total| total.limit.firm && total.is_over() && total.quota.is_of_ingresses();
        for total in totals.iter().filter(refused) {
            let mut over = total.count.saturating_sub(total.limit.max);
            for candidate in self.candidates.iter().rev() {
                let key = &candidate.present.key;
                let Some(part) = total.parts.get(key).filter(|_| over > 0) else { continue };
                if !self.taken.get(key).is_some_and(|taken| self.is_newcomer(taken)) {
                    continue;
                }
                over = over.saturating_sub(*part);
                victims.entry(key.clone()).or_default().push(self.finding(total, key, Code::QuotaExceeded));
            }
        }
        victims
    }

    /// Tells the most junior member that takes part what is nearly used up, and what would be over a limit that isn't known.
    pub(super) fn warn_of_totals(&mut self, totals: &[Total]) {
        let mut found = Vec::new();
        for total in totals {
            let mut junior = self.candidates.iter().rev().map(|one| &one.present.key);
            let junior = junior.find(|key| total.parts.contains_key(*key));
            found.extend(junior.map(|key| (key.clone(), self.finding(total, key, Code::QuotaNear))));
        }
        for (key, finding) in found {
            self.report(&key, finding);
        }
    }

    fn finding(&self, total: &Total, key: &Key, code: Code) -> Finding {
        let Limit { max, age, firm } = total.limit;
        let unless = if firm { "" } else { " unless the account's quota was raised" };
        let message =
            format!("group {} has {} {}; AWS allows {max}{unless}", self.group(), total.count, total.quota.words());
        let others = total.parts.keys().filter(|other| *other != key).take(NAMED);
        let finding = Finding::new(code, ObjectRef::ingress(&key.namespace, &key.name), total.path.clone(), message)
            .value(&total.count.to_string())
            .related(others.map(|other| ObjectRef::ingress(&other.namespace, &other.name)))
            .fix(fix(total.quota));
        match age {
            Some(age) if code == Code::QuotaExceeded => finding.age(age),
            _ => finding,
        }
    }

    /// The totals that are over or near their quota.
    pub(super) fn totals(&self, desired: &Desired) -> Vec<Total> {
        type Parts<'p> = &'p dyn Fn() -> BTreeMap<Key, u64>;
        let mut totals = Vec::new();
        let mut add = |quota: Quota, count: usize, path: &dyn Fn() -> FieldPath, parts: Parts<'_>| {
            let limit = self.input.facts.limit(quota, self.input.now);
            // Few groups are near any quota, and who has what part takes time to find out.
            let total = Total { quota, limit, count: count as u64, parts: BTreeMap::new(), path: FieldPath::default() };
            if total.is_over() || total.is_near() {
                totals.push(Total { parts: parts(), path: path(), ..total });
            }
        };
        let rules = || FieldPath::at("spec.rules");
        let listeners = &desired.listeners;
        let count = listeners.values().map(|listener| listener.rules.len()).sum();
        add(Quota::Rules, count, &rules, &|| {
            let mut parts: BTreeMap<Key, u64> = BTreeMap::new();
            for origin in self.origins.values().flatten() {
                *parts.entry(origin.key.clone()).or_default() += 1;
            }
            parts
        });
        add(Quota::Listeners, listeners.len(), &|| annotation(&LISTEN_PORTS.row), &|| {
            self.parts(|fragment| fragment.listeners.len())
        });
        let count = desired.frontend_nlb.as_ref().map_or(0, |nlb| nlb.listeners.len());
        add(Quota::FrontendListeners, count, &|| annotation(&FRONTEND_NLB_LISTENER_PORT_MAPPING.row), &|| {
            self.parts(|fragment| fragment.frontend_ports().len())
        });
        let beside_default = |listener: &Listener| listener.certificates.len().saturating_sub(1);
        let count = listeners.values().map(beside_default).sum();
        add(Quota::Certificates, count, &|| annotation(&CERTIFICATE_ARN.row), &|| {
            self.parts(|fragment| {
                let CertificatesSpec::Explicit(arns) = &fragment.certificates else { return 0 };
                arns.len() * fragment.listeners.values().filter(|ask| ask.protocol == Protocol::Https).count()
            })
        });
        add(Quota::TargetGroups, target_groups(desired), &rules, &|| {
            self.parts(|fragment| fragment.target_groups.len())
        });
        let count = desired.bindings.values().map(|binding| self.targets(binding)).sum();
        add(Quota::Targets, count, &rules, &|| {
            self.parts(|fragment| {
                let bindings = fragment.target_groups.keys().filter_map(|id| desired.bindings.get(id));
                bindings.map(|binding| self.targets(binding)).sum()
            })
        });
        // What a rule does with its quota is a matter of taste until it is over.
        let most = self.input.facts.limit(Quota::ConditionWildcards, self.input.now).max;
        for (listener, origins) in listeners.values().filter_map(|one| Some((one, self.origins.get(&one.port)?))) {
            let counted = listener.rules.iter().map(wildcards).zip(origins);
            for (count, origin) in counted.filter(|(count, _)| *count as u64 > most) {
                add(Quota::ConditionWildcards, count, &|| FieldPath::at(&origin.path), &|| {
                    BTreeMap::from([(origin.key.clone(), count as u64)])
                });
            }
        }
        totals.extend(self.security_group_total(desired));
        totals
    }

    /// About how many targets a binding stands for: nodes, or addresses of its Service's endpoints, ready or not.
    fn targets(&self, binding: &Binding) -> usize {
        let view = self.input.view;
        if binding.target_type == TargetType::Instance {
            return view.nodes;
        }
        let family = if binding.ipv6 { "IPv6" } else { "IPv4" };
        let slices = view.endpoints.get(&Key::new(&binding.namespace, &binding.service)).into_iter().flatten();
        slices.filter(|slice| slice.address_type == family).map(|slice| slice.endpoints.len()).sum()
    }

    pub(super) fn parts(&self, part: impl Fn(&Fragment) -> usize) -> BTreeMap<Key, u64> {
        let parts = self.fragments.iter().map(|fragment| (fragment.key.clone(), part(fragment) as u64));
        parts.filter(|(_, part)| *part > 0).collect()
    }
}

pub(super) fn annotation(row: &SettingRow) -> FieldPath {
    FieldPath::annotation(&row.full_key())
}

/// What to do about a quota: ask for less of this very thing, share another load balancer, or have AWS raise it.
fn fix(quota: Quota) -> String {
    let less = match quota {
        Quota::Certificates => "use fewer certificates (one with a wildcard, or with several names, covers many hosts)",
        Quota::Rules => "write fewer rules (paths with one backend can share a prefix)",
        Quota::Listeners => "open fewer ports in listen-ports",
        Quota::FrontendListeners => "lead fewer ports of the NLB to listeners in frontend-nlb-listener-port-mapping",
        Quota::TargetGroups | Quota::TargetGroupsPerAction => "name fewer Services",
        Quota::SecurityGroupRules => {
            "open fewer ports, name fewer blocks and prefix lists, or name security-groups of your own"
        }
        Quota::ConditionWildcards => "write fewer wildcards in the rule's hosts, paths and conditions",
        Quota::ConditionValues => "write fewer hosts, paths or values for the rule",
        Quota::Targets => "run fewer targets, or use target-type: ip",
    };
    // What one rule asks for is the same in every group.
    let elsewhere = match quota {
        Quota::ConditionWildcards | Quota::ConditionValues | Quota::TargetGroupsPerAction => "",
        _ => ", use another group.name",
    };
    match quota {
        Quota::SecurityGroupRules => {
            format!("{less}{elsewhere}, or have AWS raise {} and tell --security-group-rules-quota", quota.name())
        }
        _ if quota.is_adjustable() => format!("{less}{elsewhere}, or have AWS raise {}", quota.name()),
        _ => format!("{less}{}", elsewhere.replacen(", use", ", or use", 1)),
    }
}

/// Target groups that actions name, each once: those of Services and those of others.
fn target_groups(desired: &Desired) -> usize {
    let listeners = desired.listeners.values();
    let actions = listeners.flat_map(|listener| {
        listener.default_actions.iter().chain(listener.rules.iter().flat_map(|rule| rule.actions.iter()))
    });
    let forwards = actions.filter_map(|action| match action {
        Action::Forward(forward) => Some(&forward.target_groups),
        _ => None,
    });
    let named: BTreeSet<&Ref> = forwards.flatten().map(|tuple| &tuple.target_group).collect();
    named.len()
}

fn wildcards(rule: &Rule) -> usize {
    rule.conditions.iter().map(Condition::wildcards).sum()
}

/// Whether a finding is about a total, so that its value is a count.
#[must_use]
pub fn is_total(finding: &Finding) -> bool {
    matches!(finding.code, Code::QuotaExceeded | Code::QuotaNear)
}

/// Whether the second finding says of a quota that no more of it is used than the first says: not new, whatever the numbers.
#[must_use]
pub fn not_worse(earlier: &Finding, later: &Finding) -> bool {
    let count = |finding: &Finding| finding.value.as_ref().and_then(|text| text.parse::<u64>().ok());
    is_total(later)
        && earlier.code == later.code
        && earlier.subject == later.subject
        && earlier.path == later.path
        && earlier.effect == later.effect
        && count(earlier).zip(count(later)).is_some_and(|(earlier, later)| later <= earlier)
}
