//! What is counted of AWS calls. Families and labels are the predecessor's, so that dashboards live on.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Counts of AWS calls; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    durations: Family<OperationLabels, Histogram, fn() -> Histogram>,
    throttles: Family<ThrottleLabels, Counter>,
    rates: Family<FamilyLabels, Gauge<f64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ThrottleLabels {
    service: &'static str,
    operation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FamilyLabels {
    service: String,
    family: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    service: &'static str,
    operation: &'static str,
    status_code: u32,
    error_code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    service: &'static str,
    operation: &'static str,
}

/// Seconds. `ELBv2` answers in 50–500 ms; 10 s is a write's timeout and 30 s a read's with its retries.
const BUCKETS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            throttles: Family::default(),
            rates: Family::default(),
        }
    }
}

impl Metrics {
    /// Makes the families visible: `aws_api_calls_total` and `aws_api_call_duration_seconds`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("aws_api_calls", "Calls of the AWS API by outcome", self.calls.clone());
        registry.register(
            "aws_api_call_duration_seconds",
            "Time from sending a call of the AWS API to its last answer, retries included",
            self.durations.clone(),
        );
        let throttles = "Attempts that AWS throttled, those that the SDK repeated included";
        registry.register("albedo_aws_throttles", throttles, self.throttles.clone());
        let rates = "Calls a second that a family of operations may make now; AWS's throttles lower it";
        registry.register("albedo_aws_call_rate", rates, self.rates.clone());
    }

    /// Counts an attempt that AWS throttled, repeated or not.
    pub(super) fn throttled(&self, service: &'static str, operation: &str) {
        self.throttles.get_or_create(&ThrottleLabels { service, operation: operation.to_owned() }).inc();
    }

    /// Calls a second that a family of operations may make now; `None`: as many as it likes.
    pub(super) fn rate(&self, service: &str, family: &str, rate: Option<f64>) {
        let labels = FamilyLabels { service: service.to_owned(), family: family.to_owned() };
        match rate {
            Some(rate) => drop(self.rates.get_or_create(&labels).set(rate)),
            None => drop(self.rates.remove(&labels)),
        }
    }

    /// Counts a call. `status` is 0 and `code` one of ours when there was no answer; `code` is empty on success.
    pub(super) fn record(
        &self,
        service: &'static str,
        operation: &'static str,
        status: u16,
        code: &str,
        took: Duration,
    ) {
        let labels = CallLabels { service, operation, status_code: status.into(), error_code: code.to_owned() };
        self.calls.get_or_create(&labels).inc();
        self.durations.get_or_create(&OperationLabels { service, operation }).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_keep_their_names() {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        metrics.record("EC2", "DescribeVpcs", 200, "", Duration::from_millis(30));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = r#"aws_api_calls_total{service="EC2",operation="DescribeVpcs",status_code="200",error_code=""} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("aws_api_call_duration_seconds_bucket{le=\"0.05\""), "{text}");
    }
}
