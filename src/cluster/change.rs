//! How every object is changed: a merge patch of the difference with a resourceVersion; after a conflict the object is read again.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::write;
use super::{CALL_TIMEOUT, FIELD_MANAGER, LeaseProof, WriteError};

/// How often an object is read again after a conflict.
const ATTEMPTS: usize = 5;

/// A kind that is written.
pub trait Stored: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync {}

impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync> Stored for K {}

/// Which endpoint of the API an object is written through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// The object: metadata and spec.
    Object,
    /// Its status.
    Status,
}

/// One change of one object.
pub(super) struct ObjectWrite<'a, K> {
    pub(super) lease_proof: &'a LeaseProof,
    pub(super) api: &'a Api<K>,
    pub(super) endpoint: Endpoint,
    /// The operation, to follow "cannot" in messages.
    pub(super) what: &'a str,
}

impl<K: Stored> ObjectWrite<'_, K> {
    /// Writes the patch that `difference` computes for the object as it was seen. If the object has changed since, it is read and
    /// the patch computed again, at most [`ATTEMPTS`] times. Returns the stored object, or the object as it was seen
    /// if there is nothing to write.
    ///
    /// An object of the same name with another uid is never written: this is a conflict.
    pub(super) async fn make(
        &self,
        seen: &K,
        difference: impl Fn(&K) -> Result<Option<Value>, WriteError>,
    ) -> Result<K, WriteError> {
        let mut current = seen.clone();
        let mut conflict = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 || current.meta().resource_version.is_none() {
                current = self.see(seen.meta()).await?;
            }
            let Some(mut body) = difference(&current)? else { return Ok(current) };
            guard(&mut body, current.meta());
            match self.send(name(seen), &body).await {
                Err(WriteError::Conflict { status, .. }) => conflict = status,
                outcome => return outcome,
            }
        }
        Err(WriteError::Conflict { what: self.what.to_owned(), status: conflict })
    }

    async fn send(&self, name: &str, body: &Value) -> Result<K, WriteError> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(body);
        check(self.lease_proof, self.what)?;
        match self.endpoint {
            Endpoint::Object => write(self.what, self.api.patch(name, &params, &patch)).await,
            Endpoint::Status => write(self.what, self.api.patch_status(name, &params, &patch)).await,
        }
    }

    /// The present object, if it has still the same uid.
    async fn see(&self, meta: &ObjectMeta) -> Result<K, WriteError> {
        let name = meta.name.as_deref().unwrap_or_default();
        let found = write(self.what, self.api.get(name)).await?;
        if meta.uid.is_some() && found.meta().uid != meta.uid {
            return Err(WriteError::Conflict { what: self.what.to_owned(), status: None });
        }
        Ok(found)
    }
}

/// Deletes an object as it was seen. If it has changed since, it is not deleted, because the decision must be made again.
/// It is no error if the object does not exist any more.
pub(super) async fn delete<K: Stored>(
    lease_proof: &LeaseProof,
    api: &Api<K>,
    seen: &K,
    what: &str,
) -> Result<(), WriteError> {
    check(lease_proof, what)?;
    let meta = seen.meta();
    let preconditions = Preconditions { resource_version: meta.resource_version.clone(), uid: meta.uid.clone() };
    let params = DeleteParams::background().preconditions(preconditions);
    match write(what, api.delete(name(seen), &params)).await {
        Ok(_) | Err(WriteError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a write that is sent now ends before the lease does.
pub(super) fn check(lease_proof: &LeaseProof, what: &str) -> Result<(), WriteError> {
    if lease_proof.remaining() >= CALL_TIMEOUT {
        Ok(())
    } else {
        Err(WriteError::NoLeaseProof { what: what.to_owned() })
    }
}

pub(super) fn name<K: Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// The API for the namespace of an object.
pub(super) fn namespaced<K>(client: Client, object: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client, object.meta().namespace.as_deref().unwrap_or_default())
}

fn guard(body: &mut Value, meta: &ObjectMeta) {
    let Value::Object(body) = body else { return };
    let metadata = body.entry("metadata").or_insert_with(|| json!({}));
    if let Value::Object(metadata) = metadata {
        metadata.insert("resourceVersion".to_owned(), json!(meta.resource_version));
    }
}

/// The merge patch (RFC 7396) from `from` to `to`: removed fields are null, lists are whole. `None` if they are
/// equal.
pub(super) fn merge_patch<T: Serialize + ?Sized>(from: &T, to: &T) -> Result<Option<Value>, serde_json::Error> {
    Ok(difference(&serde_json::to_value(from)?, &serde_json::to_value(to)?))
}

fn difference(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = Map::new();
            for (key, value) in to {
                match from.get(key) {
                    // A null in a merge patch means "remove", so a field that becomes null is removed.
                    Some(before) => patch.extend(difference(before, value).map(|change| (key.clone(), change))),
                    None if value.is_null() => {}
                    None => patch.extend([(key.clone(), value.clone())]),
                }
            }
            patch.extend(from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null)));
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (from, to) => (from != to).then(|| to.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_holds_the_difference_alone() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), Some(json!({"b": null}))),
            (json!({"a": {"x": 1, "y": 2}}), json!({"a": {"y": 3}}), Some(json!({"a": {"x": null, "y": 3}}))),
            (json!({"a": [1, 2]}), json!({"a": [2]}), Some(json!({"a": [2]}))),
            (json!({"a": {"b": 1}}), json!({"a": [1]}), Some(json!({"a": [1]}))),
            (json!({}), json!({"a": {"b": null}}), Some(json!({"a": {"b": null}}))),
            (json!({}), json!({"a": null}), None),
        ];
        for (from, to, patch) in cases {
            assert_eq!(merge_patch(&from, &to).unwrap(), patch, "{from} to {to}");
        }
    }

    #[test]
    fn a_patch_names_the_version_that_was_seen() {
        let mut body = json!({"metadata": {"finalizers": ["a"]}, "spec": {}});
        guard(&mut body, &ObjectMeta { resource_version: Some("7".to_owned()), ..ObjectMeta::default() });
        assert_eq!(body, json!({"metadata": {"finalizers": ["a"], "resourceVersion": "7"}, "spec": {}}));
    }
}
