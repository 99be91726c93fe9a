//! Attributes of load balancers, target groups and listeners: their keys, what values they take, and which kind of
//! resource has them.
//!
//! Sources, all of the `ELBv2` API reference:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html>.

mod tables;

use super::nearest::nearest_of;
use super::parse::{self, Pair, ParseError};

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
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// What it takes.
    pub takes: Takes,
}

/// What values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `true` or `false`
    Bool,
    /// `true` alone: it can't be switched off
    True,
    /// A whole number, both ends included
    Number(u32, u32),
    /// Zero, which switches it off, or a whole number, both ends included
    ZeroOr(u32, u32),
    /// `off` or a whole number, both ends included
    OffOr(u32, u32),
    /// One of these
    OneOf(&'static [&'static str]),
    /// The name of a cookie: none that the load balancer uses itself
    Cookie,
    /// The name of a header
    Header,
    /// Any text of at most 1,024 characters
    Text,
}

impl Owner {
    /// Every attribute that the resource has.
    #[must_use]
    pub fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::LoadBalancer => tables::LOAD_BALANCER,
            Self::NetworkLoadBalancer => tables::NETWORK_LOAD_BALANCER,
            Self::TargetGroup => tables::TARGET_GROUP,
            Self::Listener => tables::LISTENER,
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
        }
    }

    /// Keys that only other kinds have, with the words for those.
    fn of_others(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LoadBalancer => tables::NOT_OF_LOAD_BALANCERS,
            Self::TargetGroup => tables::NOT_OF_TARGET_GROUPS,
            Self::Listener => tables::NOT_OF_LISTENERS,
            Self::NetworkLoadBalancer => &[],
        }
    }
}

/// Everything in a value of `key=value` pairs that AWS would refuse.
#[must_use]
pub fn check(owner: Owner, raw: &str) -> Vec<ParseError> {
    let pairs = match parse::pairs(raw) {
        Ok(pairs) => pairs,
        Err(error) => return vec![error],
    };
    let mut found: Vec<ParseError> = pairs.iter().filter_map(|pair| pair_fault(owner, pair)).collect();
    if owner == Owner::TargetGroup {
        found.extend(contradictions(&pairs));
    }
    found
}

fn pair_fault(owner: Owner, pair: &Pair) -> Option<ParseError> {
    fault(owner, &pair.key, &pair.value).map(|error| ParseError { at: Some(pair.place.clone()), ..error })
}

/// What is wrong with one attribute.
#[must_use]
pub fn fault(owner: Owner, key: &str, value: &str) -> Option<ParseError> {
    match owner.attributes().iter().find(|attribute| attribute.key == key) {
        Some(attribute) => attribute.fault(value),
        None => Some(unknown(owner, key)),
    }
}

/// Complaints begin with these words, by which what reads them tells keys from values.
pub const UNKNOWN: &str = "unknown attribute";

/// A key that isn't in the table. Only a slip of one that is, or one of another kind of resource, is surely wrong: AWS may
/// have new ones.
fn unknown(owner: Owner, key: &str) -> ParseError {
    let keys = owner.attributes().iter().map(|attribute| attribute.key);
    let others = [Owner::LoadBalancer, Owner::TargetGroup, Owner::Listener].into_iter().filter(|other| *other != owner);
    let of_another = others.into_iter().find(|other| other.attributes().iter().any(|attribute| attribute.key == key));
    if let Some((_, whose)) = owner.of_others().iter().find(|(other, _)| *other == key) {
        return ParseError::new(format!("{UNKNOWN} {key}: {whose} has it, {} doesn't", owner.name()));
    }
    if let Some(other) = of_another {
        return ParseError::new(format!("{UNKNOWN} {key}: it belongs to {}, not to {}", other.name(), owner.name()));
    }
    match nearest_of(key, keys) {
        // `routing.http2.enabled` may have a sister one day that differs by the digit alone.
        Some(near) if without_digits(near) == without_digits(key) => {
            ParseError::new(format!("{UNKNOWN} {key}; did you mean `{near}`?")).doubt()
        }
        Some(near) => ParseError::new(format!("{UNKNOWN} {key}; did you mean `{near}`?")),
        None => ParseError::new(format!("{UNKNOWN} {key}: {} has none of that name that is known here", owner.name()))
            .doubt(),
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

impl Attribute {
    /// What is wrong with a value.
    #[must_use]
    pub fn fault(&self, value: &str) -> Option<ParseError> {
        if self.takes.fits(value) {
            return None;
        }
        let shown: String = value.chars().take(60).collect();
        let message = format!("attribute {} is `{shown}`: {} belongs there", self.key, self.takes);
        // Nothing says whether AWS minds capitals in words.
        let is_word = matches!(self.takes, Takes::Bool | Takes::True | Takes::OneOf(_));
        let only_case = is_word && self.takes.fits(&value.to_ascii_lowercase());
        Some(if only_case { ParseError::new(message).doubt() } else { ParseError::new(message) })
    }
}

impl Takes {
    /// Whether a value is one of those.
    #[must_use]
    pub fn fits(self, value: &str) -> bool {
        let within = |min: u32, max: u32| {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            digits && value.parse::<u32>().is_ok_and(|number| (min..=max).contains(&number))
        };
        match self {
            Self::Bool => matches!(value, "true" | "false"),
            Self::True => value == "true",
            Self::Number(min, max) => within(min, max),
            Self::ZeroOr(min, max) => value == "0" || within(min, max),
            Self::OffOr(min, max) => value == "off" || within(min, max),
            Self::OneOf(words) => words.contains(&value),
            Self::Cookie => !value.to_ascii_uppercase().starts_with("AWSALB"),
            Self::Header => {
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }
            Self::Text => value.chars().count() <= 1024,
        }
    }
}

impl std::fmt::Display for Takes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::True => f.write_str("true, which can't be changed,"),
            Self::Number(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::ZeroOr(min, max) => write!(f, "0 or a whole number from {min} to {max}"),
            Self::OffOr(min, u32::MAX) => write!(f, "off or a whole number from {min}"),
            Self::OffOr(min, max) => write!(f, "off or a whole number from {min} to {max}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Cookie => f.write_str("a cookie's name that doesn't begin with AWSALB"),
            Self::Header => f.write_str("a header's name"),
            Self::Text => f.write_str("text of at most 1024 characters"),
        }
    }
}

/// Attributes of one value that exclude each other. What stands in AWS already can't be seen here.
fn contradictions(pairs: &[Pair]) -> Vec<ParseError> {
    let get = |key: &str| pairs.iter().rev().find(|pair| pair.key == key);
    let Some(algorithm) = get("load_balancing.algorithm.type") else { return Vec::new() };
    let mut found = Vec::new();
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

    fn messages(owner: Owner, raw: &str) -> Vec<String> {
        check(owner, raw).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn keys_are_unique() {
        for owner in [Owner::LoadBalancer, Owner::NetworkLoadBalancer, Owner::TargetGroup, Owner::Listener] {
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
            (Owner::Listener, "routing.http.response.server.enabled=false"),
            (Owner::Listener, "routing.http.response.access_control_allow_methods.header_value=GET\\,POST"),
            (Owner::NetworkLoadBalancer, "dns_record.client_routing_policy=any_availability_zone"),
        ] {
            assert_eq!(messages(owner, raw), Vec::<String>::new(), "{raw}");
        }
    }

    const REFUSED: &[(Owner, &str, &str, bool)] = &[
        (Owner::LoadBalancer, "deletion_protection.enable=true", "did you mean `deletion_protection.enabled`?", false),
        (Owner::LoadBalancer, "idle_timeout.timeout_seconds=0", "a whole number from 1 to 4000 belongs there", false),
        (Owner::LoadBalancer, "idle_timeout.timeout_seconds=60s", "a whole number from 1 to 4000 belongs there", false),
        (Owner::LoadBalancer, "routing.http3.enabled=true", "did you mean `routing.http2.enabled`?", true),
        (Owner::LoadBalancer, "quantum.enabled=true", "has none of that name that is known here", true),
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
