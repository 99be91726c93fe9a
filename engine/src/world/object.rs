//! The objects that the watches pass to the world, reduced to what is needed.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use crate::kinds::{
    Endpoints, IngressClassParams, IngressDefaults, IngressGroup, IngressPolicy, Key, Node, Pod, TargetGroupBinding,
};

/// The kinds that the world holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `networking.k8s.io/v1`.
    Ingress,
    /// `networking.k8s.io/v1`.
    IngressClass,
    /// `elbv2.k8s.aws/v1beta1`.
    IngressClassParams,
    /// `v1`.
    Service,
    /// `v1`, labels alone.
    Namespace,
    /// `v1`, key names alone.
    Secret,
    /// `discovery.k8s.io/v1`.
    Endpoints,
    /// `v1`, projected.
    Pod,
    /// `v1`, projected.
    Node,
    /// `elbv2.k8s.aws/v1beta1`.
    Binding,
    /// `albedo.dev/v1alpha1`.
    Group,
    /// `albedo.dev/v1alpha1`.
    Defaults,
    /// `albedo.dev/v1alpha1`.
    Policy,
}

impl Kind {
    /// Every kind that must be listed before the world is ready. Secrets are read one by one, when an Ingress
    /// names one, because Albedo has no permission to list them.
    pub const ALL: [Self; 12] = [
        Self::Ingress,
        Self::IngressClass,
        Self::IngressClassParams,
        Self::Service,
        Self::Namespace,
        Self::Endpoints,
        Self::Pod,
        Self::Node,
        Self::Binding,
        Self::Group,
        Self::Defaults,
        Self::Policy,
    ];

    /// Whether a cluster without the CRD of this kind works: it has no objects of the kind then.
    #[must_use]
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Defaults | Self::Policy)
    }
}

/// What is kept of a Secret: its keys and labels, never any of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretKeys {
    /// Names of its keys.
    pub keys: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `metadata.resourceVersion`.
    pub revision: String,
}

impl SecretKeys {
    /// A Secret with the client of an identity provider, for who may not read it and takes it for complete.
    #[must_use]
    pub fn of_client() -> Self {
        Self { keys: ["clientID", "clientSecret"].map(str::to_owned).into(), ..Self::default() }
    }
}

/// An object as the watches pass it.
#[derive(Debug, Clone)]
pub enum Object {
    /// An Ingress.
    Ingress(Box<Ingress>),
    /// An IngressClass.
    IngressClass(Box<IngressClass>),
    /// Parameters of a class.
    IngressClassParams(Box<IngressClassParams>),
    /// A Service.
    Service(Box<Service>),
    /// A Namespace.
    Namespace {
        /// Name.
        name: String,
        /// Labels.
        labels: BTreeMap<String, String>,
    },
    /// A Secret.
    Secret {
        /// Namespace and name.
        key: Key,
        /// Its keys.
        keys: SecretKeys,
    },
    /// An EndpointSlice.
    Endpoints(Box<Endpoints>),
    /// A Pod.
    Pod(Box<Pod>),
    /// A Node.
    Node(Box<Node>),
    /// A `TargetGroupBinding`.
    Binding(Box<TargetGroupBinding>),
    /// A ledger object.
    Group(Box<IngressGroup>),
    /// Defaults of Ingresses.
    Defaults(Box<IngressDefaults>),
    /// A policy of Ingresses.
    Policy(Box<IngressPolicy>),
}

impl Object {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Ingress(object) => Key::of(&object.metadata),
            Self::IngressClass(object) => Key::of(&object.metadata),
            Self::IngressClassParams(object) => Key::of(&object.metadata),
            Self::Service(object) => Key::of(&object.metadata),
            Self::Namespace { name, .. } => Key::new("", name),
            Self::Secret { key, .. } => key.clone(),
            Self::Endpoints(object) => object.key.clone(),
            Self::Pod(object) => object.key.clone(),
            Self::Node(object) => Key::new("", &object.name),
            Self::Binding(object) => Key::of(&object.metadata),
            Self::Group(object) => Key::of(&object.metadata),
            Self::Defaults(object) => Key::of(&object.metadata),
            Self::Policy(object) => Key::of(&object.metadata),
        }
    }
}
