//! The `ConfigMaps` in which the leader publishes facts of the account: an index that is small and written often, and parts with the content, written when it changes.
//!
//! Parts are written before the index that names them, and each carries the digest of the whole. So a reader who finds another digest in a part has met a writer
//! at work, or a forgery, and keeps what it has.

use std::collections::BTreeMap;
use std::future::ready;

use futures::{Stream, StreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::change::check;
use super::error::{read, write};
use super::watch::WATCH_SECONDS;
use super::{Cluster, FIELD_MANAGER, LeaseProof, ReadError, WriteError};

/// The most parts. The roles of the chart name so many.
pub const PARTS: usize = 4;
/// The most bytes of a part: a `ConfigMap` has 1 MiB for names and values.
pub const PART: usize = 1000 << 10;

const INDEX: &str = "index.json";
const DIGEST: &str = "digest";
const CONTENT: &str = "facts.json.gz";
const ASKED: &str = "asked";

/// Where facts are published. The request and the parts have this name with a suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsPlace {
    /// The namespace.
    pub namespace: String,
    /// The name of the index.
    pub name: String,
}

impl FactsPlace {
    /// The `ConfigMap` by which a replica asks that facts be read again.
    #[must_use]
    pub fn request(&self) -> String {
        format!("{}-request", self.name)
    }

    fn part(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

impl std::fmt::Display for FactsPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is published, but the content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FactsIndex {
    /// The form of the content.
    pub form: u32,
    /// The digest of the content.
    pub digest: String,
    /// The number of parts.
    pub parts: usize,
    /// When each kind was read.
    pub read_at: BTreeMap<String, String>,
    /// Kinds that could not be read the last time.
    #[serde(default)]
    pub failing: Vec<String>,
    /// The revision of the last request that was there before they were read.
    #[serde(default)]
    pub answered: Option<u64>,
}

/// An index as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredIndex {
    /// There is none.
    Absent,
    /// One.
    Found(Box<FactsIndex>),
    /// One that cannot be read, and why.
    Damaged(String),
}

impl StoredIndex {
    fn of(map: Option<ConfigMap>) -> Self {
        let Some(map) = map else { return Self::Absent };
        let Some(text) = map.data.and_then(|mut data| data.remove(INDEX)) else {
            return Self::Damaged(format!("it has no {INDEX}"));
        };
        match serde_json::from_str(&text) {
            Ok(index) => Self::Found(Box::new(index)),
            Err(error) => Self::Damaged(format!("{INDEX} cannot be decoded: {error}")),
        }
    }
}

impl Cluster {
    /// The index as it is stored now.
    ///
    /// # Errors
    /// It may not be read, or the API server gave no answer.
    pub async fn facts_index(&self, place: &FactsPlace) -> Result<StoredIndex, ReadError> {
        let found = read(&format!("read the ConfigMap {place}"), self.config_maps(place).get(&place.name)).await?;
        Ok(StoredIndex::of(found))
    }

    /// The index, now and after each change.
    pub fn facts_indices(
        &self,
        place: &FactsPlace,
    ) -> impl Stream<Item = Result<StoredIndex, watcher::Error>> + Send + use<> {
        self.config_map_changes(place, &place.name).map(|found| found.map(StoredIndex::of))
    }

    /// The content that an index names, its parts joined; `None` if they are not those of this index.
    ///
    /// # Errors
    /// One may not be read, or the API server gave no answer.
    pub async fn facts_content(&self, place: &FactsPlace, index: &FactsIndex) -> Result<Option<Vec<u8>>, ReadError> {
        let api = self.config_maps(place);
        let mut whole = Vec::new();
        for number in 1..=index.parts.min(PARTS) {
            let name = place.part(number);
            let found = read(&format!("read the ConfigMap {}/{name}", place.namespace), api.get(&name)).await?;
            let Some(part) =
                found.filter(|part| part.data.as_ref().and_then(|data| data.get(DIGEST)) == Some(&index.digest))
            else {
                return Ok(None);
            };
            let Some(ByteString(bytes)) = part.binary_data.and_then(|mut data| data.remove(CONTENT)) else {
                return Ok(None);
            };
            whole.extend(bytes);
        }
        Ok(Some(whole))
    }

    /// Writes the parts of a content.
    ///
    /// # Errors
    /// Not all of them were written; then no index names them.
    pub async fn put_facts_content(
        &self,
        lease_proof: &LeaseProof,
        place: &FactsPlace,
        digest: &str,
        content: &[u8],
    ) -> Result<usize, WriteError> {
        let mut count = 0;
        for (number, bytes) in (1..).zip(content.chunks(PART)) {
            let name = place.part(number);
            let map = json!({"data": {DIGEST: digest}, "binaryData": {CONTENT: ByteString(bytes.to_vec())}});
            self.put_config_map(lease_proof, place, &name, map).await?;
            count = number;
        }
        Ok(count)
    }

    /// Writes the index.
    ///
    /// # Errors
    /// It was not written.
    pub async fn put_facts_index(
        &self,
        lease_proof: &LeaseProof,
        place: &FactsPlace,
        index: &FactsIndex,
    ) -> Result<(), WriteError> {
        // Maps of texts always have a JSON form.
        let text = serde_json::to_string(index).unwrap_or_default();
        self.put_config_map(lease_proof, place, &place.name, json!({"data": {INDEX: text}})).await
    }

    /// Makes the `ConfigMap` by which others ask, if there is none. What they wrote stays.
    ///
    /// # Errors
    /// It was not made.
    pub async fn put_facts_request(&self, lease_proof: &LeaseProof, place: &FactsPlace) -> Result<(), WriteError> {
        self.put_config_map(lease_proof, place, &place.request(), json!({})).await
    }

    /// Asks the leader to read facts again, and returns the revision of the request. `token` has to differ from the last one.
    ///
    /// # Errors
    /// Nobody is asked. Without a leader that has published facts there is nothing to write to.
    pub async fn ask_for_facts(&self, place: &FactsPlace, token: &str) -> Result<Option<u64>, WriteError> {
        let what = format!("ask in the ConfigMap {place}-request that facts be read again");
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"data": {ASKED: token}}));
        let stored = write(&what, self.config_maps(place).patch(&place.request(), &params, &patch)).await?;
        Ok(revision(&stored))
    }

    /// The revision of the request, now and after each change; `None` while there is none.
    pub fn facts_requests(
        &self,
        place: &FactsPlace,
    ) -> impl Stream<Item = Result<Option<u64>, watcher::Error>> + Send + use<> {
        let asked = |map: ConfigMap| map.data.as_ref().and_then(|data| data.get(ASKED)).and_then(|_| revision(&map));
        self.config_map_changes(place, &place.request()).map(move |found| found.map(|map| map.and_then(asked)))
    }

    async fn put_config_map(
        &self,
        lease_proof: &LeaseProof,
        place: &FactsPlace,
        name: &str,
        mut map: serde_json::Value,
    ) -> Result<(), WriteError> {
        if let Some(map) = map.as_object_mut() {
            let labels = json!({"app.kubernetes.io/name": "albedo"});
            map.insert("apiVersion".to_owned(), json!("v1"));
            map.insert("kind".to_owned(), json!("ConfigMap"));
            map.insert("metadata".to_owned(), json!({"name": name, "labels": labels}));
        }
        let what = format!("write the ConfigMap {}/{name}", place.namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        check(lease_proof, &what)?;
        write(&what, self.config_maps(place).patch(name, &params, &Patch::Apply(&map))).await.map(drop)
    }

    fn config_maps(&self, place: &FactsPlace) -> Api<ConfigMap> {
        Api::namespaced(self.client(), &place.namespace)
    }

    /// A `ConfigMap`, now and after each change. It needs `list` and `watch` on the one of this name.
    fn config_map_changes(
        &self,
        place: &FactsPlace,
        name: &str,
    ) -> impl Stream<Item = Result<Option<ConfigMap>, watcher::Error>> + Send + use<> {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS);
        let mut listed = None;
        watcher(self.config_maps(place), config).filter_map(move |event| {
            ready(match event {
                Ok(Event::Init) => {
                    listed = None;
                    None
                }
                Ok(Event::InitApply(map)) => {
                    listed = Some(map);
                    None
                }
                Ok(Event::InitDone) => Some(Ok(listed.take())),
                Ok(Event::Apply(map)) => Some(Ok(Some(map))),
                Ok(Event::Delete(_)) => Some(Ok(None)),
                Err(error) => Some(Err(error)),
            })
        })
    }
}

/// Revisions of one object are numbers that grow:
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>.
fn revision(map: &ConfigMap) -> Option<u64> {
    map.metadata.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_found_absent_or_damaged() {
        let stored = |data: serde_json::Value| {
            StoredIndex::of(Some(serde_json::from_value(json!({"metadata": {"name": "a"}, "data": data})).unwrap()))
        };
        let index =
            FactsIndex { form: 1, digest: "d".to_owned(), parts: 1, answered: Some(7), ..FactsIndex::default() };
        let text = serde_json::to_string(&index).unwrap();
        assert_eq!(stored(json!({INDEX: text})), StoredIndex::Found(Box::new(index)));
        assert_eq!(StoredIndex::of(None), StoredIndex::Absent);
        for data in [json!({}), json!({INDEX: "{"}), json!({INDEX: "{}"}), json!({INDEX: r#"{"form": -1}"#})] {
            assert!(matches!(stored(data.clone()), StoredIndex::Damaged(_)), "{data}");
        }
    }
}
