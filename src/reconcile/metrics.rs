//! Counts of passes and the depth of the queue.

use albedo_engine::world::Unit;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnitLabel {
    unit: &'static str,
}

/// The reconciler's metrics; clones count into the same.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    passes: Family<UnitLabel, Counter>,
    failures: Family<UnitLabel, Counter>,
    waiting: Gauge,
    leading: Gauge,
    drift: Counter,
    defects: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("albedo_reconcile_passes", "Passes of the reconciler by kind of unit", self.passes.clone());
        registry.register(
            "albedo_reconcile_pass_failures",
            "Passes that failed by kind of unit",
            self.failures.clone(),
        );
        let defects = "Plans that would have misrouted requests and were not applied";
        registry.register("albedo_plan_defects", defects, self.defects.clone());
        registry.register("albedo_queue_waiting", "Units that wait for a pass", self.waiting.clone());
        let drift = "Operations that put back what another hand changed in AWS";
        registry.register("albedo_drift_repairs", drift, self.drift.clone());
        registry.register("albedo_leader", "1 while this replica may write", self.leading.clone());
    }

    pub(super) fn pass(&self, unit: &Unit) {
        self.passes.get_or_create(&UnitLabel { unit: word(unit) }).inc();
    }

    pub(super) fn failed(&self, unit: &Unit) {
        self.failures.get_or_create(&UnitLabel { unit: word(unit) }).inc();
    }

    pub(super) fn drift(&self, operations: usize) {
        self.drift.inc_by(u64::try_from(operations).unwrap_or(u64::MAX));
    }

    /// Whether this replica may write.
    pub fn leads(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }

    pub(super) fn defect(&self) {
        self.defects.inc();
    }

    pub(super) fn depth(&self, waiting: usize) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
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
