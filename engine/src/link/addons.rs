//! What is attached to the group's load balancer: a web ACL by name goes before one by ARN.

use super::group::Group;
use crate::annotation::catalogue::{
    MINIMUM_LOAD_BALANCER_CAPACITY, SHIELD_ADVANCED_PROTECTION, WAF_ACL_ID, WAFV2_ACL_ARN, WAFV2_ACL_NAME,
};
use crate::compile::web_acl_named;
use crate::settings::Gate;
use crate::stack::Addons;

pub(super) fn addons(group: Group<'_>) -> Addons {
    let settings = group.input.settings;
    let by_name = group.merged(&WAFV2_ACL_NAME).and_then(|name| web_acl_named(&name, settings, group.input.facts));
    let wafv2 = by_name.or_else(|| group.merged(&WAFV2_ACL_ARN));
    let subscribed = group.input.facts.shield_subscribed.as_ref().is_none_or(|known| known.value);
    Addons {
        wafv2: wafv2.filter(|_| settings.enable_wafv2),
        waf_classic: group.merged(&WAF_ACL_ID).filter(|_| settings.enable_waf),
        shield: group.merged(&SHIELD_ADVANCED_PROTECTION).filter(|_| settings.enable_shield && subscribed),
        capacity_units: group
            .merged(&MINIMUM_LOAD_BALANCER_CAPACITY)
            .filter(|_| settings.gate(Gate::LbCapacityReservation)),
    }
}
