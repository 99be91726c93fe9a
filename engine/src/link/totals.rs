//! Totals of a group against the account's quotas: who makes it too large is quarantined, and it is said before it comes to that.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::Findings;
use super::group::Group;
use super::members::Members;
use super::quarantined::ToQuarantine;
use super::rules::Origins;
use super::security_group_total;
use super::total::{Total, parts};
use crate::annotation::catalogue::{
    CERTIFICATE_ARN, FRONTEND_NLB_LISTENER_PORT_MAPPING, LISTEN_PORTS, SECURITY_GROUPS,
};
use crate::compile::CertificatesSpec;
use crate::facts::Quota;
use crate::finding::{Code, FieldPath};
use crate::kinds::Key;
use crate::stack::{Action, Binding, Condition, Desired, Listener, Protocol, Ref, Rule, TargetType};

/// The most junior of those members whose part AWS would refuse, and why. Who is unchanged stays, for it is in AWS
/// already, and so does who is linked from its last good input. Of a load balancer that exists and has no ledger, one
/// that is taken over, nobody knows who is in AWS: all stay.
pub(super) fn victims(group: Group<'_>, members: &Members<'_>, totals: &[Total]) -> ToQuarantine {
    let mut victims = ToQuarantine::new();
    let refused = |total: &&Total| total.limit.firm && total.is_over() && total.quota.is_of_ingresses();
    for total in totals.iter().filter(refused) {
        let mut over = total.count.saturating_sub(total.limit.max);
        for member in members.by_seniority.iter().rev().filter(|member| member.is_newcomer) {
            let key = member.candidate.key();
            let Some(part) = total.parts.get(key).filter(|_| over > 0) else { continue };
            over = over.saturating_sub(*part);
            victims.entry(key.clone()).or_default().push(total.finding(group, key, Code::QuotaExceeded));
        }
    }
    victims
}

/// Tells the most junior member that takes part what is nearly used up, and what would be over a limit that isn't known.
pub(super) fn warn(group: Group<'_>, members: &Members<'_>, totals: &[Total], findings: &mut Findings) {
    for total in totals {
        let mut junior = members.by_seniority.iter().rev().map(|member| member.candidate.key());
        if let Some(key) = junior.find(|key| total.parts.contains_key(*key)) {
            findings.report(key, total.finding(group, key, Code::QuotaNear));
        }
    }
}

/// The totals that are over or near their quota.
pub(super) fn totals(group: Group<'_>, desired: &Desired, origins: &Origins) -> Vec<Total> {
    type Parts<'p> = &'p dyn Fn() -> BTreeMap<Key, u64>;
    let mut totals = Vec::new();
    let mut add = |quota: Quota, count: usize, path: &dyn Fn() -> FieldPath, parts: Parts<'_>| {
        let limit = group.input.facts.limit(quota, group.input.now);
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
        for origin in origins.values().flatten() {
            *parts.entry(origin.key.clone()).or_default() += 1;
        }
        parts
    });
    add(Quota::Listeners, listeners.len(), &|| LISTEN_PORTS.row.path(), &|| {
        parts(group, |fragment| fragment.listeners.len())
    });
    let count = desired.nlb.as_ref().map_or(0, |nlb| nlb.listeners.len());
    add(Quota::FrontendListeners, count, &|| FRONTEND_NLB_LISTENER_PORT_MAPPING.row.path(), &|| {
        parts(group, |fragment| fragment.nlb_ports().len())
    });
    let beside_default = |listener: &Listener| listener.certificates.len().saturating_sub(1);
    let count = listeners.values().map(beside_default).sum();
    add(Quota::Certificates, count, &|| CERTIFICATE_ARN.row.path(), &|| {
        parts(group, |fragment| {
            let CertificatesSpec::Explicit(arns) = &fragment.certificates else { return 0 };
            arns.len() * fragment.listeners.values().filter(|ask| ask.protocol == Protocol::Https).count()
        })
    });
    add(Quota::TargetGroups, target_groups(desired), &rules, &|| parts(group, |fragment| fragment.target_groups.len()));
    let count = desired.bindings.values().map(|binding| targets(group, binding)).sum();
    add(Quota::Targets, count, &rules, &|| {
        parts(group, |fragment| {
            let bindings = fragment.target_groups.keys().filter_map(|id| desired.bindings.get(id));
            bindings.map(|binding| targets(group, binding)).sum()
        })
    });
    // What a rule does with its quota is a matter of taste until it is over.
    let most = group.input.facts.limit(Quota::ConditionWildcards, group.input.now).max;
    for (listener, origins) in listeners.values().filter_map(|one| Some((one, origins.get(&one.port)?))) {
        let counted = listener.rules.iter().map(wildcards).zip(origins);
        for (count, origin) in counted.filter(|(count, _)| *count as u64 > most) {
            add(Quota::ConditionWildcards, count, &|| FieldPath::at(&origin.path), &|| {
                BTreeMap::from([(origin.key.clone(), count as u64)])
            });
        }
    }
    // The shared backend group is one of them. Few is as good as many until it is over.
    let count = desired.load_balancer.as_ref().map_or(0, |balancer| balancer.security_groups.len());
    if count as u64 > group.input.facts.limit(Quota::SecurityGroups, group.input.now).max {
        add(Quota::SecurityGroups, count, &|| SECURITY_GROUPS.row.path(), &|| {
            parts(group, |fragment| fragment.values.get(&SECURITY_GROUPS).unwrap_or_default().len())
        });
    }
    totals.extend(security_group_total::total(group, desired));
    totals
}

/// About how many targets a binding stands for: nodes, or addresses of its Service's endpoints, ready or not.
fn targets(group: Group<'_>, binding: &Binding) -> usize {
    let view = group.input.view;
    if binding.target_type == TargetType::Instance {
        return view.nodes;
    }
    let family = if binding.ipv6 { "IPv6" } else { "IPv4" };
    let slices = view.endpoints.get(&Key::new(&binding.namespace, &binding.service)).into_iter().flatten();
    slices.filter(|slice| slice.address_type == family).map(|slice| slice.endpoints.len()).sum()
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
