//! Writes to Ingresses and bindings: the finalizer, which delays the deletion until AWS is clean, and the host names in the status.

use albedo_engine::kinds::{Key, TargetGroupBinding};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::{Api, Resource};
use serde_json::{Value, json};

use super::change::{Endpoint, ObjectWrite, Stored, namespaced};
use super::error::read;
use super::status::{Host, status_patch};
use super::{Cluster, LeaseProof, ReadError, WriteError};

impl Cluster {
    /// Adds a finalizer to an Ingress; writes nothing if the Ingress has it.
    ///
    /// # Errors
    /// If it was not written. It is a conflict if the object is being deleted: the API server accepts no finalizer then.
    pub async fn add_finalizer(
        &self,
        lease_proof: &LeaseProof,
        ingress: &Ingress,
        finalizer: &str,
    ) -> Result<(), WriteError> {
        self.add(lease_proof, ingress, finalizer).await
    }

    /// Removes a finalizer from an Ingress; others stay. It is no error if the Ingress does not exist any more.
    ///
    /// # Errors
    /// If it was not written; then the finalizer may still exist.
    pub async fn remove_finalizer(
        &self,
        lease_proof: &LeaseProof,
        ingress: &Ingress,
        finalizer: &str,
    ) -> Result<(), WriteError> {
        self.remove(lease_proof, ingress, finalizer).await
    }

    /// Adds a finalizer to a binding; writes nothing if the binding has it.
    ///
    /// # Errors
    /// If it was not written. It is a conflict if the object is being deleted: the API server accepts no finalizer then.
    pub async fn add_binding_finalizer(
        &self,
        lease_proof: &LeaseProof,
        binding: &TargetGroupBinding,
        finalizer: &str,
    ) -> Result<(), WriteError> {
        self.add(lease_proof, binding, finalizer).await
    }

    /// Removes a finalizer from a binding; others stay. It is no error if the binding does not exist any more.
    ///
    /// # Errors
    /// If it was not written; then the finalizer may still exist.
    pub async fn remove_binding_finalizer(
        &self,
        lease_proof: &LeaseProof,
        binding: &TargetGroupBinding,
        finalizer: &str,
    ) -> Result<(), WriteError> {
        self.remove(lease_proof, binding, finalizer).await
    }

    /// Writes the host names to the status of an Ingress; writes nothing if names and ports are the same.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn update_ingress_status(
        &self,
        lease_proof: &LeaseProof,
        ingress: &Ingress,
        hosts: &[Host],
    ) -> Result<(), WriteError> {
        let api = namespaced(self.client(), ingress);
        let what = format!("write the status of the Ingress {}", Key::of(&ingress.metadata));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Status, what: &what };
        change.make(ingress, |current| Ok(status_patch(current, hosts))).await.map(drop)
    }

    /// The present Ingress, read past every cache, before the first delete of a resource.
    ///
    /// # Errors
    /// If the API server does not answer, or refuses; then it may exist.
    pub async fn live_ingress(&self, key: &Key) -> Result<Option<Ingress>, ReadError> {
        let api: Api<Ingress> = Api::namespaced(self.client(), &key.namespace);
        read(&format!("read the Ingress {key}"), api.get(&key.name)).await
    }

    /// Whether a Service exists at present, read past every cache, before its targets are deregistered.
    ///
    /// # Errors
    /// If the API server does not answer, or refuses; then it may exist.
    pub async fn service_exists(&self, key: &Key) -> Result<bool, ReadError> {
        let api: Api<Service> = Api::namespaced(self.client(), &key.namespace);
        Ok(read(&format!("read the Service {key}"), api.get_metadata(&key.name)).await?.is_some())
    }

    async fn add<K: Finalized>(&self, lease_proof: &LeaseProof, object: &K, finalizer: &str) -> Result<(), WriteError> {
        let api = namespaced(self.client(), object);
        let what = format!("add the finalizer {finalizer} to the {} {}", K::kind(&()), Key::of(object.meta()));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Object, what: &what };
        let difference = |current: &K| with_finalizer(current, finalizer, &what);
        change.make(object, difference).await.map(drop)
    }

    async fn remove<K: Finalized>(
        &self,
        lease_proof: &LeaseProof,
        object: &K,
        finalizer: &str,
    ) -> Result<(), WriteError> {
        let api = namespaced(self.client(), object);
        let what = format!("remove the finalizer {finalizer} from the {} {}", K::kind(&()), Key::of(object.meta()));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Object, what: &what };
        let mut seen = object.clone();
        if without_finalizer(object, finalizer).is_none() {
            // It may have been added since. So, without a version, the object is read first,
            // because a finalizer that is left would keep the object for ever.
            seen.meta_mut().resource_version = None;
        }
        match change.make(&seen, |current| Ok(without_finalizer(current, finalizer))).await {
            Ok(_) | Err(WriteError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Kinds with finalizers of ours.
trait Finalized: Stored + Resource<Scope = NamespaceResourceScope> {}

impl<K: Stored + Resource<Scope = NamespaceResourceScope>> Finalized for K {}

fn finalizers<K: Resource>(object: &K) -> &[String] {
    object.meta().finalizers.as_deref().unwrap_or_default()
}

fn with_finalizer<K: Resource>(object: &K, finalizer: &str, what: &str) -> Result<Option<Value>, WriteError> {
    let held = finalizers(object);
    if held.iter().any(|other| other == finalizer) {
        return Ok(None);
    }
    if object.meta().deletion_timestamp.is_some() {
        return Err(WriteError::Conflict { what: what.to_owned(), status: None });
    }
    let all: Vec<&str> = held.iter().map(String::as_str).chain([finalizer]).collect();
    Ok(Some(json!({"metadata": {"finalizers": all}})))
}

fn without_finalizer<K: Resource>(object: &K, finalizer: &str) -> Option<Value> {
    let held = finalizers(object);
    let rest: Vec<&String> = held.iter().filter(|other| *other != finalizer).collect();
    (rest.len() < held.len()).then(|| json!({"metadata": {"finalizers": rest}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress(metadata: &Value) -> Ingress {
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    #[test]
    fn finalizers_of_others_stay() {
        let object = ingress(&json!({"finalizers": ["a", "ours"]}));
        assert_eq!(without_finalizer(&object, "ours"), Some(json!({"metadata": {"finalizers": ["a"]}})));
        assert_eq!(without_finalizer(&object, "b"), None);
        assert_eq!(with_finalizer(&object, "ours", "").unwrap(), None);
        assert_eq!(
            with_finalizer(&object, "b", "").unwrap(),
            Some(json!({"metadata": {"finalizers": ["a", "ours", "b"]}}))
        );
    }

    #[test]
    fn what_is_being_deleted_takes_no_finalizer() {
        let object = ingress(&json!({"finalizers": ["a"], "deletionTimestamp": "2026-01-02T03:04:05Z"}));
        assert!(matches!(with_finalizer(&object, "ours", "x"), Err(WriteError::Conflict { .. })));
        assert_eq!(with_finalizer(&object, "a", "x").unwrap(), None);
    }
}
