//! What is counted of AWS calls. Names and labels are LBC's where they mean the same, so that dashboards live on.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use albedo_engine::plan::operation::{ApiCall, ApiService};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::error::CloudError;
use crate::metrics as rows;

type Durations = Family<OperationLabels, Histogram, fn() -> Histogram>;

/// Counts of AWS calls; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    durations: Durations,
    retries: Durations,
    requests: Family<CallLabels, Counter>,
    request_durations: Durations,
    permissions: Family<CallLabels, Counter>,
    limits: Family<CallLabels, Counter>,
    throttled_calls: Family<CallLabels, Counter>,
    validations: Family<CallLabels, Counter>,
    throttles: Family<OperationLabels, Counter>,
    rates: Family<FamilyLabels, Gauge<f64, AtomicU64>>,
    codes: Codes,
}

/// The error codes that became labels. Whoever answers in the place of AWS chooses them, and each new one is a new series: so their number
/// and length are bounded.
#[derive(Debug, Clone, Default)]
struct Codes(Arc<Mutex<BTreeSet<String>>>);

/// Far more than AWS has for the operations in use.
const MOST_CODES: usize = 200;
/// Longer than every code of AWS, in bytes.
const LONGEST_CODE: usize = 80;
/// The label of every code beyond these.
const OTHER_CODE: &str = "Other";

impl Codes {
    fn label(&self, code: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(code) || code.is_empty() {
            return code.to_owned();
        }
        if known.len() >= MOST_CODES || code.len() > LONGEST_CODE {
            return OTHER_CODE.to_owned();
        }
        known.insert(code.to_owned());
        code.to_owned()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FamilyLabels {
    service: String,
    family: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    service: &'static str,
    operation: String,
    status_code: u32,
    error_code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    service: &'static str,
    operation: String,
}

/// Seconds. `ELBv2` answers in 50–500 ms; 10 s is a write's timeout and 30 s a read's with its retries.
const BUCKETS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Requests after the first one; `--aws-max-retries` is 3 by default.
const RETRY_BUCKETS: [f64; 6] = [0.0, 1.0, 2.0, 3.0, 5.0, 10.0];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            retries: Family::new_with_constructor(|| Histogram::new(RETRY_BUCKETS)),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            permissions: Family::default(),
            limits: Family::default(),
            throttled_calls: Family::default(),
            validations: Family::default(),
            throttles: Family::default(),
            rates: Family::default(),
            codes: Codes::default(),
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        rows::API_CALLS.register(registry, self.calls.clone());
        rows::API_CALL_DURATION.register(registry, self.durations.clone());
        rows::API_CALL_RETRIES.register(registry, self.retries.clone());
        rows::API_REQUESTS.register(registry, self.requests.clone());
        rows::API_REQUEST_DURATION.register(registry, self.request_durations.clone());
        rows::PERMISSION_ERRORS.register(registry, self.permissions.clone());
        rows::LIMIT_ERRORS.register(registry, self.limits.clone());
        rows::THROTTLED_ERRORS.register(registry, self.throttled_calls.clone());
        rows::VALIDATION_ERRORS.register(registry, self.validations.clone());
        rows::THROTTLES.register(registry, self.throttles.clone());
        rows::CALL_RATE.register(registry, self.rates.clone());
    }

    /// Counts an attempt that AWS throttled, repeated or not.
    pub(super) fn throttled(&self, service: &'static str, operation: &str) {
        self.throttles.get_or_create(&OperationLabels::new(service, operation)).inc();
    }

    /// Calls a second that a family of operations may make now; `None`: as many as it likes.
    pub(super) fn rate(&self, service: &str, family: &str, rate: Option<f64>) {
        let labels = FamilyLabels { service: service.to_owned(), family: family.to_owned() };
        match rate {
            Some(rate) => drop(self.rates.get_or_create(&labels).set(rate)),
            None => drop(self.rates.remove(&labels)),
        }
    }

    /// Counts a call by its outcome.
    pub(super) fn call<T>(&self, op: ApiCall, result: &Result<T, CloudError>, took: Duration) {
        let answer = result.as_ref().err().and_then(CloudError::answer);
        let (status, code) = answer.map_or((200, ""), |answer| (answer.status.unwrap_or(0), answer.code.as_str()));
        tracing::debug!(operation = op.name, status, code, took_ms = took.as_millis(), "called AWS");
        let labels = CallLabels::new(op.api.id(), op.name, status, self.codes.label(code));
        let of_its_class = match result {
            Err(CloudError::Denied(_)) => Some(&self.permissions),
            Err(CloudError::TooMany(_)) => Some(&self.limits),
            Err(CloudError::Throttled(_)) => Some(&self.throttled_calls),
            Err(CloudError::Invalid(_)) => Some(&self.validations),
            _ => None,
        };
        if let Some(class) = of_its_class {
            class.get_or_create(&labels).inc();
        }
        self.calls.get_or_create(&labels).inc();
        self.durations.get_or_create(&OperationLabels::new(op.api.id(), op.name)).observe(took.as_secs_f64());
    }

    /// Counts a request, of which a call may have several. `status` is 0 and `code` one of ours when there was no answer; `code` is empty on
    /// success.
    pub(super) fn request(&self, service: ApiService, operation: &str, status: u16, code: &str, took: Duration) {
        self.requests.get_or_create(&CallLabels::new(service.id(), operation, status, self.codes.label(code))).inc();
        let labels = OperationLabels::new(service.id(), operation);
        self.request_durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts the requests of a call after the first one.
    pub(super) fn retries(&self, service: ApiService, operation: &str, retries: u32) {
        self.retries.get_or_create(&OperationLabels::new(service.id(), operation)).observe(f64::from(retries));
    }
}

impl CallLabels {
    fn new(service: &'static str, operation: &str, status: u16, error_code: String) -> Self {
        Self { service, operation: operation.to_owned(), status_code: status.into(), error_code }
    }
}

impl OperationLabels {
    fn new(service: &'static str, operation: &str) -> Self {
        Self { service, operation: operation.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::AwsAnswer;
    use super::*;

    #[test]
    fn codes_that_somebody_makes_up_do_not_grow_the_page() {
        let codes = Codes::default();
        assert_eq!(codes.label("Throttling"), "Throttling");
        assert_eq!(codes.label(&"x".repeat(LONGEST_CODE + 1)), OTHER_CODE);
        let labels: BTreeSet<String> = (0..10_000).map(|n| codes.label(&format!("Code{n}"))).collect();
        assert_eq!(labels.len(), MOST_CODES);
        assert_eq!(codes.label("Throttling"), "Throttling");
    }

    #[test]
    fn calls_are_counted_by_outcome_under_the_names_of_lbc() {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let (op, took) = (ApiService::Ec2.call("DescribeVpcs"), Duration::from_millis(30));
        let answer = |code: &str| AwsAnswer {
            operation: "DescribeVpcs",
            status: Some(400),
            code: code.to_owned(),
            message: String::new(),
            source: code.into(),
        };
        let denied = CloudError::Denied(answer("UnauthorizedOperation"));
        for result in [Ok(()), Err(denied), Err(CloudError::Throttled(answer("Throttling")))] {
            metrics.call(op, &result, took);
        }
        metrics.request(ApiService::Ec2, "DescribeVpcs", 200, "", took);
        metrics.retries(ApiService::Ec2, "DescribeVpcs", 2);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let labels = r#"{service="EC2",operation="DescribeVpcs","#;
        for line in [
            format!(r#"aws_api_calls_total{labels}status_code="200",error_code=""}} 1"#),
            format!(r#"aws_api_calls_total{labels}status_code="400",error_code="Throttling"}} 1"#),
            format!(r#"aws_api_call_throttled_errors_total{labels}status_code="400",error_code="Throttling"}} 1"#),
            format!(
                r#"aws_api_call_permission_errors_total{labels}status_code="400",error_code="UnauthorizedOperation"}} 1"#
            ),
            format!(r#"aws_api_requests_total{labels}status_code="200",error_code=""}} 1"#),
            r#"aws_api_call_duration_seconds_bucket{le="0.05",service="EC2",operation="DescribeVpcs"} 3"#.to_owned(),
            r#"aws_api_call_retries_bucket{le="1.0",service="EC2",operation="DescribeVpcs"} 0"#.to_owned(),
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("validation_errors"), "{text}");
    }
}
