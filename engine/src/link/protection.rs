//! Whether deletion protection of a load balancer that has to go is lifted: when an Ingress says in so many words that it is off,
//! or when the very edit takes back what the Ingress asked for. What anybody else switched on stays on.

use std::collections::BTreeSet;

use crate::annotation::SettingValue;
use crate::annotation::catalogue::attributes_of;
use crate::stack::{Attributes, DELETION_PROTECTION, LoadBalancer, LoadBalancerKind};

use super::group::Group;
use super::members::Members;
use super::{Input, MemberState};

/// Of a load balancer that nobody is a member of any more: by the annotations of those that leave.
pub(super) fn leavers_lift(input: Input<'_>) -> BTreeSet<LoadBalancerKind> {
    let lift = |kind: &LoadBalancerKind| {
        let row = &attributes_of(*kind).row;
        let key = row.full_key();
        input.view.leaving.iter().any(|leaving| {
            let raw = leaving.ingress().metadata.annotations.as_ref().and_then(|map| map.get(&key));
            let value = raw.and_then(|raw| row.read(raw, &[]).value());
            asks(value.and_then(|value| Attributes::from_value(&value)).as_ref(), "false")
        })
    };
    LoadBalancerKind::ALL.into_iter().filter(lift).collect()
}

/// Of load balancers that members would replace or do without. The ALB has the attributes of all members together. Of the NLB each
/// member counts, for there may be none to have them. The ledger knows a member as it was until the edit is applied whole.
pub(super) fn members_lift(
    group: Group<'_>,
    members: &Members<'_>,
    load_balancer: &LoadBalancer,
) -> BTreeSet<LoadBalancerKind> {
    let lift = |kind: &LoadBalancerKind| match kind {
        LoadBalancerKind::Application => lifts(members, std::slice::from_ref(&load_balancer.attributes), *kind),
        LoadBalancerKind::Network => {
            let each = group.fragments().filter_map(|fragment| fragment.values.get(attributes_of(*kind)));
            lifts(members, &each.collect::<Vec<_>>(), *kind)
        }
    };
    LoadBalancerKind::ALL.into_iter().filter(lift).collect()
}

/// `now` are the attributes that are asked for.
fn lifts(members: &Members<'_>, now: &[Attributes], kind: LoadBalancerKind) -> bool {
    let of = attributes_of(kind);
    let says = |value| now.iter().any(|attributes| asks(Some(attributes), value));
    let taken_back = || {
        let taken = members.by_seniority.iter().filter(|member| member.state != MemberState::Quarantined);
        let before = taken.filter_map(|member| member.candidate.last_good.as_ref()?.fragment());
        before.into_iter().any(|before| asks(before.values.get(of).as_ref(), "true"))
    };
    says("false") || !says("true") && taken_back()
}

fn asks(attributes: Option<&Attributes>, value: &str) -> bool {
    attributes.and_then(|attributes| attributes.get(DELETION_PROTECTION)).is_some_and(|asked| asked == value)
}
