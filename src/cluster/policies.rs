//! The status of `IngressDefaults` and `IngressPolicy` objects, which the leader writes.

use albedo_engine::kinds::{IngressDefaults, IngressPolicy, PolicyStatus};
use kube::Api;
use serde_json::{Value, json};

use super::change::{Endpoint, ObjectWrite, Stored, merge_patch, name};
use super::{Cluster, LeaseProof, WriteError};

/// A kind with such a status.
pub trait WithPolicyStatus: Stored {
    /// The status that it has.
    fn policy_status(&self) -> Option<&PolicyStatus>;
}

impl WithPolicyStatus for IngressDefaults {
    fn policy_status(&self) -> Option<&PolicyStatus> {
        self.status.as_ref()
    }
}

impl WithPolicyStatus for IngressPolicy {
    fn policy_status(&self) -> Option<&PolicyStatus> {
        self.status.as_ref()
    }
}

impl Cluster {
    /// Writes the status that a policy should have, given the object as it is; writes nothing if it is the same.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn write_policy_status<K: WithPolicyStatus>(
        &self,
        lease_proof: &LeaseProof,
        object: &K,
        wanted: impl Fn(&K) -> PolicyStatus,
    ) -> Result<(), WriteError> {
        let api: Api<K> = Api::all(self.client());
        let what = format!("write the status of the {} {}", K::kind(&()), name(object));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Status, what: &what };
        let difference = |current: &K| {
            patch(current.policy_status(), &wanted(current))
                .map_err(|error| WriteError::Other { what: what.clone(), source: Box::new(error) })
        };
        change.make(object, difference).await.map(drop)
    }
}

fn patch(is: Option<&PolicyStatus>, wanted: &PolicyStatus) -> Result<Option<Value>, serde_json::Error> {
    let is = is.map_or_else(|| Ok(json!({})), serde_json::to_value)?;
    Ok(merge_patch(&is, &serde_json::to_value(wanted)?)?.map(|status| json!({"status": status})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_not_written() {
        let wanted = PolicyStatus { observed_generation: Some(2), ingresses: Some(1), ..PolicyStatus::default() };
        assert_eq!(patch(None, &wanted).unwrap(), Some(json!({"status": {"observedGeneration": 2, "ingresses": 1}})));
        assert_eq!(patch(Some(&wanted), &wanted).unwrap(), None);
        let before = PolicyStatus { ingresses: Some(7), ..wanted.clone() };
        assert_eq!(patch(Some(&before), &wanted).unwrap(), Some(json!({"status": {"ingresses": 1}})));
    }
}
