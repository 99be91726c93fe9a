//! Every metric as a row: name, type, labels and meaning. Metrics are registered by their rows alone, and `docs/metrics.md` is printed from them.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The type of a metric, as `# TYPE` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
    /// Always 1, for its labels; its name ends in `_info`.
    Info,
}

/// A metric.
#[derive(Debug)]
pub struct MetricRow {
    /// The name of its samples; those of a histogram have `_bucket`, `_sum` or `_count` after it.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The names of its labels. Each has a bounded set of values.
    #[cfg_attr(not(test), expect(dead_code, reason = "the page of the docs prints it"))]
    pub labels: &'static [&'static str],
    /// What it measures: one sentence without a full stop.
    pub help: &'static str,
}

macro_rules! chapters {
    ($($title:literal $about:literal { $($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+ })+) => {
        $($(#[doc = $help] pub const $id: MetricRow = MetricRow { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+)+
        /// All rows by chapters: title, introduction, rows.
        #[cfg(test)]
        const CHAPTERS: &[(&str, &str, &[MetricRow])] = &[$(($title, $about, &[$($id),+])),+];
    };
}

chapters! {
    "Groups" "Each replica watches the Ingresses and the `IngressGroup` objects, so all replicas have the same values: use `max`, not `sum`. The label `group` is the name of \
        an `IngressGroup`. There are as many as load balancers, of which AWS allows 50 in a region by default, and an alert has to say which of them it is about." {
        GROUPS: Gauge "albedo_groups" ["condition"]
            "`IngressGroup` objects by the condition that is True: Ready, Reconciling or Stalled; None before the first pass";
        GROUP_STALLED: Gauge "albedo_group_stalled" ["group", "reason"]
            "1 for each `IngressGroup` whose condition Stalled is True, with the reason of that condition";
        QUARANTINED_MEMBERS: Gauge "albedo_group_quarantined_members" ["group"]
            "Quarantined Ingresses of the group";
    }
    "Reconciler" "Only the replica that holds the lease counts here. `unit` is `group`, `binding` (targets of one TargetGroupBinding), `backend-group` (the shared \
        security group) or `node-rules` (security groups of nodes and Pods). `lane` is `change` (somebody changed something) or `resync`." {
        PASSES: Counter "albedo_reconcile_passes_total" ["unit"]
            "Passes that began";
        PASS_DURATION: Histogram "albedo_reconcile_pass_duration_seconds" ["unit", "outcome"]
            "Duration of passes that ended: done, again (there is more to do), waits (for AWS or Kubernetes), failed or panicked";
        QUEUE_WAITING: Gauge "albedo_queue_waiting" ["lane"]
            "Units that wait for a pass, without those that only look again later";
        QUEUE_OLDEST: Gauge "albedo_queue_oldest_seconds" ["lane"]
            "How long the unit that waits longest has been due";
        DRIFT_REPAIRS: Counter "albedo_drift_repairs_total" []
            "Operations that put back what another hand changed in AWS";
        PLAN_DEFECTS: Counter "albedo_plan_defects_total" []
            "Plans that would have misrouted requests and were not applied";
        GATE_READY: Histogram "awslbc_readiness_gate_ready_seconds" []
            "Time from the first condition of a readiness gate, or from the creation of the Pod, until the condition is True";
        GROUP_TARGETS: Gauge "albedo_group_targets" ["group"]
            "Targets that are registered for the bindings of the group";
    }
    "Lease" "" {
        LEADER: Gauge "albedo_leader" []
            "1 while this replica may write";
        LEASE_ACQUIRED: Counter "albedo_lease_acquired_total" []
            "How often this replica got the lease";
    }
    "Facts of the account" "Each replica reads subnets, certificates and the like every two minutes, or every hour what hardly changes (`account limits`, `prefix lists`, \
        `the subscription to Shield Advanced`). With `--role=admission` these are the facts that the controller published, and `albedo_facts_failing` is what the controller could \
        not read. `kind` has the words of the log. What a flag switches off has no age." {
        FACTS_AGE: Gauge "albedo_facts_age_seconds" ["kind"]
            "Time since these facts were read; no sample before they were read once";
        FACTS_FAILING: Gauge "albedo_facts_failing" ["kind"]
            "1 if the last attempt to read these facts failed";
    }
    "AWS calls" "Names and labels of the first nine are those of the AWS Load Balancer Controller. A *call* is what Albedo wants; a *request* is one attempt of it. The SDK repeats \
        reads; a write that is repeated is another call. `status_code` is 0 without an answer; `error_code` is empty on success." {
        API_CALLS: Counter "aws_api_calls_total" ["service", "operation", "status_code", "error_code"]
            "Calls of the AWS API by outcome";
        API_CALL_DURATION: Histogram "aws_api_call_duration_seconds" ["service", "operation"]
            "Time from sending a call to its last answer, retries included";
        API_CALL_RETRIES: Histogram "aws_api_call_retries" ["service", "operation"]
            "Requests of a call after the first one";
        API_REQUESTS: Counter "aws_api_requests_total" ["service", "operation", "status_code", "error_code"]
            "Requests to the AWS API by outcome";
        API_REQUEST_DURATION: Histogram "aws_api_request_duration_seconds" ["service", "operation"]
            "Time of one request";
        PERMISSION_ERRORS: Counter "aws_api_call_permission_errors_total" ["service", "operation", "status_code", "error_code"]
            "Calls that failed because of a permission or credentials";
        LIMIT_ERRORS: Counter "aws_api_call_service_limit_exceeded_errors_total" ["service", "operation", "status_code", "error_code"]
            "Calls that failed because a quota is used up";
        THROTTLED_ERRORS: Counter "aws_api_call_throttled_errors_total" ["service", "operation", "status_code", "error_code"]
            "Calls that failed because AWS throttled them, retries included";
        VALIDATION_ERRORS: Counter "aws_api_call_validation_errors_total" ["service", "operation", "status_code", "error_code"]
            "Calls whose input AWS refused";
        THROTTLES: Counter "albedo_aws_throttles_total" ["service", "operation"]
            "Requests that AWS throttled, those that were repeated with success included";
        CALL_RATE: Gauge "albedo_aws_call_rate" ["service", "family"]
            "Calls a second that Albedo allows itself for a family of operations; throttles lower it";
    }
    "Kubernetes" "" {
        WATCH_ERRORS: Counter "albedo_watch_errors_total" ["resource", "reason"]
            "Lists and watches that failed, by reason";
        WATCH_LISTS: Counter "albedo_watch_lists_total" ["resource"]
            "Full lists that were read";
        WATCH_OBJECTS: Gauge "albedo_watch_objects" ["resource"]
            "Objects at the last full list";
        UNREADABLE_OBJECTS: Gauge "albedo_watch_unreadable_objects" ["resource"]
            "Objects that cannot be decoded and are left out";
        EVENT_WRITES: Counter "albedo_event_writes_total" ["outcome"]
            "Kubernetes Events by outcome";
    }
    "Admission and the server" "`listener` is `webhook`, `probes` or `metrics`." {
        REVIEWS: Counter "albedo_admission_reviews_total" ["path", "allowed"]
            "Admission reviews that were answered";
        REVIEW_DURATION: Histogram "albedo_admission_review_duration_seconds" ["path"]
            "Time from the last byte of a review to its answer";
        FINDINGS: Counter "albedo_admission_findings_total" ["code", "verdict"]
            "Reviews with a finding of the code, by what it did: denied or warned";
        UNREADABLE_REVIEWS: Counter "albedo_admission_unreadable_total" ["path"]
            "Requests to a webhook that contained no admission review";
        CONNECTIONS: Gauge "albedo_connections" ["listener"]
            "Open connections";
        CONNECTIONS_ACCEPTED: Counter "albedo_connections_accepted_total" ["listener"]
            "Connections that were accepted";
        CONNECTIONS_CUT: Counter "albedo_connections_cut_total" ["listener"]
            "Connections that were closed because there were too many";
        HANDSHAKE_FAILURES: Counter "albedo_tls_handshake_failures_total" ["reason"]
            "TLS handshakes that failed";
        CERTIFICATE_NOT_AFTER: Gauge "albedo_serving_certificate_not_after_seconds" []
            "When the serving certificate expires, as Unix time; 0 while there is none";
        CERTIFICATES_TAKEN: Counter "albedo_serving_certificate_taken_total" []
            "Serving certificates that were loaded";
        CERTIFICATES_REFUSED: Counter "albedo_serving_certificate_refused_total" []
            "Renewed serving certificates that are not usable";
        BUILD: Info "albedo_build_info" ["version", "commit"]
            "The build that runs";
    }
}

impl MetricRow {
    /// Registers what is counted for this row.
    pub fn register(&self, registry: &mut Registry, metric: impl Metric) {
        match self.stem() {
            (stem, Some(unit)) => registry.register_with_unit(stem, self.help, unit, metric),
            (stem, None) => registry.register(stem, self.help, metric),
        }
    }

    /// Prints what was counted just now for this row. Nothing is printed without a sample.
    ///
    /// # Errors
    ///
    /// Those of the encoder.
    pub fn encode(&self, encoder: &mut DescriptorEncoder<'_>, metric: &impl EncodeMetric) -> std::fmt::Result {
        if metric.is_empty() {
            return Ok(());
        }
        let (stem, unit) = self.stem();
        let help = format!("{}.", self.help);
        let encoder: MetricEncoder<'_> = encoder.encode_descriptor(stem, &help, unit.as_ref(), self.metric_type())?;
        metric.encode(encoder)
    }

    /// The name without what the library adds to it, and the unit.
    fn stem(&self) -> (&'static str, Option<Unit>) {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        let name = self.name.strip_suffix(suffix).unwrap_or(self.name);
        match name.strip_suffix("_seconds") {
            Some(stem) => (stem, Some(Unit::Seconds)),
            None => (name, None),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const HEAD: &str = "# Metrics\n\n<!-- Generated from src/metrics.rs: UPDATE=1 cargo test --workspace --bin albedo metrics:: -->\n\n\
        Every metric that `/metrics` (port 8080, OpenMetrics text) has. Names, types and labels are stable: a release that changes one says so in \
        the changelog. A metric without a sample is not printed. [Alerts and their runbooks](runbooks.md) are made from these; the chart brings \
        them and a Grafana dashboard (`prometheusRule.enabled`, `dashboard.enabled`).\n\n\
        No label has a namespace, an Ingress or an ARN as its value: their number has no bound. Which Ingress an alert is about is in the status of \
        its `IngressGroup`, in events and in the log.\n";

    const NOT_MEASURED: &str = "\n## What is not measured\n\n\
        * **Health of targets.** Albedo reads it only while it waits for new targets; between passes the values would be hours old, and a call for each target \
        group and scrape would use up the limits of the account. CloudWatch has it: `HealthyHostCount` and `UnHealthyHostCount`. `albedo_group_targets` is what \
        is registered.\n\
        * **Expiry of certificates in ACM.** The facts do not include it. ACM renews what it issued; for imported certificates CloudWatch has `DaysToExpiry`.\n\
        * **Labels of `awslbc_readiness_gate_ready_seconds`.** The AWS Load Balancer Controller has `namespace` and `name` there; Albedo has one series.\n\
        * **`controller_runtime_*` and `workqueue_*`** of the AWS Load Balancer Controller are those of another framework; `albedo_reconcile_*` and \
        `albedo_queue_*` are what takes their place.\n";

    fn rows() -> impl Iterator<Item = &'static MetricRow> {
        CHAPTERS.iter().flat_map(|(_, _, rows)| rows.iter())
    }

    fn page() -> String {
        let mut page = HEAD.to_owned();
        for (title, about, rows) in CHAPTERS {
            page.push_str(&format!("\n## {title}\n\n"));
            if !about.is_empty() {
                page.push_str(&format!("{about}\n\n"));
            }
            page.push_str("| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n");
            for row in *rows {
                let unit = row.stem().1.map(|unit| unit.as_str().to_owned()).unwrap_or_default();
                let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
                let (kind, labels) = (row.metric_type(), labels.join(", "));
                page.push_str(&format!("| `{}` | {} | {unit} | {labels} | {} |\n", row.name, kind.as_str(), row.help));
            }
        }
        page + NOT_MEASURED
    }

    #[test]
    fn the_page_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "docs/metrics.md is old: UPDATE=1 cargo test --workspace --bin albedo metrics::");
    }

    #[test]
    fn names_say_type_and_unit_and_are_given_once() {
        let mut seen = BTreeSet::new();
        for row in rows() {
            assert!(seen.insert(row.name), "{} has two rows", row.name);
            assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{}", row.name);
            assert_eq!(row.name.ends_with("_info"), row.kind == Kind::Info, "{}", row.name);
            let is_known = ["albedo_", "aws_api_", "awslbc_"].iter().any(|start| row.name.starts_with(start));
            assert!(is_known, "{}", row.name);
            assert!(!row.help.ends_with('.') && !row.help.contains('|'), "{}", row.help);
        }
    }
}
