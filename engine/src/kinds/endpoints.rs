//! An EndpointSlice, as far as targets need it.

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
    /// Its first address.
    pub address: String,
    /// Pod behind it, in the slice's namespace.
    pub pod: Option<String>,
    /// Node.
    pub node: Option<String>,
    /// Unknown counts as ready.
    pub ready: bool,
    /// On its way out.
    pub terminating: bool,
}

impl From<discovery::EndpointSlice> for Endpoints {
    fn from(slice: discovery::EndpointSlice) -> Self {
        let key = Key::of(&slice.metadata);
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
            endpoints: slice.endpoints.into_iter().filter_map(endpoint).collect(),
        }
    }
}

fn endpoint(endpoint: discovery::Endpoint) -> Option<Endpoint> {
    let conditions = endpoint.conditions.unwrap_or_default();
    Some(Endpoint {
        address: endpoint.addresses.into_iter().next()?,
        pod: endpoint.target_ref.filter(|target| target.kind.as_deref() == Some("Pod")).and_then(|target| target.name),
        node: endpoint.node_name,
        ready: conditions.ready.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
    })
}
