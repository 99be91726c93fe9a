//! A snapshot of all objects that a group needs, with a candidate in place of the stored object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;

use super::edges::{balancer_name, is_elsewheres};
use super::{Class, ClassError, Membership, SecretKeys, World, service_refs};
use crate::kinds::{Endpoints, IngressGroup, Key, TargetGroupBinding};
use crate::stack::{GroupId, Observed, resource_of};

/// A change that has not happened yet: what admission reviews.
#[derive(Debug, Clone, Default)]
pub enum Overlay {
    /// No change.
    #[default]
    None,
    /// This Ingress replaces the stored one of the same name.
    Put(Arc<Ingress>),
    /// The Ingress of this name does not exist.
    Delete(Key),
}

/// A member of a group with the class that made it ours.
#[derive(Debug, Clone)]
pub struct ClassifiedMember {
    /// The Ingress.
    pub ingress: Arc<Ingress>,
    /// How it was selected.
    pub class: Class,
}

impl ClassifiedMember {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::of(&self.ingress.metadata)
    }
}

/// An Ingress that has the finalizer of the group and is not a member. If the group has a ledger, it was a member.
#[derive(Debug, Clone)]
pub enum Leaving {
    /// It is being deleted, or belongs to another controller or group now. This is certain.
    Left(Arc<Ingress>),
    /// It is unknown where it belongs, for example because its class was deleted: nothing of it changes.
    Unknown(Arc<Ingress>, ClassError),
}

impl Leaving {
    /// The Ingress in both cases.
    #[must_use]
    pub fn ingress(&self) -> &Arc<Ingress> {
        let (Self::Left(ingress) | Self::Unknown(ingress, _)) = self;
        ingress
    }
}

/// Everything that a group is built from.
#[derive(Debug, Clone)]
pub struct View {
    /// The group.
    pub group: GroupId,
    /// Finalizers by which an Ingress is held for the group; the first is the one that is written.
    pub finalizers: Vec<String>,
    /// Members, by namespace and name.
    pub members: Vec<ClassifiedMember>,
    /// Ingresses that are leaving.
    pub leaving: Vec<Leaving>,
    /// The Services that members refer to, those that exist.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// The `EndpointSlices` of those Services. Only totals use them; a change of them does not start a pass of the group.
    pub endpoints: BTreeMap<Key, Vec<Arc<Endpoints>>>,
    /// How many nodes the cluster has.
    pub nodes: usize,
    /// All Services in the members' namespaces, whose names are suggested: few are asked for one, so nothing is copied.
    pub nearby: Vec<Arc<Service>>,
    /// The Secrets that members refer to, those that are known.
    pub secrets: BTreeMap<Key, Arc<SecretKeys>>,
    /// Member → a member of another group that gives its load balancer the same name and came first.
    pub namesakes: BTreeMap<Key, Key>,
    /// Bindings with the group's labels, in namespaces of members.
    pub bindings: Vec<Arc<TargetGroupBinding>>,
    /// The ledger's object.
    pub ledger: Option<Arc<IngressGroup>>,
}

impl View {
    /// Whether an Ingress is held for the group.
    #[must_use]
    pub fn is_held(&self, ingress: &Ingress) -> bool {
        ingress.metadata.finalizers.iter().flatten().any(|held| self.finalizers.contains(held))
    }

    /// Whether all Ingresses of the group are in one namespace: then each may read the findings of all.
    #[must_use]
    pub fn is_of_one_namespace(&self) -> bool {
        let mut namespaces = self.ingresses().map(|ingress| ingress.metadata.namespace.as_deref().unwrap_or_default());
        let first = namespaces.next();
        namespaces.all(|namespace| Some(namespace) == first)
    }

    /// The Ingresses of members and of those on their way out.
    pub fn ingresses(&self) -> impl Iterator<Item = &Arc<Ingress>> {
        self.members.iter().map(|member| &member.ingress).chain(self.leaving.iter().map(Leaving::ingress))
    }

    /// Leaves out Ingresses of unknown membership that were never in the group: the ledger does not list them as linked, or, without
    /// a ledger, AWS has no target group of them.
    pub fn leave_out_strangers(&mut self, observed: &Observed) {
        let status = self.ledger.as_ref().and_then(|ledger| ledger.status.as_ref());
        let held: Vec<&str> = observed.target_groups.iter().filter_map(|found| resource_of(&found.is.tags)).collect();
        self.leaving.retain(|leaving| match leaving {
            Leaving::Left(_) => true,
            Leaving::Unknown(ingress, _) => {
                let key = Key::of(&ingress.metadata);
                let of_it = format!("{key}-");
                status.is_some() || held.iter().any(|id| id.starts_with(&of_it))
            }
        });
    }
}

impl World {
    /// Everything that a group is built from, with a candidate in place of the stored object.
    #[must_use]
    pub fn view(&self, group: &GroupId, overlay: &Overlay) -> View {
        let members = self.members.get(group).into_iter().flatten();
        let mut ingresses: BTreeMap<&Key, &Arc<Ingress>> =
            members.filter_map(|key| Some((key, self.ingresses.get(key)?))).collect();
        let candidate = match overlay {
            Overlay::Put(ingress) => Some((Key::of(&ingress.metadata), ingress)),
            Overlay::None | Overlay::Delete(_) => None,
        };
        if let Some((key, ingress)) = &candidate {
            ingresses.insert(key, ingress);
        }
        if let Overlay::Delete(key) = overlay {
            ingresses.remove(key);
        }
        let mut view = View {
            group: group.clone(),
            finalizers: self.holders().iter().map(|holder| group.finalizer(*holder)).collect(),
            members: Vec::new(),
            leaving: Vec::new(),
            services: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            nodes: self.nodes.len(),
            nearby: Vec::new(),
            secrets: BTreeMap::new(),
            namesakes: BTreeMap::new(),
            bindings: Vec::new(),
            ledger: self.group_object(group).cloned(),
        };
        for (key, ingress) in ingresses {
            self.place(&mut view, key, ingress.clone());
        }
        view.bindings = self.bindings_of(&view);
        view
    }

    fn place(&self, view: &mut View, key: &Key, ingress: Arc<Ingress>) {
        let counts = || !view.group.is_explicit() || self.is_known_in(&view.group, key) != Some(false);
        let holds = view.is_held(&ingress) && counts();
        match self.membership(&ingress) {
            Membership::Member(group, class) if group == view.group => {
                for service in service_refs(&ingress) {
                    let service = Key::new(&key.namespace, &service);
                    if let Some(object) = self.services.get(&service) {
                        view.endpoints.insert(service.clone(), self.endpoints(&service));
                        view.services.insert(service, object.clone());
                    }
                }
                // Members come in the order of their namespaces.
                let before = view.members.last().and_then(|member| member.ingress.metadata.namespace.as_deref());
                if before != Some(key.namespace.as_str()) {
                    view.nearby.extend(self.services_in(&key.namespace));
                    let of_namespace = self.secrets.range(Key::new(&key.namespace, "")..);
                    for (secret, keys) in of_namespace.take_while(|(secret, _)| secret.namespace == key.namespace) {
                        view.secrets.insert(secret.clone(), keys.clone());
                    }
                }
                view.namesakes.extend(self.namesake(view, key, &ingress).map(|other| (key.clone(), other)));
                view.members.push(ClassifiedMember { ingress, class });
            }
            Membership::Unknown(error) if holds => view.leaving.push(Leaving::Unknown(ingress, error)),
            _ if holds => view.leaving.push(Leaving::Left(ingress)),
            _ => {}
        }
    }

    /// The oldest member of another group with the same `load-balancer-name`, if it is older than this one. One whose load balancer exists under
    /// another name does not count: it keeps that.
    fn namesake(&self, view: &View, key: &Key, ingress: &Ingress) -> Option<Key> {
        let name = balancer_name(ingress)?;
        // Under review an Ingress may have no time of creation yet: then it is the youngest.
        let age = |key: &Key, ingress: &Ingress| {
            let created = ingress.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created.is_none(), created, key.clone())
        };
        let others = self.balancer_names.get(name)?.iter().filter(|other| *other != key);
        let others = others.filter_map(|other| Some((other, self.ingresses.get(other)?)));
        let elsewhere = others.filter(|(other, _)| match self.memberships.get(*other) {
            Some(Membership::Member(group, _)) if *group != view.group => {
                let status = self.group_object(group).and_then(|ledger| ledger.status.as_ref()?.load_balancer.as_ref());
                status.is_none_or(|balancer| balancer.name == name)
            }
            _ => false,
        });
        let oldest = elsewhere.map(|(other, ingress)| age(other, ingress)).min()?;
        (oldest < age(key, ingress)).then_some(oldest.2)
    }

    fn services_in(&self, namespace: &str) -> impl Iterator<Item = Arc<Service>> {
        let from = self.services.range(Key::new(namespace, "")..);
        from.take_while(move |(key, _)| key.namespace == namespace).take(200).map(|(_, service)| service.clone())
    }

    /// Bindings with the labels of the group in a namespace where it has, or had, a member. Anybody may write labels, and join: elsewhere they prove
    /// nothing, and they never give access to a target group of another namespace.
    fn bindings_of(&self, view: &View) -> Vec<Arc<TargetGroupBinding>> {
        let recorded = view.ledger.iter().filter_map(|ledger| ledger.status.as_ref());
        let recorded = recorded.flat_map(|status| &status.members).map(|member| member.namespace.as_str());
        let there = view.ingresses().filter_map(|ingress| ingress.metadata.namespace.as_deref());
        let namespaces: BTreeSet<&str> = there.chain(recorded).collect();
        let keys = self.group_bindings.get(&view.group).into_iter().flatten();
        let near = keys.filter(|key| namespaces.contains(key.namespace.as_str()));
        let near = near.filter_map(|key| self.bindings.get(key));
        near.filter(|binding| !is_elsewheres(binding, view.ledger.as_deref())).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::{CONTROLLER, Settings};
    use crate::world::Object;

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn labels_count_in_namespaces_of_members() {
        let mut world = World::new(Settings::new("demo"));
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}});
        world.apply(Object::IngressClass(read(class)));
        let annotations = json!({"alb.ingress.kubernetes.io/group.name": "shop"});
        let meta = json!({"namespace": "victim", "name": "web", "annotations": annotations.clone()});
        world.apply(Object::Ingress(read(json!({"metadata": meta, "spec": {"ingressClassName": "alb"}}))));
        for namespace in ["victim", "evil"] {
            let labels = json!({"ingress.k8s.aws/stack": "shop"});
            world.apply(Object::Binding(read(
                json!({"metadata": {"namespace": namespace, "name": "b", "labels": labels},
                "spec": {"targetGroupARN": "arn", "serviceRef": {"name": "web", "port": 80}}}),
            )));
        }
        let namespaces = |world: &World| -> Vec<String> {
            let view = world.view(&GroupId::Explicit("shop".to_owned()), &Overlay::None);
            view.bindings.iter().filter_map(|binding| binding.metadata.namespace.clone()).collect()
        };
        assert_eq!(namespaces(&world), ["victim"]);
        // A member that is gone is remembered by the ledger until its bindings are gone too.
        world.delete(crate::world::Kind::Ingress, &Key::new("victim", "web"));
        assert!(namespaces(&world).is_empty());
        let member = json!({"namespace": "victim", "name": "web", "uid": "1", "state": "Linked"});
        world.apply(Object::Group(read(json!({"metadata": {"name": "group.shop"}, "spec": {"stack": "shop"},
            "status": {"members": [member.clone()]}}))));
        assert_eq!(namespaces(&world), ["victim"]);
        // Who joins the group has a namespace of a member, and still nothing of a target group that is another namespace's.
        let meta = json!({"namespace": "evil", "name": "web", "annotations": annotations});
        world.apply(Object::Ingress(read(json!({"metadata": meta, "spec": {"ingressClassName": "alb"}}))));
        world.apply(Object::Group(read(json!({"metadata": {"name": "group.shop"}, "spec": {"stack": "shop"},
            "status": {"members": [member], "resources": {"victim/web-web:80": "arn"}}}))));
        assert_eq!(namespaces(&world), ["victim"]);
        let evil = world.binding(&Key::new("evil", "b")).cloned().map(|binding| world.owner_of(&binding));
        assert_eq!(evil, Some(None));
    }
}
