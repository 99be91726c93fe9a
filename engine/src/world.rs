//! The objects of a cluster, indexed by group: a plain struct, which the watches update by `apply`, `delete` and `reset`.

mod class;
mod edges;
mod membership;
mod object;
mod pods;
mod policies;
mod unbound;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use crate::kinds::{
    Endpoints, IngressClassParams, IngressDefaults, IngressGroup, IngressPolicy, Key, Node, Pod, TargetGroupBinding,
};
use crate::settings::Settings;
use crate::stack::GroupId;

pub use class::{Class, ClassError, LEGACY_CLASS, selects};
pub use edges::{secret_refs, service_refs};
pub use membership::{Membership, is_group_name};
pub use object::{Kind, Object, SecretKeys};
use pods::Pods;
pub use policies::{Matched, class_name};
pub use view::{ClassifiedMember, Leaving, Overlay, View};

/// A unit of work that a change affects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A group of Ingresses.
    Group(GroupId),
    /// A `TargetGroupBinding`.
    Binding(Key),
    /// The shared backend security group: the unit that deletes it when nothing needs it.
    BackendGroup,
    /// Rules in the security groups of nodes and pods, for all bindings together.
    NodeRules,
}

/// The units of work that a change affects.
pub type Changes = BTreeSet<Unit>;

/// The objects of a cluster.
#[derive(Debug, Clone, Default)]
pub struct World {
    settings: Option<Settings>,
    ingresses: BTreeMap<Key, Arc<Ingress>>,
    classes: BTreeMap<String, Arc<IngressClass>>,
    params: BTreeMap<String, Arc<IngressClassParams>>,
    services: BTreeMap<Key, Arc<Service>>,
    namespaces: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    secrets: BTreeMap<Key, Arc<SecretKeys>>,
    endpoints: BTreeMap<Key, BTreeMap<Key, Arc<Endpoints>>>,
    /// With the Services whose `EndpointSlices` name each.
    pods: Pods,
    nodes: BTreeMap<String, Arc<Node>>,
    bindings: BTreeMap<Key, Arc<TargetGroupBinding>>,
    groups: BTreeMap<String, Arc<IngressGroup>>,
    defaults: BTreeMap<String, Arc<IngressDefaults>>,
    policies: BTreeMap<String, Arc<IngressPolicy>>,
    /// Group → members and leavers, kept as Ingresses change.
    members: BTreeMap<GroupId, BTreeSet<Key>>,
    /// Which group each Ingress belongs to, as last computed.
    memberships: BTreeMap<Key, Membership>,
    /// Ingress → groups that it is a member or leaver of, the reverse of `members`.
    groups_of: BTreeMap<Key, BTreeSet<GroupId>>,
    /// Group → Ingresses with its finalizer, whether they are members or not.
    claims: BTreeMap<GroupId, BTreeSet<Key>>,
    /// Ingress → groups whose finalizers it has, the reverse of `claims`.
    claims_of: BTreeMap<Key, BTreeSet<GroupId>>,
    /// `load-balancer-name` → members that have it.
    balancer_names: BTreeMap<String, BTreeSet<Key>>,
    /// Member → its `load-balancer-name`, the reverse of `balancer_names`.
    balancer_name_of: BTreeMap<Key, String>,
    /// Service → Ingresses that refer to it.
    service_users: BTreeMap<Key, BTreeSet<Key>>,
    /// Ingress → Services that it refers to, the reverse of `service_users`.
    services_of: BTreeMap<Key, BTreeSet<Key>>,
    /// Group → bindings with its labels.
    group_bindings: BTreeMap<GroupId, BTreeSet<Key>>,
    /// Service → bindings of it.
    service_bindings: BTreeMap<Key, BTreeSet<Key>>,
    ready: BTreeSet<Kind>,
    /// Major and minor version of the API server; `None` while it is unknown.
    version: Option<(u32, u32)>,
}

impl World {
    /// An empty world. The settings decide which Ingresses are ours.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings: Some(settings), ..Self::default() }
    }

    /// The settings that decide which Ingresses are ours.
    ///
    /// A world made by [`Default`] has the defaults of a cluster without a name.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.clone().unwrap_or_else(|| Settings::new(""))
    }

    /// The API server has this version, major and minor.
    pub fn learn_version(&mut self, version: (u32, u32)) {
        self.version = Some(version);
    }

    /// Whether the API server is known to be of this version or a later one.
    #[must_use]
    pub fn is_at_least(&self, version: (u32, u32)) -> bool {
        self.version.is_some_and(|is| is >= version)
    }

    /// Whether an Ingress refers to a Service.
    #[must_use]
    pub fn is_backend(&self, service: &Key) -> bool {
        self.service_users.contains_key(service)
    }

    /// Whether there is any Ingress.
    #[must_use]
    pub fn has_ingresses(&self) -> bool {
        !self.ingresses.is_empty()
    }

    /// A copy to try a change in, without Nodes, Pods and their addresses: those are most of a world, and no group is linked by them.
    #[must_use]
    pub fn without_targets(&self) -> Self {
        Self {
            endpoints: BTreeMap::new(),
            pods: Pods::default(),
            nodes: BTreeMap::new(),
            settings: self.settings.clone(),
            ingresses: self.ingresses.clone(),
            classes: self.classes.clone(),
            params: self.params.clone(),
            services: self.services.clone(),
            namespaces: self.namespaces.clone(),
            secrets: self.secrets.clone(),
            bindings: self.bindings.clone(),
            groups: self.groups.clone(),
            defaults: self.defaults.clone(),
            policies: self.policies.clone(),
            members: self.members.clone(),
            memberships: self.memberships.clone(),
            groups_of: self.groups_of.clone(),
            claims: self.claims.clone(),
            claims_of: self.claims_of.clone(),
            balancer_names: self.balancer_names.clone(),
            balancer_name_of: self.balancer_name_of.clone(),
            service_users: self.service_users.clone(),
            services_of: self.services_of.clone(),
            group_bindings: self.group_bindings.clone(),
            service_bindings: self.service_bindings.clone(),
            ready: self.ready.clone(),
            version: self.version,
        }
    }

    /// The Services of a namespace that an Ingress or a binding names.
    pub fn backends_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Service>> {
        let all = self.services.range(Key::new(namespace, "")..).take_while(move |(key, _)| key.namespace == namespace);
        let is_backend = |key: &Key| self.service_users.contains_key(key) || self.service_bindings.contains_key(key);
        all.filter(move |(key, _)| is_backend(key)).map(|(_, service)| service)
    }

    /// Whether each kind has been listed once. Before that, a missing object does not mean that it does not exist.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.ready.contains(kind))
    }

    /// Kinds that have not been listed yet.
    #[must_use]
    pub fn missing(&self) -> Vec<Kind> {
        Kind::ALL.iter().filter(|kind| !self.ready.contains(kind)).copied().collect()
    }

    /// An object was added or has changed.
    pub fn apply(&mut self, object: Object) -> Changes {
        let mut changes = Changes::new();
        match object {
            Object::Ingress(ingress) => self.apply_ingress(*ingress, &mut changes),
            Object::IngressClass(class) => {
                let name = class.metadata.name.clone().unwrap_or_default();
                self.classes.insert(name, Arc::new(*class));
                self.reindex_classes(&mut changes);
            }
            Object::IngressClassParams(params) => {
                let name = params.metadata.name.clone().unwrap_or_default();
                self.params.insert(name, Arc::new(*params));
                self.reindex_classes(&mut changes);
            }
            Object::Namespace { name, labels } => {
                let labels = Arc::new(labels);
                let before = self.namespaces.insert(name, labels.clone());
                if before.is_none_or(|before| before != labels) {
                    self.reindex_classes(&mut changes);
                }
            }
            Object::Service(service) => self.apply_service(*service, &mut changes),
            Object::Secret { key, keys } => {
                self.secrets.insert(key.clone(), Arc::new(keys));
                self.touch_namespace(&key.namespace, &mut changes);
            }
            Object::Endpoints(endpoints) => self.apply_endpoints(*endpoints, &mut changes),
            Object::Pod(pod) => self.apply_pod(*pod, &mut changes),
            Object::Node(node) => self.apply_node(*node, &mut changes),
            Object::Binding(binding) => self.apply_binding(*binding, &mut changes),
            Object::Group(group) => self.apply_ledger(*group, &mut changes),
            // Admission alone uses these: no group changes.
            Object::Defaults(defaults) => {
                self.defaults.insert(defaults.metadata.name.clone().unwrap_or_default(), Arc::new(*defaults));
            }
            Object::Policy(policy) => {
                self.policies.insert(policy.metadata.name.clone().unwrap_or_default(), Arc::new(*policy));
            }
        }
        changes
    }

    /// A Secret was read and does not exist. This affects no group: the pass that read it continues with the result.
    pub fn forget_secret(&mut self, key: &Key) {
        self.secrets.remove(key);
    }

    /// An object was deleted.
    pub fn delete(&mut self, kind: Kind, key: &Key) -> Changes {
        let mut changes = Changes::new();
        match kind {
            Kind::Ingress => {
                self.ingresses.remove(key);
                self.reindex(key, &mut changes);
            }
            Kind::IngressClass => {
                self.classes.remove(&key.name);
                self.reindex_classes(&mut changes);
            }
            Kind::IngressClassParams => {
                self.params.remove(&key.name);
                self.reindex_classes(&mut changes);
            }
            Kind::Namespace => {
                self.namespaces.remove(&key.name);
            }
            Kind::Service => {
                self.services.remove(key);
                self.touch_service(key, &mut changes);
            }
            Kind::Secret => {
                self.secrets.remove(key);
                self.touch_namespace(&key.namespace, &mut changes);
            }
            Kind::Endpoints => self.delete_endpoints(key, &mut changes),
            Kind::Pod => {
                self.pods.remove(key);
            }
            Kind::Node => {
                self.nodes.remove(&key.name);
                self.touch_instance_bindings(&mut changes);
            }
            Kind::Binding => {
                if let Some(before) = self.bindings.remove(key) {
                    self.unlink_binding(key, &before, &mut changes);
                    self.touch_sharers(key, &before, &mut changes);
                    // Its rules must be deleted first: they refer to the security group.
                    changes.insert(Unit::NodeRules);
                }
            }
            Kind::Group => {
                self.groups.remove(&key.name);
                changes.insert(Unit::BackendGroup);
                self.reindex_claims(&key.name, &mut changes);
            }
            Kind::Defaults => {
                self.defaults.remove(&key.name);
            }
            Kind::Policy => {
                self.policies.remove(&key.name);
            }
        }
        changes
    }

    /// Replaces all objects of a kind by a fresh list: objects that are not in the list were deleted.
    pub fn reset(&mut self, kind: Kind, objects: Vec<Object>) -> Changes {
        let mut changes = Changes::new();
        let listed: BTreeSet<Key> = objects.iter().map(Object::key).collect();
        for gone in self.keys(kind).into_iter().filter(|key| !listed.contains(key)) {
            changes.append(&mut self.delete(kind, &gone));
        }
        for object in objects {
            changes.append(&mut self.apply(object));
        }
        self.ready.insert(kind);
        changes
    }

    /// Keys of all objects of a kind.
    #[must_use]
    pub fn keys(&self, kind: Kind) -> Vec<Key> {
        let named = |names: Vec<&String>| names.into_iter().map(|name| Key::new("", name)).collect();
        match kind {
            Kind::Ingress => self.ingresses.keys().cloned().collect(),
            Kind::IngressClass => named(self.classes.keys().collect()),
            Kind::IngressClassParams => named(self.params.keys().collect()),
            Kind::Namespace => named(self.namespaces.keys().collect()),
            Kind::Service => self.services.keys().cloned().collect(),
            Kind::Secret => self.secrets.keys().cloned().collect(),
            Kind::Endpoints => self.endpoints.values().flat_map(|slices| slices.keys().cloned()).collect(),
            Kind::Pod => self.pods.keys().cloned().collect(),
            Kind::Node => named(self.nodes.keys().collect()),
            Kind::Binding => self.bindings.keys().cloned().collect(),
            Kind::Group => named(self.groups.keys().collect()),
            Kind::Defaults => named(self.defaults.keys().collect()),
            Kind::Policy => named(self.policies.keys().collect()),
        }
    }

    /// An Ingress.
    #[must_use]
    pub fn ingress(&self, key: &Key) -> Option<&Arc<Ingress>> {
        self.ingresses.get(key)
    }

    /// All groups that have members or leavers.
    #[must_use]
    pub fn group_ids(&self) -> Vec<GroupId> {
        self.members.keys().cloned().collect()
    }

    /// Whether a group has members or leavers.
    #[must_use]
    pub fn has_members(&self, group: &GroupId) -> bool {
        self.members.contains_key(group)
    }

    /// A Service.
    #[must_use]
    pub fn service(&self, key: &Key) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// A binding.
    #[must_use]
    pub fn binding(&self, key: &Key) -> Option<&Arc<TargetGroupBinding>> {
        self.bindings.get(key)
    }

    /// All bindings.
    pub fn bindings(&self) -> impl Iterator<Item = (&Key, &Arc<TargetGroupBinding>)> {
        self.bindings.iter()
    }

    /// The bindings of a namespace, by name.
    pub fn bindings_in(&self, namespace: &str) -> impl Iterator<Item = (&Key, &Arc<TargetGroupBinding>)> {
        self.bindings.range(Key::new(namespace, "")..).take_while(move |(key, _)| key.namespace == namespace)
    }

    /// The Pods of a namespace that have this readiness gate.
    #[must_use]
    pub fn gated_pods(&self, namespace: &str, gate: &str) -> Vec<Arc<Pod>> {
        self.pods.of_namespace(namespace).filter(|pod| pod.gate(gate).is_some()).cloned().collect()
    }

    /// The `EndpointSlices` of a Service.
    #[must_use]
    pub fn endpoints(&self, service: &Key) -> Vec<Arc<Endpoints>> {
        self.endpoints.get(service).map(|slices| slices.values().cloned().collect()).unwrap_or_default()
    }

    /// A Pod.
    #[must_use]
    pub fn pod(&self, key: &Key) -> Option<&Arc<Pod>> {
        self.pods.get(key)
    }

    /// A Node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(name)
    }

    /// All Nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// Labels of a Namespace.
    #[must_use]
    pub fn namespace_labels(&self, namespace: &str) -> Option<&Arc<BTreeMap<String, String>>> {
        self.namespaces.get(namespace)
    }

    /// Parameters of classes, by name.
    #[must_use]
    pub fn params(&self, name: &str) -> Option<&Arc<IngressClassParams>> {
        self.params.get(name)
    }

    /// Every IngressClass.
    pub fn classes(&self) -> impl Iterator<Item = &Arc<IngressClass>> {
        self.classes.values()
    }

    /// The ledger's object of a group.
    #[must_use]
    pub fn group_object(&self, group: &GroupId) -> Option<&Arc<IngressGroup>> {
        self.groups.get(&group.object_name())
    }

    /// Names of all ledger objects.
    #[must_use]
    pub fn group_objects(&self) -> Vec<Arc<IngressGroup>> {
        self.groups.values().cloned().collect()
    }
}
