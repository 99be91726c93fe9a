//! Decoding of watched objects: an object is reduced to what is needed at once, or the error says why it cannot be read.

use std::borrow::Cow;
use std::marker::PhantomData;

use albedo_engine::kinds::{IngressClassParams, IngressDefaults, IngressGroup, IngressPolicy, Key, TargetGroupBinding};
use albedo_engine::world::{Kind, Object};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A copy of the whole object in its own annotations, by `kubectl apply`.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A kind that is watched, and what is kept of it.
pub(super) trait Source: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static {
    /// Its kind in the world.
    const KIND: Kind;

    /// What the world keeps of it.
    fn project(self) -> Object;
}

impl Source for Ingress {
    const KIND: Kind = Kind::Ingress;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::Ingress(Box::new(self))
    }
}

impl Source for IngressClass {
    const KIND: Kind = Kind::IngressClass;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::IngressClass(Box::new(self))
    }
}

impl Source for IngressClassParams {
    const KIND: Kind = Kind::IngressClassParams;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::IngressClassParams(Box::new(self))
    }
}

impl Source for Service {
    const KIND: Kind = Kind::Service;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        self.status = None;
        Object::Service(Box::new(self))
    }
}

impl Source for PartialObjectMeta<Namespace> {
    const KIND: Kind = Kind::Namespace;
    fn project(self) -> Object {
        let ObjectMeta { name, labels, .. } = self.metadata;
        Object::Namespace { name: name.unwrap_or_default(), labels: labels.unwrap_or_default() }
    }
}

impl Source for EndpointSlice {
    const KIND: Kind = Kind::Endpoints;
    fn project(self) -> Object {
        Object::Endpoints(Box::new(self.into()))
    }
}

impl Source for Pod {
    const KIND: Kind = Kind::Pod;
    fn project(self) -> Object {
        Object::Pod(Box::new(self.into()))
    }
}

impl Source for Node {
    const KIND: Kind = Kind::Node;
    fn project(self) -> Object {
        Object::Node(Box::new(self.into()))
    }
}

impl Source for TargetGroupBinding {
    const KIND: Kind = Kind::Binding;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::Binding(Box::new(self))
    }
}

impl Source for IngressGroup {
    const KIND: Kind = Kind::Group;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::Group(Box::new(self))
    }
}

impl Source for IngressDefaults {
    const KIND: Kind = Kind::Defaults;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::Defaults(Box::new(self))
    }
}

impl Source for IngressPolicy {
    const KIND: Kind = Kind::Policy;
    fn project(mut self) -> Object {
        prune(&mut self.metadata);
        Object::Policy(Box::new(self))
    }
}

fn prune(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// An object of a watch.
///
/// It is read as text first. So an object that does not fit its type affects only itself, while kube's own decoding
/// would fail the whole page every time. And a page of Pods takes only the memory of what is kept.
#[derive(Debug, Clone)]
pub(super) struct Watched<S> {
    /// Name, namespace and resourceVersion.
    meta: ObjectMeta,
    /// What the world keeps of it, or why it cannot be read.
    pub(super) object: Result<Object, String>,
    source: PhantomData<fn() -> S>,
}

impl<S> Watched<S> {
    /// Namespace and name, known even if the object cannot be decoded.
    pub(super) fn key(&self) -> Key {
        Key::of(&self.meta)
    }
}

impl<'de, S: Source> Deserialize<'de> for Watched<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let (meta, object) = match serde_json::from_str::<S>(text.get()) {
            Ok(object) => (identity(object.meta()), Ok(object.project())),
            Err(error) => {
                let envelope: Envelope = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
                (envelope.metadata.into(), Err(reason::<S>(text.get(), &error)))
            }
        };
        Ok(Self { meta, object, source: PhantomData })
    }
}

/// The error with the path of the field; `serde_json` alone has only a column of the text.
fn reason<S: Source>(text: &str, error: &serde_json::Error) -> String {
    match serde_path_to_error::deserialize::<_, S>(&mut serde_json::Deserializer::from_str(text)) {
        Err(at) if at.path().iter().next().is_some() => format!("{}: {}", at.path(), at.inner()),
        _ => error.to_string(),
    }
}

fn identity(meta: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        resource_version: meta.resource_version.clone(),
        ..ObjectMeta::default()
    }
}

/// The minimum of an object that must be readable to report anything about it.
#[derive(Deserialize)]
struct Envelope {
    metadata: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    name: String,
    namespace: Option<String>,
    resource_version: String,
}

impl From<Identity> for ObjectMeta {
    fn from(identity: Identity) -> Self {
        Self {
            name: Some(identity.name),
            namespace: identity.namespace,
            resource_version: Some(identity.resource_version),
            ..Self::default()
        }
    }
}

/// Where it is served is the kind's business.
impl<S: Source> Resource for Watched<S> {
    type DynamicType = ();
    type Scope = S::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        S::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        S::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        S::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        S::plural(&())
    }

    fn metadata_api() -> bool {
        S::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use serde_json::json;

    use super::*;

    #[test]
    fn one_bad_object_of_a_page_costs_that_object() {
        let page = json!({
            "kind": "IngressClassParamsList", "apiVersion": "elbv2.k8s.aws/v1beta1", "metadata": {"resourceVersion": "9"},
            "items": [
                {"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
                 "metadata": {"name": "bad", "resourceVersion": "3"}, "spec": {"minimumLoadBalancerCapacity": {"capacityUnits": "many"}}},
                {"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
                 "metadata": {"name": "good", "resourceVersion": "4", "managedFields": [{"manager": "x"}],
                   "annotations": {LAST_APPLIED: "{}", "mine": "stays"}}, "spec": {"scheme": "internal"}},
            ],
        });
        let list: ObjectList<Watched<IngressClassParams>> = serde_json::from_str(&page.to_string()).unwrap();
        let [bad, good] = list.items.as_slice() else { panic!("{list:?}") };
        assert_eq!(bad.key(), Key::new("", "bad"));
        assert_eq!(bad.meta().resource_version.as_deref(), Some("3"));
        let error = bad.object.as_ref().unwrap_err();
        assert!(error.starts_with("spec.minimumLoadBalancerCapacity.capacityUnits: invalid type: string"), "{error}");
        let Ok(Object::IngressClassParams(params)) = &good.object else { panic!("{good:?}") };
        assert_eq!(params.spec.scheme.as_deref(), Some("internal"));
        assert!(params.metadata.managed_fields.is_none());
        let annotations: Vec<_> = params.metadata.annotations.iter().flatten().map(|(key, _)| key.as_str()).collect();
        assert_eq!(annotations, ["mine"]);
    }

    #[test]
    fn an_event_is_decoded_as_the_api_server_writes_it() {
        // The type is first on the wire. If it were last, serde would buffer the object, and raw text cannot be buffered.
        let line = r#"{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"n","resourceVersion":"7"},"status":{"podIP":"10.0.0.7"}}}"#;
        let WatchEvent::Modified(pod) = serde_json::from_str::<WatchEvent<Watched<Pod>>>(line).unwrap() else {
            panic!("not modified")
        };
        let Ok(Object::Pod(kept)) = &pod.object else { panic!("{pod:?}") };
        assert_eq!((kept.ip.as_str(), pod.key()), ("10.0.0.7", Key::new("n", "p")));
    }

    #[test]
    fn namespaces_are_asked_for_by_metadata_alone() {
        assert!(Watched::<PartialObjectMeta<Namespace>>::metadata_api());
        assert!(!Watched::<Pod>::metadata_api());
        assert_eq!(Watched::<PartialObjectMeta<Namespace>>::url_path(&(), None), "/api/v1/namespaces");
    }

    #[test]
    fn a_services_status_is_dropped() {
        let line = r#"{"metadata":{"name":"s","namespace":"n","resourceVersion":"7"},"spec":{"type":"NodePort"},"status":{"loadBalancer":{}}}"#;
        let service: Watched<Service> = serde_json::from_str(line).unwrap();
        let Ok(Object::Service(service)) = service.object else { panic!("unreadable") };
        assert!(service.status.is_none() && service.spec.is_some());
    }
}
