//! The `ConfigMap` in which LBC keeps what a binding registered in a target group that clusters share.

use albedo_engine::kinds::{Key, TARGETS_KEY, targets_config_map};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::change::check;
use super::error::{read, write};
use super::{Cluster, FIELD_MANAGER, LeaseProof, ReadError, WriteError};

impl Cluster {
    /// The list of a binding; `None` if there is none.
    ///
    /// # Errors
    /// If the API server does not answer, or refuses; then there may be one.
    pub async fn tracked(&self, binding: &Key) -> Result<Option<String>, ReadError> {
        let (api, name) = self.config_map(binding);
        let found = read(&format!("read the ConfigMap {}/{name}", binding.namespace), api.get(&name)).await?;
        Ok(found.and_then(|found| found.data.unwrap_or_default().remove(TARGETS_KEY)))
    }

    /// Writes the list of a binding.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn track(&self, lease_proof: &LeaseProof, binding: &Key, list: &str) -> Result<(), WriteError> {
        let (api, name) = self.config_map(binding);
        let what = format!("write the ConfigMap {}/{name}", binding.namespace);
        // LBC writes it by other means, so both are its managers.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {TARGETS_KEY: list}});
        check(lease_proof, &what)?;
        write(&what, api.patch(&name, &params, &Patch::Apply(&map))).await.map(drop)
    }

    /// Deletes the list of a binding. It is no error if there is none.
    ///
    /// # Errors
    /// If it was not deleted.
    pub async fn untrack(&self, lease_proof: &LeaseProof, binding: &Key) -> Result<(), WriteError> {
        let (api, name) = self.config_map(binding);
        let what = format!("delete the ConfigMap {}/{name}", binding.namespace);
        check(lease_proof, &what)?;
        match write(&what, api.delete(&name, &DeleteParams::default())).await {
            Ok(_) | Err(WriteError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn config_map(&self, binding: &Key) -> (Api<ConfigMap>, String) {
        (Api::namespaced(self.client(), &binding.namespace), targets_config_map(&binding.name))
    }
}
