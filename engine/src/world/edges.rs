//! The reverse edges: which groups and bindings a change of an object affects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressLoadBalancerIngress};

use super::{Changes, Kind, Membership, Unit, World};
use crate::annotation::PREFIX;
use crate::annotation::action::{self, ForwardTarget};
use crate::annotation::auth;
use crate::annotation::catalogue::LOAD_BALANCER_NAME;
use crate::kinds::{Endpoints, IngressGroup, Key, Node, Pod, TargetGroupBinding};
use crate::stack::{Action, GroupId};

const OIDC: &str = "alb.ingress.kubernetes.io/auth-idp-oidc";

/// The name that an Ingress gives its load balancer.
pub(super) fn balancer_name(ingress: &Ingress) -> Option<&str> {
    let name = ingress.metadata.annotations.as_ref()?.get(&LOAD_BALANCER_NAME.row.full_key())?;
    Some(name.as_str()).filter(|name| !name.is_empty())
}

impl World {
    pub(super) fn apply_ingress(&mut self, ingress: Ingress, changes: &mut Changes) {
        let key = Key::of(&ingress.metadata);
        let before = self.ingresses.get(&key);
        let same = before.is_some_and(|before| means_the_same(before, &ingress));
        // We wrote the first status ourselves. If something else cleared or changed the status, it must be written again.
        let lost = before.is_some_and(|before| !hosts(before).is_empty() && hosts(before) != hosts(&ingress));
        if same && lost {
            self.touch_ingress(&key, changes);
        }
        self.ingresses.insert(key.clone(), Arc::new(ingress));
        if !same {
            self.reindex(&key, changes);
        }
    }

    /// Updates the edges of an Ingress, and marks its former groups and its present ones as affected.
    pub(super) fn reindex(&mut self, key: &Key, changes: &mut Changes) {
        for group in self.groups_of.remove(key).unwrap_or_default() {
            remove_from(&mut self.members, &group, key);
            changes.insert(Unit::Group(group));
        }
        for service in self.services_of.remove(key).unwrap_or_default() {
            remove_from(&mut self.service_users, &service, key);
        }
        for group in self.claims_of.remove(key).unwrap_or_default() {
            remove_from(&mut self.claims, &group, key);
        }
        if let Some(name) = self.balancer_name_of.remove(key) {
            remove_from(&mut self.balancer_names, &name, key);
        }
        self.memberships.remove(key);
        let Some(ingress) = self.ingresses.get(key).cloned() else { return };
        let membership = self.membership(&ingress);
        if let (Membership::Member(..), Some(name)) = (&membership, balancer_name(&ingress)) {
            self.balancer_names.entry(name.to_owned()).or_default().insert(key.clone());
            self.balancer_name_of.insert(key.clone(), name.to_owned());
        }
        self.memberships.insert(key.clone(), membership);
        let groups = self.groups_for(&ingress);
        for group in &groups {
            self.members.entry(group.clone()).or_default().insert(key.clone());
            changes.insert(Unit::Group(group.clone()));
        }
        if groups.is_empty() && self.is_unplaced(&ingress) {
            // It belongs to no group because its class or group name is invalid: the unit of its own group reports that.
            changes.insert(Unit::Group(own_group(key)));
        }
        let claims = super::membership::claims(&ingress, self.holders());
        for group in &claims {
            self.claims.entry(group.clone()).or_default().insert(key.clone());
            // It is leaving, and the ledger of its group does not know it: its finalizer is removed when nothing of it is left there.
            if ingress.metadata.deletion_timestamp.is_some() && self.members.contains_key(group) {
                changes.insert(Unit::Group(group.clone()));
            }
        }
        self.claims_of.insert(key.clone(), claims);
        self.groups_of.insert(key.clone(), groups);
        let services: BTreeSet<Key> =
            service_refs(&ingress).iter().map(|service| Key::new(&key.namespace, service)).collect();
        for service in &services {
            self.service_users.entry(service.clone()).or_default().insert(key.clone());
        }
        self.services_of.insert(key.clone(), services);
    }

    /// The ledger decides which of the Ingresses with the finalizer of its group are leaving it.
    pub(super) fn reindex_claims(&mut self, ledger: &str, changes: &mut Changes) {
        let Some(group) = GroupId::explicit_of_object(ledger) else { return };
        for key in self.claims.get(&group).cloned().unwrap_or_default() {
            let now = self.ingresses.get(&key).map(|ingress| self.groups_for(ingress)).unwrap_or_default();
            if self.groups_of.get(&key) != Some(&now) {
                self.reindex(&key, changes);
            }
        }
    }

    /// A class, its parameters or a namespace may decide the membership of any Ingress. Only Ingresses whose membership changes are affected.
    pub(super) fn reindex_classes(&mut self, changes: &mut Changes) {
        let moved = |(key, ingress): (&Key, &Arc<Ingress>)| {
            (self.memberships.get(key) != Some(&self.membership(ingress))).then(|| key.clone())
        };
        let keys: Vec<Key> = self.ingresses.iter().filter_map(moved).collect();
        for key in keys {
            self.reindex(&key, changes);
        }
    }

    pub(super) fn apply_service(&mut self, service: Service, changes: &mut Changes) {
        let key = Key::of(&service.metadata);
        let before = self.services.insert(key.clone(), Arc::new(service));
        let after = self.services.get(&key);
        let same = before.zip(after).is_some_and(|(before, after)| {
            before.spec == after.spec
                && before.metadata.annotations == after.metadata.annotations
                && before.metadata.uid == after.metadata.uid
        });
        if !same {
            self.touch_service(&key, changes);
        }
    }

    /// The Secrets that members name, including those that do not exist.
    #[must_use]
    pub fn secrets_in_use(&self) -> BTreeSet<Key> {
        let may_name = |(key, ingress): &(&Key, &Arc<Ingress>)| self.may_name_secrets(key, ingress);
        self.ingresses.iter().filter(may_name).flat_map(|(_, ingress)| secret_refs(ingress, &self.services)).collect()
    }

    /// Whether an Ingress is a member and uses OIDC, by its own annotations or those of a Service. Most don't.
    fn may_name_secrets(&self, key: &Key, ingress: &Ingress) -> bool {
        let has = |notes: Option<&BTreeMap<String, String>>| notes.is_some_and(|notes| notes.contains_key(OIDC));
        let mut services = self.services_of.get(key).into_iter().flatten().filter_map(|one| self.services.get(one));
        matches!(self.memberships.get(key), Some(Membership::Member(..)))
            && (has(ingress.metadata.annotations.as_ref())
                || services.any(|service| has(service.metadata.annotations.as_ref())))
    }

    /// The groups of the Ingresses that name a Secret.
    #[must_use]
    pub fn users_of_secret(&self, secret: &Key) -> Changes {
        let mut changes = Changes::new();
        let near = self.ingresses.iter().filter(|(key, _)| key.namespace == secret.namespace);
        let near = near.filter(|(key, ingress)| self.may_name_secrets(key, ingress));
        for (key, _) in near.filter(|(_, ingress)| secret_refs(ingress, &self.services).contains(secret)) {
            self.touch_ingress(key, &mut changes);
        }
        changes
    }

    /// The Secrets that an Ingress of this namespace names and that are not known.
    #[must_use]
    pub fn unknown_secrets(&self, namespace: &str, ingress: &Ingress) -> Vec<Key> {
        let named = secret_refs(ingress, &self.services).into_iter().map(|key| Key::new(namespace, &key.name));
        named.filter(|key| !self.secrets.contains_key(key)).collect()
    }

    /// The revision of a Secret that was read last.
    #[must_use]
    pub fn secret_revision(&self, secret: &Key) -> Option<&str> {
        self.secrets.get(secret).map(|keys| keys.revision.as_str())
    }

    pub(super) fn touch_service(&self, service: &Key, changes: &mut Changes) {
        for ingress in self.service_users.get(service).into_iter().flatten() {
            self.touch_ingress(ingress, changes);
        }
        self.touch_bindings_of(service, changes);
    }

    pub(super) fn touch_namespace(&self, namespace: &str, changes: &mut Changes) {
        for key in self.ingresses.keys().filter(|key| key.namespace == namespace) {
            self.touch_ingress(key, changes);
        }
    }

    fn touch_ingress(&self, ingress: &Key, changes: &mut Changes) {
        changes.extend(self.groups_of.get(ingress).into_iter().flatten().cloned().map(Unit::Group));
    }

    fn touch_bindings_of(&self, service: &Key, changes: &mut Changes) {
        changes.extend(self.service_bindings.get(service).into_iter().flatten().cloned().map(Unit::Binding));
    }

    pub(super) fn apply_endpoints(&mut self, endpoints: Endpoints, changes: &mut Changes) {
        let service = Key::new(&endpoints.key.namespace, &endpoints.service);
        let endpoints = Arc::new(endpoints);
        let before = self.endpoints.get(&service).and_then(|slices| slices.get(&endpoints.key)).cloned();
        if before.as_ref().is_some_and(|before| *before == endpoints) {
            return;
        }
        self.endpoints.entry(service.clone()).or_default().insert(endpoints.key.clone(), endpoints.clone());
        let shared = Arc::new(service.clone());
        for pod in pods_of(&endpoints) {
            self.pods.link(pod, &shared);
        }
        self.forget_pods(&service, before.as_deref());
        self.touch_bindings_of(&service, changes);
    }

    pub(super) fn delete_endpoints(&mut self, key: &Key, changes: &mut Changes) {
        let of = |(service, slices): (&Key, &BTreeMap<Key, Arc<Endpoints>>)| {
            slices.contains_key(key).then(|| service.clone())
        };
        let touched: Vec<Key> = self.endpoints.iter().filter_map(of).collect();
        for service in touched {
            let slices = self.endpoints.get_mut(&service);
            let before = slices.and_then(|slices| slices.remove(key));
            self.forget_pods(&service, before.as_deref());
            self.touch_bindings_of(&service, changes);
        }
        self.endpoints.retain(|_, slices| !slices.is_empty());
    }

    /// A slice was deleted or has changed: removes the Service from its pods, except from those that another slice names.
    fn forget_pods(&mut self, service: &Key, before: Option<&Endpoints>) {
        let Some(before) = before else { return };
        let mut gone: BTreeSet<Key> = pods_of(before).collect();
        for slice in self.endpoints.get(service).into_iter().flat_map(BTreeMap::values) {
            for pod in pods_of(slice) {
                gone.remove(&pod);
            }
        }
        for pod in gone {
            self.pods.unlink(&pod, service);
        }
    }

    pub(super) fn apply_pod(&mut self, pod: Pod, changes: &mut Changes) {
        let key = pod.key.clone();
        if !self.pods.put(pod) {
            return;
        }
        for service in self.pods.services(&key) {
            self.touch_bindings_of(service, changes);
        }
    }

    pub(super) fn apply_node(&mut self, node: Node, changes: &mut Changes) {
        let node = Arc::new(node);
        if self.nodes.insert(node.name.clone(), node.clone()).is_none_or(|before| before != node) {
            self.touch_instance_bindings(changes);
        }
    }

    pub(super) fn touch_instance_bindings(&self, changes: &mut Changes) {
        let instance = self.bindings.iter().filter(|(_, binding)| binding.spec.target_type.as_deref() != Some("ip"));
        changes.extend(instance.map(|(key, _)| Unit::Binding(key.clone())));
    }

    pub(super) fn apply_binding(&mut self, binding: TargetGroupBinding, changes: &mut Changes) {
        let key = Key::of(&binding.metadata);
        if let Some(before) = self.bindings.get(&key).cloned() {
            let same = before.spec == binding.spec
                && before.metadata.labels == binding.metadata.labels
                && before.metadata.deletion_timestamp == binding.metadata.deletion_timestamp;
            if same {
                self.bindings.insert(key, Arc::new(binding));
                return;
            }
            self.unlink_binding(&key, &before, changes);
            if before.spec != binding.spec || before.metadata.deletion_timestamp != binding.metadata.deletion_timestamp
            {
                self.touch_sharers(&key, &before, changes);
            }
        }
        self.service_bindings.entry(service_of(&key, &binding)).or_default().insert(key.clone());
        if let Some(group) = group_of_labels(&binding) {
            self.group_bindings.entry(group).or_default().insert(key.clone());
        }
        changes.insert(Unit::Binding(key.clone()));
        changes.extend(self.group_of_binding(&binding).map(Unit::Group));
        self.bindings.insert(key, Arc::new(binding));
    }

    /// If a binding no longer uses its target group, another binding that names the same target group may use it.
    pub(super) fn touch_sharers(&self, key: &Key, before: &TargetGroupBinding, changes: &mut Changes) {
        let sharers =
            self.bindings.iter().filter(|(other, binding)| *other != key && binding.shares_target_group(before));
        changes.extend(sharers.map(|(other, _)| Unit::Binding(other.clone())));
    }

    pub(super) fn unlink_binding(&mut self, key: &Key, before: &TargetGroupBinding, changes: &mut Changes) {
        remove_from(&mut self.service_bindings, &service_of(key, before), key);
        if let Some(group) = group_of_labels(before) {
            remove_from(&mut self.group_bindings, &group, key);
        }
        changes.extend(self.group_of_binding(before).map(Unit::Group));
    }

    /// The group whose labels a binding carries, if that group is known.
    fn group_of_binding(&self, binding: &TargetGroupBinding) -> Option<GroupId> {
        group_of_labels(binding).filter(|group| self.members.contains_key(group))
    }

    /// The group that a binding belongs to: the binding has its labels, the group has a member in the namespace of the binding, and its ledger names the
    /// target group, if there is a ledger. Labels alone prove nothing: anybody can write them.
    #[must_use]
    pub fn owner_of(&self, binding: &TargetGroupBinding) -> Option<GroupId> {
        let group = self.group_of_binding(binding)?;
        let namespace = binding.metadata.namespace.as_deref();
        let is_near = |key: &Key| Some(key.namespace.as_str()) == namespace;
        let arn = binding.spec.target_group_arn.as_ref()?;
        let ledger = self.group_object(&group);
        let status = ledger.and_then(|ledger| ledger.status.as_ref());
        let is_named = status.is_none_or(|status| status.resources.values().any(|known| known == arn))
            && !is_elsewheres(binding, ledger.map(AsRef::as_ref));
        (is_named && self.members.get(&group).is_some_and(|members| members.iter().any(is_near))).then_some(group)
    }

    /// Whether an Ingress is in no group although it is not another controller's.
    fn is_unplaced(&self, ingress: &Ingress) -> bool {
        use super::Membership::{InvalidGroup, Unknown};
        matches!(self.membership(ingress), InvalidGroup(_) | Unknown(_))
    }

    /// How many objects of a kind are held.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.keys(kind).len()
    }
}

/// Whether a group's ledger knows the binding's target group as one of another namespace: `NAMESPACE/INGRESS-SERVICE:PORT`.
pub(super) fn is_elsewheres(binding: &TargetGroupBinding, ledger: Option<&IngressGroup>) -> bool {
    let status = ledger.and_then(|ledger| ledger.status.as_ref());
    let (Some(status), Some(arn)) = (status, binding.spec.target_group_arn.as_ref()) else { return false };
    let own = binding.metadata.namespace.as_deref().unwrap_or_default();
    let namespaces =
        status.resources.iter().filter(|(_, known)| *known == arn).filter_map(|(id, _)| id.split_once('/'));
    let mut namespaces = namespaces.map(|(namespace, _)| namespace).peekable();
    namespaces.peek().is_some() && namespaces.all(|namespace| namespace != own)
}

/// The group whose labels a binding carries.
fn group_of_labels(binding: &TargetGroupBinding) -> Option<GroupId> {
    let labels = binding.metadata.labels.as_ref()?;
    if let Some(name) = labels.get("ingress.k8s.aws/stack") {
        return Some(GroupId::Explicit(name.clone()));
    }
    let namespace = labels.get("ingress.k8s.aws/stack-namespace")?.clone();
    Some(GroupId::Implicit { namespace, name: labels.get("ingress.k8s.aws/stack-name")?.clone() })
}

/// The pods that a slice names.
fn pods_of(slice: &Endpoints) -> impl Iterator<Item = Key> + '_ {
    slice.endpoints.iter().filter_map(|endpoint| endpoint.pod_key(&slice.key.namespace))
}

/// Takes a key out of a set, and the set out of the map when it is empty.
fn remove_from<K: Ord>(map: &mut BTreeMap<K, BTreeSet<Key>>, of: &K, key: &Key) {
    if let Some(set) = map.get_mut(of) {
        set.remove(key);
        if set.is_empty() {
            map.remove(of);
        }
    }
}

fn own_group(key: &Key) -> GroupId {
    GroupId::Implicit { namespace: key.namespace.clone(), name: key.name.clone() }
}

fn service_of(key: &Key, binding: &TargetGroupBinding) -> Key {
    Key::new(&key.namespace, &binding.spec.service_ref.name)
}

/// The host names in the status of an Ingress, each with its ports.
fn hosts(ingress: &Ingress) -> Vec<(Option<&str>, Vec<i32>)> {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = balancer.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let ports = |entry: &IngressLoadBalancerIngress| entry.ports.iter().flatten().map(|port| port.port).collect();
    entries.map(|entry| (entry.hostname.as_deref(), ports(entry))).collect()
}

/// Whether two states of an Ingress have the same result: status and managed fields have no effect.
fn means_the_same(before: &Ingress, after: &Ingress) -> bool {
    before.spec == after.spec
        && before.metadata.annotations == after.metadata.annotations
        && before.metadata.deletion_timestamp == after.metadata.deletion_timestamp
        && before.metadata.finalizers == after.metadata.finalizers
        && before.metadata.uid == after.metadata.uid
}

/// The Services that an Ingress refers to: in its backends, and in forward actions of its annotations.
#[must_use]
pub fn service_refs(ingress: &Ingress) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(spec) = &ingress.spec {
        let paths = spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
        let backends = paths.map(|path| &path.backend).chain(spec.default_backend.as_ref());
        for service in backends.filter_map(|backend| backend.service.as_ref()) {
            // Most paths of an Ingress lead to the same few.
            if !names.contains(&service.name) {
                names.insert(service.name.clone());
            }
        }
    }
    let annotations = ingress.metadata.annotations.iter().flatten();
    let actions =
        annotations.filter(|(key, _)| key.strip_prefix(PREFIX).is_some_and(|key| key.starts_with("actions.")));
    for (_, value) in actions {
        let Some(Action::Forward(forward)) = action::read(value).value else { continue };
        names.extend(forward.target_groups.into_iter().filter_map(|tuple| match tuple.target_group {
            ForwardTarget::Service { name, .. } => Some(name),
            ForwardTarget::Arn(_) | ForwardTarget::Name(_) => None,
        }));
    }
    names
}

/// The Secrets that an Ingress needs for OIDC, named by itself or by a Service that it forwards to.
#[must_use]
pub fn secret_refs(ingress: &Ingress, services: &BTreeMap<Key, Arc<Service>>) -> BTreeSet<Key> {
    let namespace = ingress.metadata.namespace.clone().unwrap_or_default();
    let own = ingress.metadata.annotations.as_ref().and_then(|map| map.get(OIDC));
    let used = service_refs(ingress).into_iter().filter_map(|name| services.get(&Key::new(&namespace, &name)));
    let of_services = used.filter_map(|service| service.metadata.annotations.as_ref()?.get(OIDC));
    own.into_iter()
        .chain(of_services)
        .filter_map(|raw| auth::read_oidc(raw).value?.client_secret_from)
        .map(|secret| Key::new(&namespace, &secret))
        .collect()
}
