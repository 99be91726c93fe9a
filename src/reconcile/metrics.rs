//! What is counted of passes and the lease. What is measured at each scrape is in `measured`.

use std::time::Duration;

use albedo_engine::world::Unit;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Next, PassError};
use crate::metrics as rows;

/// Seconds. A pass with nothing to do takes milliseconds, a new load balancer some seconds, and a throttled one minutes.
const BUCKETS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0, 1800.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnitLabel {
    unit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    unit: &'static str,
    outcome: &'static str,
}

/// Seconds. AWS checks a target every 15 s, twice or five times before it is healthy.
const GATE_BUCKETS: [f64; 9] = [5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];

/// The reconciler's metrics; clones count into the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    passes: Family<UnitLabel, Counter>,
    durations: Family<PassLabels, Histogram, fn() -> Histogram>,
    leading: Gauge,
    acquired: Counter,
    drift: Counter,
    defects: Counter,
    gates: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            passes: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            leading: Gauge::default(),
            acquired: Counter::default(),
            drift: Counter::default(),
            defects: Counter::default(),
            gates: Histogram::new(GATE_BUCKETS),
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        rows::PASSES.register(registry, self.passes.clone());
        rows::PASS_DURATION.register(registry, self.durations.clone());
        rows::DRIFT_REPAIRS.register(registry, self.drift.clone());
        rows::PLAN_DEFECTS.register(registry, self.defects.clone());
        rows::GATE_READY.register(registry, self.gates.clone());
        rows::LEADER.register(registry, self.leading.clone());
        rows::LEASE_ACQUIRED.register(registry, self.acquired.clone());
    }

    pub(super) fn begins(&self, unit: &Unit) {
        self.passes.get_or_create(&UnitLabel { unit: word(unit) }).inc();
    }

    /// A pass has ended; `None`: it panicked.
    pub(super) fn ends(&self, unit: &Unit, result: Option<&Result<Next, PassError>>, took: Duration) {
        let outcome = match result {
            Some(Ok(Next::Rest | Next::Look(_))) => "done",
            Some(Ok(Next::Again(_))) => "again",
            Some(Ok(Next::Wait)) => "waits",
            Some(Err(_)) => "failed",
            None => "panicked",
        };
        self.durations.get_or_create(&PassLabels { unit: word(unit), outcome }).observe(took.as_secs_f64());
    }

    pub(super) fn drift(&self, operations: usize) {
        self.drift.inc_by(u64::try_from(operations).unwrap_or(u64::MAX));
    }

    /// Whether this replica may write.
    pub fn leads(&self, leads: bool) {
        if leads {
            self.acquired.inc();
        }
        self.leading.set(i64::from(leads));
    }

    /// A readiness gate opened after this time.
    pub(super) fn gate_opened(&self, after: Duration) {
        self.gates.observe(after.as_secs_f64());
    }

    pub(super) fn defect(&self) {
        self.defects.inc();
    }
}

fn word(unit: &Unit) -> &'static str {
    match unit {
        Unit::Group(_) => "group",
        Unit::Binding(_) => "binding",
        Unit::BackendGroup => "backend-group",
        Unit::NodeRules => "node-rules",
    }
}
