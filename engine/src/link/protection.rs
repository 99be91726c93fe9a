//! Whether deletion protection of a load balancer that has to go is lifted: when an Ingress says in so many words that it is off,
//! or when the very edit takes back what the Ingress asked for. What anybody else switched on stays on.

use crate::annotation::{Setting, SettingValue};
use crate::stack::{Attributes, DELETION_PROTECTION};

use super::members::Members;
use super::{Input, MemberState};

/// Of a load balancer that nobody is a member of any more: by the annotations of those that leave.
pub(super) fn leavers_lift(input: Input<'_>, setting: &'static Setting<Attributes>) -> bool {
    let key = setting.row.full_key();
    input.view.leaving.iter().any(|leaving| {
        let raw = leaving.ingress().metadata.annotations.as_ref().and_then(|map| map.get(&key));
        let value = raw.and_then(|raw| setting.row.read(raw, &[]).value());
        asks(value.and_then(|value| Attributes::from_value(&value)).as_ref(), "false")
    })
}

/// Of a load balancer that members would replace or do without. `now` are the attributes that are asked for, `of` those
/// of one member: the ledger knows the member as it was until the edit is applied whole.
pub(super) fn members_lift(members: &Members<'_>, now: &[Attributes], of: &'static Setting<Attributes>) -> bool {
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
