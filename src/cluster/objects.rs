//! Writes to our own objects: bindings, and the `IngressGroup` objects of the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_engine::kinds::{IngressGroup, IngressGroupStatus, Key, TargetGroupBinding};
use albedo_engine::world::World;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Api;
use kube::api::PostParams;
use serde::Serialize;
use serde_json::{Value, json};

use super::change::{self, Endpoint, ObjectWrite, Stored, check, merge_patch, name, namespaced};
use super::error::write;
use super::{Cluster, FIELD_MANAGER, LeaseProof, WriteError};

/// The condition of a binding, which LBC writes, too.
const READY: &str = "Ready";

impl Cluster {
    /// Writes a binding as desired, and returns the stored one: creates it, or patches differences in its spec and
    /// labels. Other labels are removed; annotations are added, and other annotations stay.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn apply_binding(
        &self,
        lease_proof: &LeaseProof,
        desired: &TargetGroupBinding,
    ) -> Result<TargetGroupBinding, WriteError> {
        let key = Key::of(&desired.metadata);
        let api = namespaced(self.client(), desired);
        let what = format!("write the TargetGroupBinding {key}");
        let seen = match self.read(|world| world.binding(&key).cloned()) {
            Some(seen) => seen,
            None => match create(lease_proof, &api, desired, &what).await? {
                Created::New(stored) => return Ok(stored),
                Created::There(stored) => Arc::new(stored),
            },
        };
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Object, what: &what };
        change.make(&seen, |current| binding_patch(current, desired).map_err(|error| unserialised(&what, error))).await
    }

    /// Deletes a binding as it was seen. It is a conflict if it has changed since, and no error if it does not exist any more.
    ///
    /// # Errors
    /// If it was not deleted.
    pub async fn delete_binding(
        &self,
        lease_proof: &LeaseProof,
        binding: &TargetGroupBinding,
    ) -> Result<(), WriteError> {
        let what = format!("delete the TargetGroupBinding {}", Key::of(&binding.metadata));
        change::delete(lease_proof, &namespaced(self.client(), binding), binding, &what).await
    }

    /// Writes to the status of a binding which generation has been registered, and why it is held (reason and text) or that it no longer
    /// is: the condition `Ready`, which exists from the first reason on.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn update_binding_status(
        &self,
        lease_proof: &LeaseProof,
        binding: &TargetGroupBinding,
        observed_generation: Option<i64>,
        held: Option<(&str, &str)>,
    ) -> Result<(), WriteError> {
        let api = namespaced(self.client(), binding);
        let what = format!("write the status of the TargetGroupBinding {}", Key::of(&binding.metadata));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Status, what: &what };
        let now = Timestamp::now();
        let difference = |current: &TargetGroupBinding| Ok(binding_status(current, observed_generation, held, now));
        change.make(binding, difference).await.map(drop)
    }

    /// Writes the seal of a record to the status of a binding: who may write bindings may not write their status.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn seal_binding(
        &self,
        lease_proof: &LeaseProof,
        binding: &TargetGroupBinding,
        type_: &str,
        seal: &str,
    ) -> Result<TargetGroupBinding, WriteError> {
        let api = namespaced(self.client(), binding);
        let what = format!("write the status of the TargetGroupBinding {}", Key::of(&binding.metadata));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Status, what: &what };
        let now = Timestamp::now();
        let difference = |current: &TargetGroupBinding| Ok(binding_seal(current, type_, seal, now));
        change.make(binding, difference).await
    }

    /// Writes to annotations of a binding what was registered for it, and when; an empty line means that it is unknown.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn update_checkpoint(
        &self,
        lease_proof: &LeaseProof,
        binding: &TargetGroupBinding,
        notes: &BTreeMap<&str, String>,
    ) -> Result<TargetGroupBinding, WriteError> {
        let api = namespaced(self.client(), binding);
        let what = format!("write the checkpoint of the TargetGroupBinding {}", Key::of(&binding.metadata));
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Object, what: &what };
        let difference = |current: &TargetGroupBinding| {
            let held = current.metadata.annotations.as_ref();
            let same = |(key, value): (&&str, &String)| held.and_then(|held| held.get(*key)) == Some(value);
            Ok((!notes.iter().all(same)).then(|| json!({"metadata": {"annotations": notes}})))
        };
        change.make(binding, difference).await
    }

    /// Writes the ledger of a group: creates the object if it does not exist, and patches its status if it
    /// differs. A later time alone is not a difference.
    ///
    /// # Errors
    /// If it was not written.
    pub async fn write_group(&self, lease_proof: &LeaseProof, desired: &IngressGroup) -> Result<(), WriteError> {
        let api: Api<IngressGroup> = Api::all(self.client());
        let what = format!("write the IngressGroup {}", name(desired));
        let known = self.read(World::group_objects).into_iter().find(|known| name(known.as_ref()) == name(desired));
        let seen = match known {
            Some(seen) => seen,
            None => Arc::new(match create(lease_proof, &api, desired, &what).await? {
                Created::New(stored) | Created::There(stored) => stored,
            }),
        };
        let change = ObjectWrite { lease_proof, api: &api, endpoint: Endpoint::Status, what: &what };
        let wanted = desired.status.clone().unwrap_or_default();
        change
            .make(&seen, |current| ledger_patch(current, &wanted).map_err(|error| unserialised(&what, error)))
            .await
            .map(drop)
    }

    /// Deletes the ledger of a group, whatever its content: nobody else writes it, and the pass that deletes it has written it.
    /// It is a conflict if another object has its name now, and no error if it does not exist any more.
    ///
    /// # Errors
    /// If it was not deleted.
    pub async fn delete_group(&self, lease_proof: &LeaseProof, group: &IngressGroup) -> Result<(), WriteError> {
        let mut any = group.clone();
        any.metadata.resource_version = None;
        change::delete(lease_proof, &Api::all(self.client()), &any, &format!("delete the IngressGroup {}", name(group)))
            .await
    }
}

enum Created<K> {
    New(K),
    /// The object existed already, unknown to the caller.
    There(K),
}

async fn create<K: Stored + Serialize>(
    lease_proof: &LeaseProof,
    api: &Api<K>,
    desired: &K,
    what: &str,
) -> Result<Created<K>, WriteError> {
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    check(lease_proof, what)?;
    match write(what, api.create(&params, desired)).await {
        Ok(stored) => Ok(Created::New(stored)),
        Err(WriteError::Conflict { .. }) => write(what, api.get(name(desired))).await.map(Created::There),
        Err(error) => Err(error),
    }
}

fn binding_status(
    current: &TargetGroupBinding,
    observed_generation: Option<i64>,
    held: Option<(&str, &str)>,
    now: Timestamp,
) -> Option<Value> {
    let is = current.status.clone().unwrap_or_default();
    let mut patch = serde_json::Map::new();
    if let Some(observed) = observed_generation.filter(|observed| is.observed_generation != Some(*observed)) {
        patch.insert("observedGeneration".to_owned(), json!(observed));
    }
    let ready = is.conditions.iter().find(|condition| condition.type_ == READY);
    let wanted = match (held, ready) {
        (Some((reason, text)), _) => Some(("False", reason, text)),
        (None, Some(ready)) if ready.status == "False" => Some(("True", "Reconciled", "targets are registered")),
        (None, _) => None,
    };
    let is_said = |(status, reason, text): &(&str, &str, &str)| {
        ready.is_some_and(|ready| ready.status == *status && ready.reason == *reason && ready.message == *text)
    };
    if let Some((status, reason, text)) = wanted.filter(|wanted| !is_said(wanted)) {
        let since = ready.filter(|ready| ready.status == status).map(|ready| ready.last_transition_time.clone());
        let condition = Condition {
            type_: READY.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: text.to_owned(),
            last_transition_time: since.unwrap_or(Time(now)),
            observed_generation: current.metadata.generation,
        };
        let others = is.conditions.iter().filter(|other| other.type_ != READY).cloned();
        patch.insert("conditions".to_owned(), json!(others.chain([condition]).collect::<Vec<_>>()));
    }
    (!patch.is_empty()).then(|| json!({"status": patch}))
}

fn binding_seal(current: &TargetGroupBinding, type_: &str, seal: &str, now: Timestamp) -> Option<Value> {
    let conditions = current.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if conditions.iter().any(|condition| condition.type_ == type_ && condition.message == seal) {
        return None;
    }
    let condition = Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: "Registered".to_owned(),
        message: seal.to_owned(),
        last_transition_time: Time(now),
        observed_generation: current.metadata.generation,
    };
    let others = conditions.iter().filter(|other| other.type_ != type_).cloned();
    Some(json!({"status": {"conditions": others.chain([condition]).collect::<Vec<_>>()}}))
}

fn binding_patch(
    current: &TargetGroupBinding,
    desired: &TargetGroupBinding,
) -> Result<Option<Value>, serde_json::Error> {
    let (is, wanted) = (&current.metadata, &desired.metadata);
    let empty = BTreeMap::new();
    let labels = merge_patch(is.labels.as_ref().unwrap_or(&empty), wanted.labels.as_ref().unwrap_or(&empty))?;
    let held = is.annotations.as_ref().unwrap_or(&empty);
    let annotations: serde_json::Map<String, Value> = wanted
        .annotations
        .iter()
        .flatten()
        .filter(|(key, value)| held.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let spec = merge_patch(&current.spec, &desired.spec)?;
    if labels.is_none() && annotations.is_empty() && spec.is_none() {
        return Ok(None);
    }
    let mut metadata = serde_json::Map::new();
    metadata.extend(labels.map(|labels| ("labels".to_owned(), labels)));
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let mut body = serde_json::Map::from_iter([("metadata".to_owned(), Value::Object(metadata))]);
    body.extend(spec.map(|spec| ("spec".to_owned(), spec)));
    Ok(Some(Value::Object(body)))
}

fn ledger_patch(current: &IngressGroup, wanted: &IngressGroupStatus) -> Result<Option<Value>, serde_json::Error> {
    let is = current.status.clone().unwrap_or_default();
    let mut wanted = wanted.clone();
    keep_times(&is, &mut wanted);
    // A missing status differs even from a status with only default values.
    if current.status.is_some() && is == wanted {
        return Ok(None);
    }
    let from = if current.status.is_some() { serde_json::to_value(&is)? } else { json!({}) };
    Ok(Some(json!({"status": merge_patch(&from, &serde_json::to_value(&wanted)?)?.unwrap_or_else(|| json!({}))})))
}

/// A condition that has not changed keeps its time.
fn keep_times(is: &IngressGroupStatus, wanted: &mut IngressGroupStatus) {
    if let (Some(is), Some(wanted)) = (&is.applied, &mut wanted.applied)
        && is.fingerprint == wanted.fingerprint
        && is.at.is_some()
    {
        wanted.at.clone_from(&is.at);
    }
    for condition in &mut wanted.conditions {
        let before =
            is.conditions.iter().find(|before| before.type_ == condition.type_ && before.status == condition.status);
        if let Some(before) = before {
            condition.last_transition_time = before.last_transition_time.clone();
        }
    }
}

fn unserialised(what: &str, error: serde_json::Error) -> WriteError {
    WriteError::Other { what: what.to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(value: &Value) -> TargetGroupBinding {
        let mut object = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding"});
        object.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_binding_is_patched_by_what_differs() {
        let spec = json!({"serviceRef": {"name": "s", "port": 80}, "targetType": "ip", "networking": {"ingress": []}});
        let current = binding(&json!({
            "metadata": {"name": "b", "labels": {"old": "1", "same": "2"}, "annotations": {"theirs": "x"}}, "spec": spec,
        }));
        assert_eq!(binding_patch(&current, &current).unwrap(), None);
        let mut desired = current.clone();
        desired.metadata.annotations = None;
        assert_eq!(binding_patch(&current, &desired).unwrap(), None, "annotations of others are not ours to remove");
        desired.metadata.labels =
            Some([("same".to_owned(), "2".to_owned()), ("new".to_owned(), "3".to_owned())].into());
        desired.metadata.annotations = Some([("ours".to_owned(), "y".to_owned())].into());
        desired.spec.networking = None;
        desired.spec.service_ref.name = "t".to_owned();
        assert_eq!(
            binding_patch(&current, &desired).unwrap(),
            Some(json!({
                "metadata": {"labels": {"old": null, "new": "3"}, "annotations": {"ours": "y"}},
                "spec": {"networking": null, "serviceRef": {"name": "t"}},
            }))
        );
    }

    fn group(status: Option<Value>) -> IngressGroup {
        let mut object = json!({
            "apiVersion": "albedo.dev/v1alpha1", "kind": "IngressGroup", "metadata": {"name": "group.x"}, "spec": {"stack": "x"},
        });
        if let Some(status) = status {
            object["status"] = status;
        }
        serde_json::from_value(object).unwrap()
    }

    fn status(value: Value) -> IngressGroupStatus {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_later_time_of_the_same_is_not_written() {
        let at = |time: &str, fingerprint: &str, ready: &str| {
            json!({"state": "Ready", "applied": {"fingerprint": fingerprint, "at": time}, "conditions": [{"type": "Ready",
                "status": ready, "reason": "R", "message": "m", "lastTransitionTime": time}]})
        };
        let current = group(Some(at("2026-01-01T00:00:00Z", "f", "True")));
        assert_eq!(ledger_patch(&current, &status(at("2026-02-02T00:00:00Z", "f", "True"))).unwrap(), None);
        let patch = ledger_patch(&current, &status(at("2026-02-02T00:00:00Z", "g", "True"))).unwrap().unwrap();
        assert_eq!(patch, json!({"status": {"applied": {"fingerprint": "g", "at": "2026-02-02T00:00:00Z"}}}));
        let patch = ledger_patch(&current, &status(at("2026-02-02T00:00:00Z", "f", "False"))).unwrap().unwrap();
        assert_eq!(patch["status"]["conditions"][0]["lastTransitionTime"], "2026-02-02T00:00:00Z");
        assert!(patch["status"].get("applied").is_none(), "{patch}");
    }

    #[test]
    fn what_leaves_the_ledger_is_removed() {
        let current = group(Some(json!({"resources": {"a": "arn:a", "b": "arn:b"}, "loadBalancer": {"name": "x"}})));
        let patch = ledger_patch(&current, &status(json!({"resources": {"b": "arn:b"}}))).unwrap().unwrap();
        assert_eq!(patch, json!({"status": {"resources": {"a": null}, "loadBalancer": null}}));
        assert!(
            ledger_patch(&group(None), &IngressGroupStatus::default()).unwrap().is_some(),
            "a first status is written"
        );
    }
}
