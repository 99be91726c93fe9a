//! What is attached to the group's load balancer: a web ACL by name goes before one by ARN.

use super::Linker;
use crate::annotation::catalogue::{
    MINIMUM_LOAD_BALANCER_CAPACITY, SHIELD_ADVANCED_PROTECTION, WAF_ACL_ID, WAFV2_ACL_ARN, WAFV2_ACL_NAME,
};
use crate::compile::web_acl_named;
use crate::facts;
use crate::finding::{Code, Finding};
use crate::settings::Gate;
use crate::stack::Addons;

impl Linker<'_> {
    pub(super) fn addons(&self) -> Addons {
        let settings = self.input.settings;
        let by_name = self.merged(&WAFV2_ACL_NAME).and_then(|name| web_acl_named(&name, settings, self.input.facts));
        let wafv2 = by_name.or_else(|| self.merged(&WAFV2_ACL_ARN));
        let subscribed = self.input.facts.shield_subscribed.as_ref().is_none_or(|known| known.value);
        Addons {
            wafv2: wafv2.filter(|_| settings.enable_wafv2),
            waf_classic: self.merged(&WAF_ACL_ID).filter(|_| settings.enable_waf),
            shield: self.merged(&SHIELD_ADVANCED_PROTECTION).filter(|_| settings.enable_shield && subscribed),
            capacity_units: self
                .merged(&MINIMUM_LOAD_BALANCER_CAPACITY)
                .filter(|_| settings.gate(Gate::LbCapacityReservation)),
        }
    }

    /// A finding of a member with the age of the fact that it rests on: members are compiled without a clock.
    pub(super) fn aged(&self, finding: Finding) -> Finding {
        let facts = self.input.facts;
        let read_at = match finding.code {
            Code::WebAclNotFound => facts.web_acls.as_ref().map(|known| known.read_at),
            Code::TrustStoreNotFound => facts.trust_stores.as_ref().map(|known| known.read_at),
            Code::TargetGroupNotFound => facts.target_group_names.as_ref().map(|known| known.read_at),
            Code::ShieldNotSubscribed => facts.shield_subscribed.as_ref().map(|known| known.read_at),
            _ => None,
        };
        match read_at {
            Some(read_at) => finding.age(facts::age(read_at, self.input.now)),
            None => finding,
        }
    }
}
