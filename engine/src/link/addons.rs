//! What is attached to the group's load balancer: a web ACL by name goes before one by ARN.

use super::Linker;
use crate::facts;
use crate::finding::{Code, Finding};
use crate::settings::Gate;
use crate::stack::Addons;

impl Linker<'_> {
    pub(super) fn addons(&self) -> Addons {
        let settings = self.input.settings;
        let by_name = self.first(|fragment| fragment.addons.wafv2_name.clone()).map(|(_, acl)| acl);
        let wafv2 = by_name.or_else(|| self.first(|fragment| fragment.addons.wafv2_arn.clone()));
        let subscribed = self.input.facts.shield_subscribed.as_ref().is_none_or(|known| known.value);
        Addons {
            wafv2: wafv2.filter(|_| settings.enable_wafv2),
            waf_classic: self.first(|fragment| fragment.addons.waf_classic.clone()).filter(|_| settings.enable_waf),
            shield: self.first(|fragment| fragment.addons.shield).filter(|_| settings.enable_shield && subscribed),
            capacity_units: self.capacity_units().filter(|_| settings.gate(Gate::LbCapacityReservation)),
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

    /// What the parameters of the first member's class say settles it.
    fn capacity_units(&self) -> Option<i32> {
        let enforced = self.fragments.first().and_then(|fragment| fragment.params.as_ref());
        let enforced = enforced.and_then(|params| params.spec.minimum_load_balancer_capacity.as_ref());
        enforced
            .map(|capacity| capacity.capacity_units)
            .or_else(|| self.first(|fragment| fragment.addons.capacity_units))
    }
}
