//! Metrics of watches and events.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::metrics as rows;

/// Counters of this module; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    errors: Family<ErrorLabels, Counter>,
    lists: Family<KindLabels, Counter>,
    objects: Family<KindLabels, Gauge>,
    unreadable: Family<KindLabels, Gauge>,
    events: Family<OutcomeLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    resource: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    resource: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        rows::WATCH_ERRORS.register(registry, self.errors.clone());
        rows::WATCH_LISTS.register(registry, self.lists.clone());
        rows::WATCH_OBJECTS.register(registry, self.objects.clone());
        rows::UNREADABLE_OBJECTS.register(registry, self.unreadable.clone());
        rows::EVENT_WRITES.register(registry, self.events.clone());
    }

    pub(super) fn watch_failed(&self, resource: &'static str, reason: &'static str) {
        self.errors.get_or_create(&ErrorLabels { resource, reason }).inc();
    }

    pub(super) fn listed(&self, resource: &'static str, objects: usize) {
        self.lists.get_or_create(&KindLabels { resource }).inc();
        self.objects.get_or_create(&KindLabels { resource }).set(gauge(objects));
    }

    pub(super) fn unreadable(&self, resource: &'static str, objects: usize) {
        self.unreadable.get_or_create(&KindLabels { resource }).set(gauge(objects));
    }

    pub(super) fn event(&self, outcome: &'static str) {
        self.events.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// How often a watch has failed for a reason.
    #[cfg(test)]
    pub(super) fn watch_failures(&self, resource: &'static str, reason: &'static str) -> u64 {
        self.errors.get_or_create(&ErrorLabels { resource, reason }).get()
    }

    /// The number of events with this result.
    #[cfg(test)]
    pub(super) fn events(&self, outcome: &'static str) -> u64 {
        self.events.get_or_create(&OutcomeLabels { outcome }).get()
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
