//! The parts of an EndpointSlice that targets need.

use k8s_openapi::api::discovery::v1 as discovery;

use super::Key;

/// What is kept of an EndpointSlice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Namespace and name of the slice.
    pub key: Key,
    /// The Service, by the label `kubernetes.io/service-name`.
    pub service: String,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// Ports.
    pub ports: Vec<EndpointPort>,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// A port of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPort {
    /// Name of the Service's port; empty without one.
    pub name: String,
    /// Number.
    pub port: i32,
}

/// An endpoint of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its first address; empty without one.
    pub address: String,
    /// Its Pod.
    pub pod: Option<String>,
    /// The namespace of the Pod, if it differs from that of the slice.
    pub pod_namespace: Option<Box<str>>,
    /// Unknown counts as ready.
    pub ready: bool,
    /// Terminating.
    pub terminating: bool,
}

impl Endpoint {
    /// Its Pod, by default in the namespace of the slice.
    #[must_use]
    pub fn pod_key(&self, namespace: &str) -> Option<Key> {
        let within = self.pod_namespace.as_deref().unwrap_or(namespace);
        self.pod.as_ref().map(|name| Key::new(within, name))
    }
}

impl From<discovery::EndpointSlice> for Endpoints {
    fn from(slice: discovery::EndpointSlice) -> Self {
        let key = Key::of(&slice.metadata);
        let endpoints = slice.endpoints.into_iter().map(|one| endpoint(one, &key.namespace)).collect();
        let labels = slice.metadata.labels.unwrap_or_default();
        Self {
            key,
            service: labels.get("kubernetes.io/service-name").cloned().unwrap_or_default(),
            address_type: slice.address_type,
            ports: slice
                .ports
                .unwrap_or_default()
                .into_iter()
                .filter_map(|port| Some(EndpointPort { name: port.name.unwrap_or_default(), port: port.port? }))
                .collect(),
            endpoints,
        }
    }
}

fn endpoint(endpoint: discovery::Endpoint, namespace: &str) -> Endpoint {
    let conditions = endpoint.conditions.unwrap_or_default();
    let target = endpoint.target_ref.filter(|target| target.kind.as_deref() == Some("Pod")).unwrap_or_default();
    let elsewhere = target.namespace.filter(|given| !given.is_empty() && given != namespace);
    Endpoint {
        address: endpoint.addresses.into_iter().next().unwrap_or_default(),
        pod: target.name,
        pod_namespace: elsewhere.map(String::into_boxed_str),
        ready: conditions.ready.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
    }
}
