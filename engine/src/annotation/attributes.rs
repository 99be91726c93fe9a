//! Attributes of load balancers, target groups and listeners: their keys, what values they take, and which kind of
//! resource has them.
//!
//! Sources, all of the `ELBv2` API reference:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html>.

mod logs;
mod tables;
mod takes;

use super::parse::{self, Pair, ParseError};
use super::similar::nearest_of;

pub use logs::{LOGS, without_bucket};
pub use takes::Takes;

/// Whose attributes an annotation sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An Application Load Balancer
    LoadBalancer,
    /// The Network Load Balancer in front of it
    NetworkLoadBalancer,
    /// A target group of an Application Load Balancer
    TargetGroup,
    /// A listener of an Application Load Balancer
    Listener,
    /// A TCP listener of the Network Load Balancer
    NetworkListener,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// What it takes.
    pub takes: Takes,
}

impl Owner {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LoadBalancer, Self::TargetGroup, Self::Listener, Self::NetworkLoadBalancer, Self::NetworkListener];

    /// Every attribute that the resource has.
    #[must_use]
    pub fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::LoadBalancer => tables::LOAD_BALANCER,
            Self::NetworkLoadBalancer => tables::NETWORK_LOAD_BALANCER,
            Self::TargetGroup => tables::TARGET_GROUP,
            Self::Listener => tables::LISTENER,
            Self::NetworkListener => tables::NETWORK_LISTENER,
        }
    }

    /// What has them, in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoadBalancer => "an Application Load Balancer",
            Self::NetworkLoadBalancer => "a Network Load Balancer",
            Self::TargetGroup => "a target group of an Application Load Balancer",
            Self::Listener => "a listener of an Application Load Balancer",
            Self::NetworkListener => "a listener of a Network Load Balancer",
        }
    }

    /// The annotation that sets them, without its prefix.
    #[must_use]
    pub const fn annotation(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load-balancer-attributes",
            Self::NetworkLoadBalancer => "frontend-nlb-attributes",
            Self::TargetGroup => "target-group-attributes",
            Self::Listener => "listener-attributes.<PROTOCOL>-<PORT>",
            Self::NetworkListener => "frontend-nlb-listener-attributes",
        }
    }

    /// Keys that only other kinds have, with the words for those.
    fn of_others(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LoadBalancer => tables::NOT_OF_LOAD_BALANCERS,
            Self::TargetGroup => tables::NOT_OF_TARGET_GROUPS,
            Self::Listener => tables::NOT_OF_LISTENERS,
            Self::NetworkLoadBalancer | Self::NetworkListener => &[],
        }
    }
}

/// Everything in `key=value` pairs that AWS would refuse; `extra` are keys that the operator knows beside the tables.
#[must_use]
pub fn faults(owner: Owner, pairs: &[Pair], extra: &[String]) -> Vec<ParseError> {
    let fault = |pair: &Pair| {
        let error = fault(owner, &pair.key, &pair.value, extra)?;
        Some(ParseError { at: Some(pair.place.clone()), ..error })
    };
    let mut found: Vec<ParseError> = pairs.iter().filter_map(fault).take(parse::FAULTS).collect();
    if owner == Owner::TargetGroup {
        found.extend(conflicts(pairs));
    }
    found
}

/// What is wrong with one attribute.
#[must_use]
pub fn fault(owner: Owner, key: &str, value: &str, extra: &[String]) -> Option<ParseError> {
    match owner.attributes().iter().find(|attribute| attribute.key == key) {
        Some(attribute) => attribute.fault(value),
        None if extra.iter().any(|known| known == key) => takes::text_fault(key, value),
        None => Some(unknown(owner, key)),
    }
}

/// Complaints begin with these words, by which what reads them tells keys from values.
pub const UNKNOWN: &str = "unknown attribute";

/// A key that isn't in the table. AWS refuses the whole call for it, and with it the attributes of the other members. What is newer
/// than the table is named by the operator (`--extra-attributes`).
fn unknown(owner: Owner, key: &str) -> ParseError {
    let keys = || owner.attributes().iter().map(|attribute| attribute.key);
    let mut others = [Owner::LoadBalancer, Owner::TargetGroup, Owner::Listener].into_iter().filter(|one| *one != owner);
    let of_another = others.find(|other| other.attributes().iter().any(|attribute| attribute.key == key));
    if let Some((_, whose)) = owner.of_others().iter().find(|(other, _)| *other == key) {
        return ParseError::new(format!("{UNKNOWN} {key}: {whose} has it, {} doesn't", owner.name()))
            .help("remove the attribute");
    }
    if let Some(other) = of_another {
        return ParseError::new(format!("{UNKNOWN} {key}: it belongs to {}, not to {}", other.name(), owner.name()))
            .help(format!("write it into {}", other.annotation()));
    }
    let near = nearest_of(key, keys()).or_else(|| by_prefix(key, owner));
    let other = "an attribute that is newer than this version is allowed by the operator with --extra-attributes";
    match near {
        Some(near) => ParseError::new(format!("{UNKNOWN} {key}; did you mean `{near}`?")).help(other),
        None => ParseError::new(format!("{UNKNOWN} {key}: {} has none of that name that is known here", owner.name()))
            .help(format!("correct or remove it; {other}")),
    }
}

/// The one attribute whose key goes on where this one ends, or that differs in its last word alone: `idle_timeout` is
/// `idle_timeout.timeout_seconds`.
fn by_prefix(key: &str, owner: Owner) -> Option<&'static str> {
    let only = |fits: &dyn Fn(&str) -> bool| {
        let mut found = owner.attributes().iter().map(|attribute| attribute.key).filter(|known| fits(known));
        found.next().filter(|_| found.next().is_none())
    };
    let words = key.trim_matches('.');
    if words.len() < 4 {
        return None;
    }
    let goes_on = |known: &str| known.strip_prefix(words).is_some_and(|rest| rest.starts_with(['.', '_']));
    let ends = |known: &str| known.strip_suffix(words).is_some_and(|rest| rest.ends_with('.'));
    let stem = words.rsplit_once('.').map(|(stem, _)| format!("{stem}."));
    only(&goes_on).or_else(|| only(&ends)).or_else(|| {
        let stem = stem.as_deref().filter(|stem| stem.len() > 4)?;
        only(&|known| known.starts_with(stem))
    })
}

/// Attributes of one value that exclude or need each other. What stands in AWS already can't be seen here. The words of AWS on cookies:
/// <https://github.com/terraform-aws-modules/terraform-aws-alb/issues/242>.
fn conflicts(pairs: &[Pair]) -> Vec<ParseError> {
    let get = |key: &str| pairs.iter().rev().find(|pair| pair.key == key);
    let is = |key: &str, value: &str| get(key).is_some_and(|pair| pair.value == value);
    let mut found = Vec::new();
    let cookie = get("stickiness.app_cookie.cookie_name").filter(|pair| !pair.value.is_empty());
    if let Some(pair) = get("stickiness.type").filter(|pair| pair.value == "app_cookie")
        && is("stickiness.enabled", "true")
        && cookie.is_none()
    {
        let message = "stickiness.type=app_cookie needs the name of the application's cookie";
        let error = ParseError::at_place(message, pair.place.clone());
        found.push(error.help("add stickiness.app_cookie.cookie_name=NAME, or write stickiness.type=lb_cookie"));
    }
    let Some(algorithm) = get("load_balancing.algorithm.type") else { return found };
    if let Some(pair) = get("load_balancing.algorithm.anomaly_mitigation")
        && pair.value == "on"
        && algorithm.value != "weighted_random"
    {
        let message =
            "load_balancing.algorithm.anomaly_mitigation=on needs load_balancing.algorithm.type=weighted_random";
        found.push(ParseError::at_place(message, pair.place.clone()));
    }
    if let Some(pair) = get("slow_start.duration_seconds")
        && pair.value != "0"
        && matches!(algorithm.value.as_str(), "least_outstanding_requests" | "weighted_random")
    {
        let message = format!(
            "slow_start.duration_seconds needs round_robin, load_balancing.algorithm.type is {}",
            algorithm.value
        );
        found.push(ParseError::at_place(message, pair.place.clone()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(owner: Owner, raw: &str) -> Vec<ParseError> {
        parse::pairs(raw).map_or_else(|error| vec![error], |pairs| faults(owner, &pairs, &[]))
    }

    fn messages(owner: Owner, raw: &str) -> Vec<String> {
        check(owner, raw).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn keys_are_unique() {
        for owner in Owner::ALL {
            let mut keys: Vec<_> = owner.attributes().iter().map(|attribute| attribute.key).collect();
            assert!(keys.is_sorted(), "{owner:?}");
            keys.dedup();
            assert_eq!(keys.len(), owner.attributes().len());
            assert!(owner.of_others().iter().all(|(key, _)| !keys.contains(key)), "{owner:?}");
        }
    }

    #[test]
    fn what_aws_takes() {
        for (owner, raw) in [
            (
                Owner::LoadBalancer,
                "idle_timeout.timeout_seconds=4000,deletion_protection.enabled=true,access_logs.s3.prefix=",
            ),
            (Owner::LoadBalancer, "routing.http.xff_header_processing.mode=remove, routing.http2.enabled=false"),
            (Owner::TargetGroup, "slow_start.duration_seconds=0,deregistration_delay.timeout_seconds=0"),
            (Owner::TargetGroup, "target_group_health.dns_failover.minimum_healthy_targets.percentage=off"),
            (
                Owner::TargetGroup,
                "load_balancing.algorithm.type=weighted_random,load_balancing.algorithm.anomaly_mitigation=on",
            ),
            (
                Owner::TargetGroup,
                "stickiness.enabled=true,stickiness.type=app_cookie,stickiness.app_cookie.cookie_name=SID",
            ),
            // What AWS has from an earlier time cannot be seen here.
            (Owner::TargetGroup, "stickiness.type=app_cookie"),
            (Owner::Listener, "routing.http.response.server.enabled=false"),
            (Owner::Listener, "routing.http.response.access_control_allow_methods.header_value=GET\\,POST"),
            (Owner::NetworkLoadBalancer, "dns_record.client_routing_policy=any_availability_zone"),
            (Owner::NetworkListener, "tcp.idle_timeout.seconds=6000"),
        ] {
            assert_eq!(messages(owner, raw), Vec::<String>::new(), "{raw}");
        }
    }

    #[test]
    fn the_nearest_key() {
        for (owner, key, near) in [
            (Owner::LoadBalancer, "idle_timeout", Some("idle_timeout.timeout_seconds")),
            (Owner::LoadBalancer, "idle_timeout.seconds", Some("idle_timeout.timeout_seconds")),
            (Owner::LoadBalancer, "deletion_protection", Some("deletion_protection.enabled")),
            (Owner::LoadBalancer, "routing.http2", Some("routing.http2.enabled")),
            (Owner::LoadBalancer, "access_logs.s3", None),
            (Owner::TargetGroup, "deregistration_delay", Some("deregistration_delay.timeout_seconds")),
            (Owner::TargetGroup, "slow_start", Some("slow_start.duration_seconds")),
            (Owner::TargetGroup, "stickiness", None),
            (Owner::TargetGroup, "cookie_name", Some("stickiness.app_cookie.cookie_name")),
            (Owner::LoadBalancer, "no.such.attribute", None),
        ] {
            let error = fault(owner, key, "1", &[]).expect("a fault");
            let expected = near.map(|near| format!("did you mean `{near}`?"));
            assert!(!error.unfamiliar && error.help.is_some(), "{key}");
            assert_eq!(error.message.split_once("; ").map(|(_, near)| near.to_owned()), expected, "{key}");
        }
    }

    #[test]
    fn what_the_operator_knows_is_let_through() {
        let extra = ["quantum.enabled".to_owned()];
        assert_eq!(fault(Owner::LoadBalancer, "quantum.enabled", "true", &extra), None);
        assert!(fault(Owner::LoadBalancer, "quantum.enabled", "\"true\"", &extra).is_some());
        assert!(fault(Owner::LoadBalancer, "quantum.enable", "true", &extra).is_some());
    }

    const REFUSED: &[(Owner, &str, &str, bool)] = &[
        (Owner::LoadBalancer, "deletion_protection.enable=true", "did you mean `deletion_protection.enabled`?", false),
        (Owner::LoadBalancer, "idle_timeout.timeout_seconds=0", "a whole number from 1 to 4000 belongs there", false),
        (Owner::LoadBalancer, "idle_timeout.timeout_seconds=60s", "a whole number from 1 to 4000 belongs there", false),
        (Owner::LoadBalancer, "routing.http3.enabled=true", "did you mean `routing.http2.enabled`?", false),
        (Owner::LoadBalancer, "quantum.enabled=true", "has none of that name that is known here", false),
        (Owner::LoadBalancer, "waf.fail_open.enabled=yes", "true or false belongs there", false),
        (Owner::LoadBalancer, "waf.fail_open.enabled=True", "true or false belongs there", true),
        (
            Owner::LoadBalancer,
            "load_balancing.cross_zone.enabled=false",
            "true, which can't be changed, belongs there",
            false,
        ),
        (
            Owner::LoadBalancer,
            "stickiness.enabled=true",
            "it belongs to a target group of an Application Load Balancer",
            false,
        ),
        (Owner::TargetGroup, "preserve_client_ip.enabled=true", "a Network Load Balancer's target group has it", false),
        (Owner::TargetGroup, "stickiness.type=source_ip", "one of lb_cookie, app_cookie belongs there", false),
        (
            Owner::TargetGroup,
            "slow_start.duration_seconds=29",
            "0 or a whole number from 30 to 900 belongs there",
            false,
        ),
        (Owner::TargetGroup, "stickiness.app_cookie.cookie_name=AWSALBx", "a cookie's name that doesn't begin", false),
        (
            Owner::TargetGroup,
            "slow_start.duration_seconds=30,load_balancing.algorithm.type=least_outstanding_requests",
            "slow_start.duration_seconds needs round_robin",
            false,
        ),
        (
            Owner::TargetGroup,
            "stickiness.enabled=true,stickiness.type=app_cookie",
            "stickiness.type=app_cookie needs the name of the application's cookie",
            false,
        ),
        (Owner::Listener, "tcp.idle_timeout.seconds=60", "a Network Load Balancer's listener has it", false),
    ];

    #[test]
    fn what_aws_refuses() {
        for (owner, raw, expected, unfamiliar) in REFUSED.iter().copied() {
            let found = check(owner, raw);
            assert!(found.len() == 1 && found[0].message.contains(expected), "{raw}: {found:?}");
            assert_eq!(found[0].unfamiliar, unfamiliar, "{raw}");
            assert!(found[0].at.is_some(), "{raw}");
        }
        assert_eq!(messages(Owner::TargetGroup, "a"), ["item \"a\" has no `=`, key=value belongs here"]);
    }
}
