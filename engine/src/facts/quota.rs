//! Quotas of an account: one row each, with the default from AWS's documentation.

use std::time::Duration;

/// The limit of an account for one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The maximum.
    pub max: u64,
    /// How long ago it was read from AWS; `None`: it is the documented default.
    pub age: Option<Duration>,
    /// Whether AWS certainly refuses more: the limit of the account is known, or it is the same for all accounts. Otherwise it may have been raised.
    pub firm: bool,
}

macro_rules! quotas {
    ($($quota:ident = $name:literal, $default:literal, $adjustable:literal, $words:literal;)+) => {
        /// A quota: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>,
        /// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Quota { $(#[doc = $words] $quota,)+ }

        impl Quota {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$quota,)+];

            /// Its name in `DescribeAccountLimits`. Quotas of security groups are not there: they have their
            /// codes in Service Quotas.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$quota => $name,)+ }
            }

            /// The documented default.
            #[must_use]
            pub fn default(self) -> u64 {
                match self { $(Self::$quota => $default,)+ }
            }

            /// Whether AWS raises it on request, so that the real limit may be higher than the default.
            #[must_use]
            pub fn is_adjustable(self) -> bool {
                match self { $(Self::$quota => $adjustable,)+ }
            }

            /// Whether `DescribeAccountLimits` tells it.
            #[must_use]
            pub fn is_told_with_limits(self) -> bool {
                !self.name().starts_with("L-")
            }

            /// Whether Ingresses use it up. Targets come and go independently of Ingresses, so no Ingress is left out for them.
            #[must_use]
            pub fn is_of_ingresses(self) -> bool {
                self != Self::Targets
            }

            /// The name of what is counted, for messages.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $(Self::$quota => $words,)+ }
            }
        }
    };
}

quotas! {
    Rules = "rules-per-application-load-balancer", 100, true, "rules on a load balancer, without the default rules";
    Listeners = "listeners-per-application-load-balancer", 50, true, "listeners on a load balancer";
    Certificates = "certificates-per-application-load-balancer", 25, true, "certificates on a load balancer, without the default certificates";
    TargetGroups = "target-groups-per-application-load-balancer", 100, false, "target groups on a load balancer";
    Targets = "targets-per-application-load-balancer", 1000, true, "targets of a load balancer";
    TargetGroupsPerAction = "target-groups-per-action-on-application-load-balancer", 5, false, "target groups of an action";
    ConditionValues = "condition-values-per-alb-rule", 5, false, "condition values of a rule";
    // Documented as fixed, but some accounts have more: only the limit that AWS reports for the account counts.
    ConditionWildcards = "condition-wildcards-per-alb-rule", 6, true, "wildcards of a rule";
    SecurityGroupRules = "L-0EA8095F", 60, true, "inbound rules of a security group";
    SecurityGroups = "L-2AFB9258", 5, true, "security groups on a load balancer";
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html
    FrontendListeners = "listeners-per-network-load-balancer", 50, true, "listeners on the frontend NLB";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Aged, Facts};
    use jiff::Timestamp;

    #[test]
    fn what_aws_says_counts_and_otherwise_the_default_does() {
        let now = Timestamp::from_second(1_800_000_060).unwrap();
        let read_at = Timestamp::from_second(1_800_000_000).unwrap();
        let value = BTreeMap::from([(Quota::Rules.name().to_owned(), 200)]);
        let facts = Facts { account_limits: Some(Aged { value, read_at }), ..Facts::default() };
        let minute = Some(Duration::from_mins(1));
        assert_eq!(facts.limit(Quota::Rules, now), Limit { max: 200, age: minute, firm: true });
        assert_eq!(facts.limit(Quota::Listeners, now), Limit { max: 50, age: None, firm: false });
        assert_eq!(facts.limit(Quota::TargetGroups, now), Limit { max: 100, age: None, firm: true });
    }
}
