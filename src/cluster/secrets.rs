//! Secrets, read and watched one by one when an Ingress names one: Albedo needs no permission for others, and keeps no values.

use std::fmt;
use std::future::ready;

use albedo_engine::kinds::{Key, is_subdomain};
use albedo_engine::world::{Changes, Object, SecretKeys};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};

use super::error::read;
use super::watch::WATCH_SECONDS;
use super::{Cluster, ReadError};

/// The values of a Secret at one revision, for immediate use. Its debug text has only names.
pub struct SecretValue(Secret);

impl SecretValue {
    /// A value as text; `None` without such a key, or if its bytes are not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(&self.0.data.as_ref()?.get(name)?.0).ok()
    }

    /// The whole Secret.
    pub(super) fn into_secret(self) -> Secret {
        self.0
    }

    /// Its keys and its revision.
    #[must_use]
    pub fn keys(&self) -> SecretKeys {
        SecretKeys {
            keys: self.0.data.iter().flatten().map(|(name, _)| name.clone()).collect(),
            labels: self.0.metadata.labels.clone().unwrap_or_default(),
            revision: self.0.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretValue").field(&self.keys()).finish()
    }
}

impl Cluster {
    /// The `metadata.resourceVersion` of a Secret, without its values; `None` if the Secret does not exist.
    ///
    /// # Errors
    /// If it may not be read, or the API server does not answer. In both cases it may exist.
    pub async fn secret_revision(&self, key: &Key) -> Result<Option<String>, ReadError> {
        if !is_subdomain(&key.name) {
            return Ok(None);
        }
        let api: Api<Secret> = Api::namespaced(self.client(), &key.namespace);
        let meta = read(&format!("read the Secret {key}"), api.get_metadata(&key.name)).await?;
        Ok(meta.and_then(|meta| meta.metadata.resource_version))
    }

    /// The `metadata.resourceVersion` of a Secret, now and after each change; `None` while the Secret does not exist. Its values are not transferred.
    ///
    /// It needs `list` and `watch` on the Secret of this name: the API server takes the name from the field selector
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources>).
    pub fn secret_revisions(
        &self,
        key: &Key,
    ) -> impl Stream<Item = Result<Option<String>, watcher::Error>> + Send + use<> {
        let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client(), &key.namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", key.name)).timeout(WATCH_SECONDS);
        let mut listed = None;
        watcher(api, config).filter_map(move |event| {
            ready(match event {
                Ok(Event::Init) => {
                    listed = None;
                    None
                }
                Ok(Event::InitApply(secret)) => {
                    listed = secret.metadata.resource_version;
                    None
                }
                Ok(Event::InitDone) => Some(Ok(listed.take())),
                Ok(Event::Apply(secret)) => Some(Ok(secret.metadata.resource_version)),
                Ok(Event::Delete(_)) => Some(Ok(None)),
                Err(error) => Some(Err(error)),
            })
        })
    }

    /// Adds unknown Secrets to the world, if they exist and may be read. This affects no group, because nothing has
    /// changed.
    pub async fn learn_secrets(&self, keys: &[Key]) {
        for key in keys {
            match self.secret_value(key).await {
                Ok(Some(secret)) => self.tell(|world| {
                    world.apply(Object::Secret { key: key.clone(), keys: secret.keys() });
                    Changes::new()
                }),
                Ok(None) => {}
                Err(error) => tracing::debug!(secret = %key, %error, "a Secret that an Ingress names cannot be read"),
            }
        }
    }

    /// The values of a Secret at one revision; `None` if the Secret does not exist. An invalid name is not sent: in a URL it could
    /// have another meaning.
    ///
    /// # Errors
    /// If it may not be read, or the API server does not answer. In both cases it may exist.
    pub async fn secret_value(&self, key: &Key) -> Result<Option<SecretValue>, ReadError> {
        if !is_subdomain(&key.name) {
            return Ok(None);
        }
        let api: Api<Secret> = Api::namespaced(self.client(), &key.namespace);
        let secret = read(&format!("read the Secret {key}"), api.get(&key.name)).await?;
        Ok(secret.map(SecretValue))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn no_byte_of_a_secret_gets_into_a_log() {
        let data = Some([("clientSecret".to_owned(), ByteString(b"hunter2".to_vec()))].into());
        let secret = Secret { data, ..Secret::default() };
        let value = SecretValue(secret);
        assert_eq!(value.text("clientSecret"), Some("hunter2"));
        assert_eq!(value.text("clientID"), None);
        let debug = format!("{value:?}");
        assert!(debug.contains("clientSecret") && !debug.contains("hunter2"), "{debug}");
    }
}
