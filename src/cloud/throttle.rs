//! How often AWS may be called: a token bucket a family of operations, by the flag `--aws-api-throttle` or its defaults.

mod buckets;
#[cfg(test)]
mod scale;

use albedo_engine::plan::operation::ApiService;

pub(super) use buckets::Buckets;

/// How often which operations may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    rows: Vec<ThrottleRow>,
}

#[derive(Debug, Clone, PartialEq)]
struct ThrottleRow {
    service: String,
    /// As it was written.
    family: String,
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

/// Service, pattern, rate, burst. Reads of `ELBv2` as in AWS's example, of which other tools in the account take their part too:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html>. For its writes AWS names no number; registering,
/// modifying and WAF are as the predecessor has them, and no other write is faster than the reads. EC2 refills its bucket of mutating
/// calls by five a second: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>. ACM's own limit on
/// `DescribeCertificate` is ten a second, which an account with some hundred certificates runs into at every start.
const DEFAULTS: [(ApiService, &str, f64, f64); 10] = [
    (ApiService::Elbv2, "^RegisterTargets|^DeregisterTargets", 4.0, 20.0),
    (ApiService::Elbv2, "^Describe.*", 10.0, 40.0),
    (ApiService::Elbv2, "^Modify.*", 3.0, 20.0),
    (ApiService::Elbv2, "^Create|^Delete|^Set|^Add|^Remove", 10.0, 20.0),
    (ApiService::Ec2, "^Create|^Delete|^Authorize|^Revoke", 5.0, 50.0),
    (ApiService::Acm, "^DescribeCertificate", 8.0, 20.0),
    (ApiService::WafV2, "^AssociateWebACL|DisassociateWebACL", 0.5, 1.0),
    (ApiService::WafV2, "^GetWebACLForResource|ListResourcesForWebACL", 1.0, 1.0),
    (ApiService::WafRegional, "^AssociateWebACL|DisassociateWebACL", 0.5, 1.0),
    (ApiService::WafRegional, "^GetWebACLForResource|ListResourcesForWebACL", 1.0, 1.0),
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
            let (family, pattern) = ((*pattern).to_owned(), words(pattern)?);
            Some(ThrottleRow { service: service.id().to_owned(), family, pattern, rate: *rate, burst: *burst })
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

fn row(entry: &str) -> Result<ThrottleRow, &'static str> {
    let (left, right) = entry.rsplit_once('=').ok_or("no '='")?;
    let (service, pattern) = left.split_once(':').ok_or("no ':' between service and pattern")?;
    let (rate, burst) = right.split_once(':').ok_or("no ':' between rate and burst")?;
    let rate: f64 = rate.trim().parse().map_err(|_| "the rate is not a number")?;
    let burst: u32 = burst.trim().parse().map_err(|_| "the burst is not a whole number")?;
    if !rate.is_finite() || rate <= 0.0 || burst == 0 {
        return Err("rate and burst have to be greater than 0");
    }
    let (family, pattern) =
        (pattern.to_owned(), words(pattern).ok_or("the pattern has more than ^, |, $ and a final .*")?);
    Ok(ThrottleRow { service: service.to_owned(), family, pattern, rate, burst: burst.into() })
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

impl ThrottleRow {
    fn is_of(&self, service: ApiService, operation: &str) -> bool {
        self.service == service.id() && self.pattern.iter().any(|word| word.matches(operation))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::metrics::Metrics;

    #[test]
    fn flag_replaces_a_service() {
        let throttle = Throttle::parse("Elastic Load Balancing v2:^Describe.*=1:1,S3:.*=0.5:1").unwrap();
        let now = tokio::time::Instant::now();
        let buckets = Buckets::new(&throttle, Metrics::default(), now);
        for operation in ["ModifyRule", "DescribeRules"] {
            for _ in 0..30 {
                buckets.try_take(ApiService::Elbv2, operation, now);
            }
        }
        assert!(buckets.try_take(ApiService::Elbv2, "ModifyRule", now).is_zero());
        assert!(!buckets.try_take(ApiService::Elbv2, "DescribeRules", now).is_zero());
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

    #[test]
    fn waf_takes_a_call_in_two_seconds() {
        let now = tokio::time::Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        for service in [ApiService::WafV2, ApiService::WafRegional] {
            assert!(buckets.try_take(service, "AssociateWebACL", now).is_zero());
            assert_eq!(buckets.try_take(service, "DisassociateWebACL", now).as_millis(), 2000);
            assert!(buckets.try_take(service, "GetWebACLForResource", now).is_zero());
            assert_eq!(buckets.try_take(service, "GetWebACLForResource", now).as_millis(), 1000);
        }
        assert!(buckets.try_take(ApiService::WafV2, "ListWebACLs", now).is_zero());
    }
}
