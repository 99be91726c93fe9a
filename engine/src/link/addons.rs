//! What is attached to the group's load balancer: a web ACL by name goes before one by ARN.

use super::group::Group;
use crate::annotation::catalogue::{
    MINIMUM_LOAD_BALANCER_CAPACITY, SHIELD_ADVANCED_PROTECTION, WAF_ACL_ID, WAFV2_ACL_ARN, WAFV2_ACL_NAME,
};
use crate::compile::web_acl_named;
use crate::stack::{Addon, Addons, Attachment};

pub(super) fn addons(group: Group<'_>) -> Addons {
    let (settings, facts) = (group.input.settings, group.input.facts);
    let by_name = group.merged(&WAFV2_ACL_NAME).and_then(|name| web_acl_named(&name, settings, facts));
    let subscribed = facts.shield_subscribed.as_ref().is_none_or(|known| known.value);
    let asked = [
        (Addon::WebAcl, by_name.or_else(|| group.merged(&WAFV2_ACL_ARN))),
        (Addon::ClassicWebAcl, group.merged(&WAF_ACL_ID)),
        (Addon::Shield, group.merged(&SHIELD_ADVANCED_PROTECTION).filter(|_| subscribed).map(Attachment::protection)),
        (Addon::Capacity, group.merged(&MINIMUM_LOAD_BALANCER_CAPACITY).map(Attachment::units)),
    ];
    let asked = asked.into_iter().filter(|(addon, _)| settings.allows(*addon));
    asked.filter_map(|(addon, is)| Some((addon, is?))).collect()
}
