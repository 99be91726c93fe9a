//! What a replica keeps in the cluster to be called: the Secret of its serving certificate, and the webhook configurations.

use std::collections::BTreeMap;

use albedo_engine::kinds::Key;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{read, write};
use super::secrets::SecretValue;
use super::{Cluster, FIELD_MANAGER, ReadError, WriteError};

/// A Secret's texts and annotations, at one revision.
#[derive(Debug, Clone, Default)]
pub struct ServingSecret {
    /// Values that are text.
    pub data: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.resourceVersion`; none of a Secret that does not exist yet.
    pub revision: Option<String>,
}

impl Cluster {
    /// The namespace of this Pod, or of the kubeconfig.
    #[must_use]
    pub fn own_namespace(&self) -> String {
        self.client().default_namespace().to_owned()
    }

    /// The user name that the API server knows this process by.
    ///
    /// # Errors
    /// The API server gave no answer.
    pub async fn own_user(&self) -> Result<String, WriteError> {
        let api: Api<SelfSubjectReview> = Api::all(self.client());
        let review =
            write("ask for the own user name", api.create(&PostParams::default(), &SelfSubjectReview::default()))
                .await?;
        Ok(review.status.and_then(|status| status.user_info?.username).unwrap_or_default())
    }

    /// A `ClusterRole` as an owner of other objects of the cluster: they go when it is deleted. `None` if it does not exist.
    ///
    /// # Errors
    /// It may not be read, or the API server gave no answer.
    pub async fn cluster_role_as_owner(&self, name: &str) -> Result<Option<OwnerReference>, ReadError> {
        let api: Api<ClusterRole> = Api::all(self.client());
        let role = read(&format!("read the ClusterRole {name}"), api.get_metadata(name)).await?;
        Ok(role.and_then(|role| {
            Some(OwnerReference {
                api_version: ClusterRole::api_version(&()).into_owned(),
                kind: ClusterRole::kind(&()).into_owned(),
                name: name.to_owned(),
                uid: role.metadata.uid?,
                ..OwnerReference::default()
            })
        }))
    }

    /// The Secret of the serving certificate; `None` if there is none.
    ///
    /// # Errors
    /// It may not be read, or the API server gave no answer.
    pub async fn serving_secret(&self, namespace: &str, name: &str) -> Result<Option<ServingSecret>, ReadError> {
        let secret = self.secret_value(&Key::new(namespace, name)).await?.map(SecretValue::into_secret);
        Ok(secret.map(|secret| ServingSecret {
            data: secret
                .data
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?)))
                .collect(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
            revision: secret.metadata.resource_version,
        }))
    }

    /// Writes it, if nobody has written it since it was read.
    ///
    /// No lease is needed: each replica serves, and of two that write at the same time one is refused.
    ///
    /// # Errors
    /// [`WriteError::Conflict`]: another replica was faster; look again.
    pub async fn put_serving_secret(
        &self,
        namespace: &str,
        name: &str,
        secret: &ServingSecret,
    ) -> Result<(), WriteError> {
        let api: Api<Secret> = Api::namespaced(self.client(), namespace);
        let (what, params) = (
            format!("write the Secret {namespace}/{name}"),
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() },
        );
        let object = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                annotations: Some(secret.annotations.clone()),
                labels: Some(BTreeMap::from([("app.kubernetes.io/name".to_owned(), "albedo".to_owned())])),
                resource_version: secret.revision.clone(),
                ..ObjectMeta::default()
            },
            data: Some(
                secret.data.iter().map(|(key, value)| (key.clone(), ByteString(value.clone().into_bytes()))).collect(),
            ),
            ..Secret::default()
        };
        let written = match secret.revision {
            Some(_) => write(&what, api.replace(name, &params, &object)).await,
            None => write(&what, api.create(&params, &object)).await,
        };
        written.map(drop)
    }

    /// `metadata.generation` of the validating and of the mutating configuration of a name, which grows with every change of the webhooks, whoever
    /// makes it; `None` where there is none.
    ///
    /// # Errors
    /// They may not be read, or the API server gave no answer.
    pub async fn registered(&self, name: &str) -> Result<[Option<i64>; 2], ReadError> {
        let what = format!("read the webhook configurations {name}");
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(self.client());
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(self.client());
        let validating = read(&what, validating.get_metadata(name)).await?;
        let mutating = read(&what, mutating.get_metadata(name)).await?;
        let generation = |found: ObjectMeta| found.generation.unwrap_or_default();
        Ok([validating.map(|found| generation(found.metadata)), mutating.map(|found| generation(found.metadata))])
    }

    /// Makes a webhook configuration what it should be, whoever has changed it; nothing is written if it is that already. Returns its generation.
    ///
    /// # Errors
    /// It was not written.
    pub async fn register<K>(&self, configuration: &K) -> Result<i64, WriteError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let name = configuration.meta().name.clone().unwrap_or_default();
        let api: Api<K> = Api::all(self.client());
        let (what, params) = (format!("write the {} {name}", K::kind(&())), PatchParams::apply(FIELD_MANAGER).force());
        let mut object = serde_json::to_value(configuration).unwrap_or_default();
        for (field, value) in [("apiVersion", K::api_version(&())), ("kind", K::kind(&()))] {
            if let Some(object) = object.as_object_mut() {
                object.insert(field.to_owned(), value.into());
            }
        }
        let stored = write(&what, api.patch(&name, &params, &Patch::Apply(&object))).await?;
        Ok(stored.meta().generation.unwrap_or_default())
    }
}
