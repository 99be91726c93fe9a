//! How much of one thing a group has, against the quota of the account.

use std::collections::BTreeMap;

use super::group::Group;
use crate::compile::Fragment;
use crate::facts::{Limit, Quota};
use crate::finding::{Code, FieldPath, Finding};
use crate::kinds::Key;

/// Findings name at most so many of the others that take part.
const NAMED: usize = 10;

/// How much of one thing a group has.
pub(super) struct Total {
    pub quota: Quota,
    pub limit: Limit,
    pub count: u64,
    /// What each member adds, as far as that can be told; what several ask for counts for each.
    pub parts: BTreeMap<Key, u64>,
    pub path: FieldPath,
}

impl Total {
    pub(super) fn is_over(&self) -> bool {
        self.count > self.limit.max
    }

    /// Four fifths of a quota are used.
    pub(super) fn is_near(&self) -> bool {
        self.count > 0 && self.count * 5 >= self.limit.max * 4
    }

    /// What a member is told of the self.
    pub(super) fn finding(&self, group: Group<'_>, key: &Key, code: Code) -> Finding {
        let Limit { max, age, firm } = self.limit;
        let unless = if firm { "" } else { " unless the account's quota was raised" };
        let message =
            format!("group {} has {} {}; AWS allows {max}{unless}", group.id(), self.count, self.quota.words());
        let others = self.parts.keys().filter(|other| *other != key).take(NAMED);
        let finding = Finding::new(code, key.ingress(), self.path.clone(), message)
            .value(&self.count.to_string())
            .related(others.map(Key::ingress))
            .fix(fix(self.quota));
        match age {
            Some(age) if code == Code::QuotaExceeded => finding.age(age),
            _ => finding,
        }
    }
}

/// What each member adds, if that is anything.
pub(super) fn parts(group: Group<'_>, part: impl Fn(&Fragment) -> usize) -> BTreeMap<Key, u64> {
    let parts = group.fragments().map(|fragment| (fragment.key.clone(), part(fragment) as u64));
    parts.filter(|(_, part)| *part > 0).collect()
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
        Quota::SecurityGroups => "name fewer security-groups",
        Quota::ConditionWildcards => "write fewer wildcards in the rule's hosts, paths and conditions",
        Quota::ConditionValues => "write fewer hosts, paths or values for the rule",
        Quota::Targets => "run fewer targets, or use target-type: ip",
    };
    // What one rule asks for is the same in every group.
    let elsewhere = match quota {
        Quota::ConditionWildcards | Quota::ConditionValues | Quota::TargetGroupsPerAction | Quota::SecurityGroups => "",
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
