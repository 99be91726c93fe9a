//! Token buckets in front of AWS: one a family of operations, by the flag `--aws-api-throttle` or its defaults.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::sdk::Service;

/// How often which operations may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    service: String,
    pattern: Vec<Word>,
    /// Calls a second.
    rate: f64,
    /// Calls at once after a rest.
    burst: f64,
}

/// One alternative of a pattern.
#[derive(Debug, Clone, PartialEq)]
struct Word {
    text: String,
    from_start: bool,
    to_end: bool,
}

/// Service, pattern, rate, burst. `ELBv2` and WAF as the predecessor has them; ACM's own limit on `DescribeCertificate` is ten a
/// second, which an account with some hundred certificates runs into at every start.
const DEFAULTS: [(Service, &str, f64, f64); 8] = [
    (Service::Elbv2, "^RegisterTargets|^DeregisterTargets", 4.0, 20.0),
    (Service::Elbv2, "^Describe.*", 50.0, 200.0),
    (Service::Elbv2, "^Modify.*", 3.0, 20.0),
    (Service::Acm, "^DescribeCertificate", 8.0, 20.0),
    (Service::WafV2, "^AssociateWebACL|DisassociateWebACL", 0.5, 1.0),
    (Service::WafV2, "^GetWebACLForResource|ListResourcesForWebACL", 1.0, 1.0),
    (Service::WafRegional, "^AssociateWebACL|DisassociateWebACL", 0.5, 1.0),
    (Service::WafRegional, "^GetWebACLForResource|ListResourcesForWebACL", 1.0, 1.0),
];

/// An entry of `--aws-api-throttle` that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("aws-api-throttle {entry:?}: {problem}")]
pub struct ThrottleError {
    /// The entry, `SERVICE:PATTERN=RATE:BURST`.
    pub entry: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Default for Throttle {
    fn default() -> Self {
        let rows = DEFAULTS.iter().filter_map(|(service, pattern, rate, burst)| {
            let pattern = words(pattern)?;
            Some(Row { service: service.id().to_owned(), pattern, rate: *rate, burst: *burst })
        });
        Self { rows: rows.collect() }
    }
}

impl Throttle {
    /// Reads the flag: `SERVICE:PATTERN=RATE:BURST,…`. What is said of a service replaces all its defaults; services that
    /// are not called here are allowed and mean nothing.
    ///
    /// A pattern is a regular expression of which `^`, `|`, `$` and a final `.*` are understood; anything else is an error.
    pub fn parse(flag: &str) -> Result<Self, ThrottleError> {
        let mut given = Vec::new();
        for entry in flag.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = |problem| ThrottleError { entry: entry.to_owned(), problem };
            given.push(row(entry).map_err(wrong)?);
        }
        let mut rows = Self::default().rows;
        rows.retain(|row| given.iter().all(|given| given.service != row.service));
        rows.extend(given);
        Ok(Self { rows })
    }
}

fn row(entry: &str) -> Result<Row, &'static str> {
    let (left, right) = entry.rsplit_once('=').ok_or("no '='")?;
    let (service, pattern) = left.split_once(':').ok_or("no ':' between service and pattern")?;
    let (rate, burst) = right.split_once(':').ok_or("no ':' between rate and burst")?;
    let rate: f64 = rate.trim().parse().map_err(|_| "the rate is not a number")?;
    let burst: u32 = burst.trim().parse().map_err(|_| "the burst is not a whole number")?;
    if !rate.is_finite() || rate <= 0.0 || burst == 0 {
        return Err("rate and burst have to be greater than 0");
    }
    let pattern = words(pattern).ok_or("the pattern has more than ^, |, $ and a final .*")?;
    Ok(Row { service: service.to_owned(), pattern, rate, burst: burst.into() })
}

fn words(pattern: &str) -> Option<Vec<Word>> {
    pattern
        .split('|')
        .map(|word| {
            let (from_start, word) = word.strip_prefix('^').map_or((false, word), |rest| (true, rest));
            let (to_end, word) = word.strip_suffix('$').map_or((false, word), |rest| (true, rest));
            let (to_end, text) = word.strip_suffix(".*").map_or((to_end, word), |rest| (false, rest));
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric());
            plain.then(|| Word { text: text.to_owned(), from_start, to_end })
        })
        .collect()
}

impl Word {
    fn matches(&self, operation: &str) -> bool {
        match (self.from_start, self.to_end) {
            (true, true) => operation == self.text,
            (true, false) => operation.starts_with(&self.text),
            (false, true) => operation.ends_with(&self.text),
            (false, false) => operation.contains(&self.text),
        }
    }
}

/// The buckets of a throttle.
#[derive(Debug)]
pub(super) struct Buckets {
    buckets: Vec<(Row, Mutex<Level>)>,
}

/// Tokens at a moment. Below zero: that many calls wait already.
#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    pub(super) fn new(throttle: &Throttle, now: Instant) -> Self {
        let full = |row: &Row| (row.clone(), Mutex::new(Level { tokens: row.burst, at: now }));
        Self { buckets: throttle.rows.iter().map(full).collect() }
    }

    /// Takes a token from each bucket that the operation draws from and says how long to wait before sending. Waiters are
    /// served in the order in which they asked.
    pub(super) fn reserve(&self, service: Service, operation: &str, now: Instant) -> Duration {
        let drawn = self
            .buckets
            .iter()
            .filter(|(row, _)| row.service == service.id() && row.pattern.iter().any(|word| word.matches(operation)));
        drawn.map(|(row, level)| take(row, level, now)).max().unwrap_or_default()
    }
}

fn take(row: &Row, level: &Mutex<Level>, now: Instant) -> Duration {
    let mut level = level.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = now.saturating_duration_since(level.at).as_secs_f64();
    level.tokens = (level.tokens + passed * row.rate).min(row.burst) - 1.0;
    level.at = level.at.max(now);
    if level.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-level.tokens / row.rate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), now);
        let waits: Vec<_> = (0..22).map(|_| buckets.reserve(Service::Elbv2, "ModifyRule", now)).collect();
        assert!(waits.iter().take(20).all(Duration::is_zero));
        assert_eq!(waits.iter().skip(20).map(Duration::as_millis).collect::<Vec<_>>(), [333, 666]);
        let later = now + Duration::from_secs(1);
        assert!(buckets.reserve(Service::Elbv2, "ModifyRule", later).is_zero());
        assert!(!buckets.reserve(Service::Elbv2, "ModifyRule", later).is_zero());
    }

    #[test]
    fn families_are_apart() {
        let now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), now);
        for _ in 0..50 {
            buckets.reserve(Service::Elbv2, "RegisterTargets", now);
        }
        assert!(!buckets.reserve(Service::Elbv2, "DeregisterTargets", now).is_zero());
        assert!(buckets.reserve(Service::Elbv2, "DescribeRules", now).is_zero());
        assert!(buckets.reserve(Service::Elbv2, "CreateRule", now).is_zero());
        assert!(buckets.reserve(Service::Ec2, "DescribeSubnets", now).is_zero());
    }

    #[test]
    fn waf_takes_a_call_in_two_seconds() {
        let now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), now);
        for service in [Service::WafV2, Service::WafRegional] {
            assert!(buckets.reserve(service, "AssociateWebACL", now).is_zero());
            assert_eq!(buckets.reserve(service, "DisassociateWebACL", now), Duration::from_secs(2));
            assert!(buckets.reserve(service, "GetWebACLForResource", now).is_zero());
            assert_eq!(buckets.reserve(service, "GetWebACLForResource", now), Duration::from_secs(1));
        }
        assert!(buckets.reserve(Service::WafV2, "ListWebACLs", now).is_zero());
    }

    #[test]
    fn flag_replaces_a_service() {
        let throttle = Throttle::parse("Elastic Load Balancing v2:^Describe.*=1:1,S3:.*=0.5:1").unwrap();
        let now = Instant::now();
        let buckets = Buckets::new(&throttle, now);
        for operation in ["ModifyRule", "DescribeRules"] {
            for _ in 0..30 {
                buckets.reserve(Service::Elbv2, operation, now);
            }
        }
        assert!(buckets.reserve(Service::Elbv2, "ModifyRule", now).is_zero());
        assert!(!buckets.reserve(Service::Elbv2, "DescribeRules", now).is_zero());
    }

    #[test]
    fn flag_errors_name_the_entry() {
        for (flag, problem) in [
            ("EC2", "no '='"),
            ("EC2=1:1", "no ':' between service and pattern"),
            ("EC2:.*=1", "no ':' between rate and burst"),
            ("EC2:.*=x:1", "the rate is not a number"),
            ("EC2:.*=1:0", "rate and burst have to be greater than 0"),
            ("EC2:Describe[A-M]=1:1", "the pattern has more than ^, |, $ and a final .*"),
        ] {
            let error = Throttle::parse(flag).unwrap_err();
            assert_eq!((error.entry.as_str(), error.problem), (flag, problem));
        }
    }
}
