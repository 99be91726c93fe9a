//! What a binding registered in a target group that clusters share: only that may be deregistered. It stands in the record of the binding, and for LBC in a
//! `ConfigMap`.

use std::sync::Arc;

use albedo_engine::kinds::{Key, TargetGroupBinding};
use albedo_engine::stack::Target;
use albedo_engine::targets::{self, Record, Registration};

use super::{PassError, Reconciler};

impl Reconciler {
    /// What the binding registered, as far as that is known. What LBC noted counts when Albedo has noted nothing yet.
    pub(super) async fn known_record(
        &self,
        key: &Key,
        binding: &TargetGroupBinding,
        arn: &str,
    ) -> Result<Option<Record>, PassError> {
        let known = Record::of(binding).or_else(|| self.shared.bindings.record(key));
        if known.is_some() || !targets::trusts_config_map(binding) {
            return Ok(known);
        }
        let list = self.shared.cluster.tracked(key).await?;
        Ok(list.and_then(|list| Record::listed(arn, &list)))
    }

    /// Keeps registered what others registered in a target group that clusters share.
    pub(super) fn spare_others(
        &self,
        key: &Key,
        binding: &TargetGroupBinding,
        arn: &str,
        known: Option<&Record>,
        change: &mut Registration,
    ) {
        if binding.is_multi_cluster() {
            let others = self.records_beside(key, arn);
            let is_own = |target: &Target| known.is_some_and(|known| known.has(target));
            change.deregister.retain(|target| is_own(target) && !others.iter().any(|other| other.has(target)));
        }
    }

    /// What other bindings of this cluster registered in a target group that they share with it.
    pub(super) fn records_beside(&self, key: &Key, arn: &str) -> Vec<Record> {
        let others = self.shared.cluster.read(|world| {
            let others = world.bindings().filter(|(other, binding)| {
                *other != key
                    && binding.is_multi_cluster()
                    && binding.names(arn)
                    && binding.metadata.deletion_timestamp.is_none()
            });
            others.map(|(key, binding)| (key.clone(), binding.clone())).collect::<Vec<_>>()
        });
        let record = |(key, binding): (Key, Arc<TargetGroupBinding>)| {
            Record::of(&binding).or_else(|| self.shared.bindings.record(&key))
        };
        others.into_iter().filter_map(record).filter(|record| record.target_group == arn).collect()
    }

    /// Notes for LBC what the binding registered: whoever switches back finds it.
    pub(super) async fn track(&self, binding: &TargetGroupBinding, record: &Record) -> Result<(), PassError> {
        let (key, list) = (Key::of(&binding.metadata), record.list());
        if !self.shared.bindings.is_tracked(&key, &list) {
            self.shared.cluster.track(&self.shared.lease_proof, &key, &list).await?;
            self.shared.bindings.tracked(&key, list);
        }
        Ok(())
    }
}
