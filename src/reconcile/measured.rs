//! Metrics that are measured at each scrape: they are about what is there now, so nothing has to be remembered, or forgotten in time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use albedo_engine::kinds::{IngressGroup, IngressGroupStatus};
use albedo_engine::world::World;
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::queue::Lane;
use super::{Account, Shared};
use crate::cloud::FactKind;
use crate::cluster::Cluster;
use crate::metrics::{self as rows, MetricRow};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabel {
    group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StalledLabels {
    group: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabel {
    condition: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The conditions of a group, of which one is `True`, and what stands for a group without conditions.
const CONDITIONS: [&str; 4] = ["Ready", "Reconciling", "Stalled", NO_CONDITION];
const NO_CONDITION: &str = "None";

/// What is measured. A clone measures the same.
#[derive(Clone)]
pub struct Measured {
    cluster: Cluster,
    account: Account,
    /// The reconciler of the present lease. There is none while another replica writes.
    reconciler: Arc<Mutex<Weak<Shared>>>,
}

impl Measured {
    /// Measures these.
    #[must_use]
    pub fn new(cluster: Cluster, account: Account) -> Self {
        Self { cluster, account, reconciler: Arc::default() }
    }

    /// The reconciler that works from now on.
    pub(super) fn follow(&self, reconciler: &Arc<Shared>) {
        *self.reconciler.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(reconciler);
    }

    fn reconciler(&self) -> Option<Arc<Shared>> {
        self.reconciler.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    fn groups(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // Objects of groups without a member here are another controller's, which watches another namespace.
        let groups: Vec<(String, Option<Arc<IngressGroup>>)> = self.cluster.read(|world| {
            let ids = world.group_ids().into_iter();
            ids.map(|id| (id.object_name(), world.group_object(&id).cloned())).collect()
        });
        let mut conditions = BTreeMap::from(CONDITIONS.map(|condition| (condition, 0)));
        let (stalled, quarantined) =
            (Family::<StalledLabels, Gauge>::default(), Family::<GroupLabel, Gauge>::default());
        for (group, ledger) in groups {
            let status = ledger.as_ref().and_then(|ledger| ledger.status.as_ref());
            let (condition, reason) = status.and_then(standing).unwrap_or((NO_CONDITION, String::new()));
            *conditions.entry(condition).or_default() += 1;
            if condition == "Stalled" {
                stalled.get_or_create(&StalledLabels { group: group.clone(), reason }).set(1);
            }
            let count = status.map_or(0, |status| status.quarantined_count);
            quarantined.get_or_create(&GroupLabel { group }).set(count.into());
        }
        let groups = conditions.into_iter().map(|(condition, count)| (ConditionLabel { condition }, count));
        gauges(&rows::GROUPS, groups, encoder)?;
        rows::GROUP_STALLED.encode(encoder, &stalled)?;
        rows::QUARANTINED_MEMBERS.encode(encoder, &quarantined)
    }

    /// Zero while another replica has the work.
    fn queue(reconciler: Option<&Shared>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let lanes = Lane::ALL.map(|lane| {
            (LaneLabel { lane: lane.as_str() }, reconciler.map(|shared| shared.queue.waiting(lane)).unwrap_or_default())
        });
        gauges(&rows::QUEUE_WAITING, lanes.iter().map(|(lane, (count, _))| (lane.clone(), *count)), encoder)?;
        seconds(&rows::QUEUE_OLDEST, lanes.map(|(lane, (_, oldest))| (lane, oldest.as_secs_f64())), encoder)
    }

    fn targets(&self, reconciler: Option<&Shared>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(shared) = reconciler else { return Ok(()) };
        let counts = self.cluster.read(|world| counts(world, shared));
        gauges(&rows::GROUP_TARGETS, counts.into_iter().map(|(group, count)| (GroupLabel { group }, count)), encoder)
    }

    fn facts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (facts, failing, now) = (self.account.get(), self.account.unread(), Timestamp::now());
        let ages = FactKind::ALL.into_iter().filter_map(|kind| {
            let age = albedo_engine::facts::age(kind.read_at(&facts)?, now);
            Some((KindLabel { kind: kind.as_str() }, age.as_secs_f64()))
        });
        seconds(&rows::FACTS_AGE, ages, encoder)?;
        let failing = FactKind::ALL.map(|kind| (KindLabel { kind: kind.as_str() }, failing.contains(&kind).into()));
        gauges(&rows::FACTS_FAILING, failing, encoder)
    }
}

/// The condition of a group that is `True`, and its reason.
fn standing(status: &IngressGroupStatus) -> Option<(&'static str, String)> {
    let mut holding = status.conditions.iter().filter(|condition| condition.status == "True");
    let known = |type_: &str| CONDITIONS.into_iter().find(|known| *known == type_);
    holding.find_map(|one| Some((known(&one.type_)?, one.reason.clone())))
}

/// Registered targets by group. Bindings of nobody's group are not counted.
fn counts(world: &World, shared: &Shared) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (key, binding) in world.bindings() {
        let Some(group) = world.owner_of(binding) else { continue };
        if let Some(record) = shared.bindings.record(key) {
            *counts.entry(group.object_name()).or_default() += record.count();
        }
    }
    counts
}

fn gauges<L>(
    row: &MetricRow,
    values: impl IntoIterator<Item = (L, usize)>,
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq,
{
    let family = Family::<L, Gauge>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    row.encode(encoder, &family)
}

fn seconds<L>(
    row: &MetricRow,
    values: impl IntoIterator<Item = (L, f64)>,
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq,
{
    let family = Family::<L, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    row.encode(encoder, &family)
}

impl Collector for Measured {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reconciler = self.reconciler();
        self.groups(&mut encoder)?;
        Self::queue(reconciler.as_deref(), &mut encoder)?;
        self.targets(reconciler.as_deref(), &mut encoder)?;
        self.facts(&mut encoder)
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured").finish_non_exhaustive()
    }
}
