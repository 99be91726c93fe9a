//! How many rules the managed security group has as AWS counts them: a rule with a prefix list counts as the most entries of the list.
//!
//! Sources: <https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html> (weight),
//! <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html> (IPv4 and IPv6 have a quota each; a list counts for both).

use std::collections::BTreeMap;

use super::findings::Findings;
use super::group::Group;
use super::total::{Total, parts};
use crate::annotation::Source;
use crate::annotation::catalogue::{INBOUND_CIDRS, SECURITY_GROUP_PREFIX_LISTS};
use crate::compile::Fragment;
use crate::facts::{Limit, Quota};
use crate::finding::{Code, FieldPath, Finding};
use crate::stack::{Desired, PeerSource};

/// The rules of the managed security group, if they are over or near the quota.
pub(super) fn total(group: Group<'_>, desired: &Desired) -> Option<Total> {
    let sources = || desired.security_group.iter().flat_map(|group| &group.ingress).map(|rule| &rule.source);
    let count = |of: fn(&PeerSource) -> bool| sources().filter(|source| of(source)).count() as u64;
    let v4 = count(|source| matches!(source, PeerSource::Ipv4(_)));
    let v6 = count(|source| matches!(source, PeerSource::Ipv6(_)));
    let lists = || sources().filter_map(list_of);
    let weighed = lists().any(|id| weight(group, id).is_some());
    let limit = match group.input.settings.security_group_rules_quota {
        Some(max) => Limit { max, age: None, firm: true },
        None => {
            let limit = group.input.facts.limit(Quota::SecurityGroupRules, group.input.now);
            // One list is most of the default, so that nobody comes near it by degrees: who had the quota raised says so.
            Limit { firm: limit.firm || weighed, ..limit }
        }
    };
    let total = Total {
        quota: Quota::SecurityGroupRules,
        limit,
        count: v4.max(v6) + lists().map(|id| weight(group, id).unwrap_or(1)).sum::<u64>(),
        parts: BTreeMap::new(),
        path: match lists().next() {
            Some(_) => SECURITY_GROUP_PREFIX_LISTS.row.path(),
            None => INBOUND_CIDRS.row.path(),
        },
    };
    let of_port = |fragment: &Fragment| {
        let lists = fragment.values.get(&SECURITY_GROUP_PREFIX_LISTS).unwrap_or_default();
        let lists: u64 = lists.iter().map(|id| weight(group, id).unwrap_or(1)).sum();
        (fragment.values.get(&INBOUND_CIDRS).unwrap_or_default().len() as u64 + lists).max(1)
    };
    let counts = total.is_over() || total.is_near();
    counts.then(|| Total {
        parts: parts(group, |fragment| {
            let rules = fragment.listeners.len() as u64 * of_port(fragment);
            usize::try_from(rules).unwrap_or(usize::MAX)
        }),
        ..total
    })
}

/// The most entries of a prefix list, if that is known.
fn weight(group: Group<'_>, id: &str) -> Option<u64> {
    let known = group.input.facts.prefix_lists.as_ref()?;
    known.value.get(id).and_then(|entries| u64::try_from(*entries).ok())
}

/// Tells of lists whose weight is not known and that meet more than one port: the one that everybody knows, `CloudFront`'s, counts as 55
/// of the 60 rules, so that a second port has no room.
pub(super) fn warn_of_unweighed_lists(group: Group<'_>, desired: &Desired, findings: &mut Findings) {
    if group.input.settings.security_group_rules_quota.is_some() {
        return;
    }
    let mut ports: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in desired.security_group.iter().flat_map(|group| &group.ingress) {
        if let Some(id) = list_of(&rule.source).filter(|id| weight(group, id).is_none()) {
            *ports.entry(id).or_default() += 1;
        }
    }
    let Some((id, count)) = ports.into_iter().filter(|(_, count)| *count > 1).max_by_key(|(_, count)| *count) else {
        return;
    };
    let named = |fragment: &Fragment| {
        let lists = fragment.values.resolved(&SECURITY_GROUP_PREFIX_LISTS).filter(|_| !fragment.listeners.is_empty());
        lists.filter(|lists| lists.value.iter().any(|list| list == id)).map(|lists| lists.source)
    };
    let junior = group.fragments().rev().find_map(|fragment| Some((fragment, named(fragment)?)));
    let Some((fragment, source)) = junior else { return };
    let max = Quota::SecurityGroupRules.default();
    let message = format!(
        "prefix list {id} is let in on {count} ports, and each such rule of the security group counts as the most entries that the list \
         may have (55 for CloudFront's); AWS allows {max} unless the account's quota was raised"
    );
    let path = match source {
        Source::Class => FieldPath::at("spec.ingressClassName"),
        _ => SECURITY_GROUP_PREFIX_LISTS.row.path(),
    };
    let finding = Finding::new(Code::QuotaNear, fragment.key.ingress(), path, message)
        .value(&count.to_string())
        .fix(
            "listen on one port, name security-groups of your own, or have AWS raise L-0EA8095F and tell --security-group-rules-quota; \
             facts of the account tell the list's entries",
        );
    findings.report(&fragment.key, finding);
}

fn list_of(source: &PeerSource) -> Option<&str> {
    match source {
        PeerSource::PrefixList(id) => Some(id.as_str()),
        _ => None,
    }
}
