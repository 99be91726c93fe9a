//! What a replica keeps in the cluster to be called: the Secret of its serving certificate, and the webhook configurations.

use std::collections::BTreeMap;

use albedo_engine::kinds::Key;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::{read, write};
use super::secrets::SecretValue;
use super::{Cluster, FIELD_MANAGER, ReadError, WriteError};

/// A Secret's texts and annotations, as they are stored.
#[derive(Debug, Clone, Default)]
pub struct ServingSecret {
    /// Values that are text.
    pub data: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.resourceVersion`.
    pub revision: Option<String>,
}

/// What is written into such a Secret. What has no value is removed; what is not named stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ServingSecretPatch {
    /// Values by key.
    pub data: BTreeMap<&'static str, Option<String>>,
    /// Annotations.
    pub annotations: BTreeMap<&'static str, Option<String>>,
}

/// One of the two webhook configurations, as it is stored.
#[derive(Debug, Clone)]
pub struct Registered {
    /// `metadata.generation`, which grows with every change of the webhooks, whoever makes it.
    pub generation: i64,
    /// `metadata.resourceVersion`.
    pub revision: Option<String>,
    /// The `caBundle` of each webhook, PEM; empty where there is none.
    pub bundles: Vec<Vec<u8>>,
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

    /// Writes it, if nobody has written it since the revision was read; without a revision it is created.
    ///
    /// No lease is needed: each replica serves, and of two that write at the same time one is refused.
    ///
    /// # Errors
    /// [`WriteError::Conflict`]: another replica was faster; look again.
    pub async fn put_serving_secret(
        &self,
        namespace: &str,
        name: &str,
        revision: Option<String>,
        secret: ServingSecretPatch,
    ) -> Result<(), WriteError> {
        let api: Api<Secret> = Api::namespaced(self.client(), namespace);
        let what = format!("write the Secret {namespace}/{name}");
        let manager = Some(FIELD_MANAGER.to_owned());
        let data = secret.data.into_iter().map(|(key, value)| (key, value.map(|text| ByteString(text.into_bytes()))));
        let written = match revision {
            Some(revision) => {
                let metadata = json!({"resourceVersion": revision, "annotations": secret.annotations});
                let patch = json!({"metadata": metadata, "data": data.collect::<BTreeMap<_, _>>()});
                let params = PatchParams { field_manager: manager, ..PatchParams::default() };
                write(&what, api.patch(name, &params, &Patch::Merge(&patch))).await
            }
            None => {
                let annotations =
                    secret.annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
                let object = Secret {
                    metadata: ObjectMeta {
                        name: Some(name.to_owned()),
                        annotations: Some(annotations.collect()),
                        labels: Some(BTreeMap::from([("app.kubernetes.io/name".to_owned(), "albedo".to_owned())])),
                        ..ObjectMeta::default()
                    },
                    data: Some(data.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()),
                    ..Secret::default()
                };
                let params = PostParams { field_manager: manager, ..PostParams::default() };
                write(&what, api.create(&params, &object)).await
            }
        };
        written.map(drop)
    }

    /// The validating and the mutating configuration of a name; `None` where there is none.
    ///
    /// # Errors
    /// They may not be read, or the API server gave no answer.
    pub async fn registered(&self, name: &str) -> Result<[Option<Registered>; 2], ReadError> {
        let what = format!("read the webhook configurations {name}");
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(self.client());
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(self.client());
        let validating = read(&what, validating.get(name)).await?.map(|found| {
            let clients = found.webhooks.into_iter().flatten().map(|webhook| webhook.client_config);
            Registered::of(found.metadata, clients)
        });
        let mutating = read(&what, mutating.get(name)).await?.map(|found| {
            let clients = found.webhooks.into_iter().flatten().map(|webhook| webhook.client_config);
            Registered::of(found.metadata, clients)
        });
        Ok([validating, mutating])
    }

    /// Makes a webhook configuration what it should be, whoever has changed it; nothing is written if it is that already. Returns its generation.
    /// With a `resourceVersion` it is written only if nobody has written it since.
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

impl Registered {
    fn of(metadata: ObjectMeta, clients: impl Iterator<Item = WebhookClientConfig>) -> Self {
        Self {
            generation: metadata.generation.unwrap_or_default(),
            revision: metadata.resource_version,
            bundles: clients.map(|client| client.ca_bundle.map(|bundle| bundle.0).unwrap_or_default()).collect(),
        }
    }
}
