//! Kubernetes objects of the tests, and what is read of them afterwards.

use albedo_testenv::eventually;
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::{Map, Value, json};

use crate::fixture::{Fixture, SOON, tail};

pub const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// Annotations, ours without their prefix.
pub fn annotations(pairs: &[(&str, &str)]) -> Value {
    let key = |key: &str| if key.contains('/') { key.to_owned() } else { format!("{PREFIX}{key}") };
    Value::Object(pairs.iter().map(|(k, v)| (key(k), json!(v))).collect::<Map<_, _>>())
}

/// One rule of paths to Services, `(path, type, service, port)`, for a host or for every one.
pub fn rule(host: Option<&str>, paths: &[(&str, &str, &str, u16)]) -> Value {
    let paths: Vec<Value> = paths
        .iter()
        .map(|(path, kind, service, port)| {
            json!({"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": port}}}})
        })
        .collect();
    match host {
        Some(host) => json!({"host": host, "http": {"paths": paths}}),
        None => json!({"http": {"paths": paths}}),
    }
}

/// A Service in front of the pods of the Deployment of the same name.
pub fn service(name: &str, kind: &str, port: u16, target: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "type": kind, "selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": target}]}})
}

/// A Deployment whose pods are labelled `app: NAME`.
pub fn deployment(name: &str, replicas: u32, port: u16) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {
            "containers": [{"name": "app", "image": "none", "ports": [{"containerPort": port}]}]}}}})
}

impl Fixture {
    /// An Ingress of this test's class.
    pub fn ingress(&self, name: &str, pairs: &[(&str, &str)], rules: &Value) -> Value {
        let mut ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "annotations": annotations(pairs)},
            "spec": {"ingressClassName": self.scope.class, "rules": rules}});
        let empty = rules.as_array().is_some_and(Vec::is_empty);
        if empty {
            ingress["spec"]["rules"] = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
        }
        if pairs.is_empty() {
            ingress["metadata"].as_object_mut().map(|meta| meta.remove("annotations"));
        }
        ingress
    }

    /// An Ingress as it is stored.
    pub async fn stored(&self, name: &str) -> Result<Ingress> {
        self.scope.api::<Ingress>().get(name).await.with_context(|| format!("reading the Ingress {name}"))
    }

    /// Waits until an Ingress has a host name in its status.
    pub async fn hostname(&self, name: &str) -> Result<String> {
        let what = format!("Ingress {name} has an address");
        let found = eventually(&what, SOON, async || Ok(hostname_of(&self.stored(name).await?)));
        found.await.with_context(|| tail(&self.log()))
    }

    /// Reason and message of the events on an Ingress, in the order of their making.
    pub async fn events(&self, name: &str) -> Result<Vec<(String, String)>> {
        let selector = format!("involvedObject.kind=Ingress,involvedObject.name={name}");
        let mut events = self.scope.api::<Event>().list(&ListParams::default().fields(&selector)).await?.items;
        events.sort_by_key(|event| event.metadata.creation_timestamp.clone().map(|time| time.0));
        Ok(events.into_iter().map(|e| (e.reason.unwrap_or_default(), e.message.unwrap_or_default())).collect())
    }

    /// Waits for an event with a text in its message.
    pub async fn event(&self, name: &str, reason: &str, text: &str) -> Result<String> {
        let what = format!("an event {reason} with {text:?} on {name}");
        let found = eventually(&what, SOON, async || {
            let events = self.events(name).await?;
            let hit = events.iter().find(|(is, message)| is == reason && message.contains(text));
            hit.map(|(_, message)| Some(message.clone())).with_context(|| format!("there are {events:?}"))
        });
        found.await.with_context(|| tail(&self.log()))
    }

    /// The resourceVersions of an Ingress and of all bindings of the namespace.
    pub async fn versions(&self, ingress: &str) -> Result<Vec<String>> {
        let kinds = format!("ingress.networking.k8s.io/{ingress}");
        let one = self.kubectl(&["get", &kinds, "-o", "jsonpath={.metadata.resourceVersion}"]).await?;
        let all = r#"jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion}{"\n"}{end}"#;
        let bindings = self.kubectl(&["get", "targetgroupbindings", "-o", all]).await?;
        Ok(std::iter::once(one).chain(bindings.lines().map(ToOwned::to_owned)).collect())
    }
}

/// The first host name of an Ingress's status.
pub fn hostname_of(ingress: &Ingress) -> Option<String> {
    let balancer = ingress.status.as_ref()?.load_balancer.as_ref()?;
    balancer.ingress.as_ref()?.first()?.hostname.clone()
}

/// The finalizers of an object.
pub fn finalizers(ingress: &Ingress) -> Vec<String> {
    ingress.finalizers().to_vec()
}
