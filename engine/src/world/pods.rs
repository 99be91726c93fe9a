//! The Pods of a world, each with the Services whose `EndpointSlices` name it. There may be a hundred thousand: each is kept in few bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::kinds::{Key, Pod};

/// Names of nodes that are kept beyond those that Pods have; then the unused ones are dropped.
const SPARE: usize = 64;

/// Pods and the Services of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Pods {
    rows: BTreeMap<Key, Row>,
    /// Names of nodes, which many Pods share.
    nodes: BTreeSet<Arc<str>>,
    /// How many names there were when the unused ones were last dropped.
    used: usize,
}

/// A slice may name a Pod before the watch has reported it.
#[derive(Debug, Clone, Default)]
struct Row {
    pod: Option<Arc<Pod>>,
    services: Box<[Arc<Key>]>,
}

impl Pods {
    /// Keeps a Pod. Whether that is news.
    pub(super) fn put(&mut self, mut pod: Pod) -> bool {
        if let Some(known) = self.nodes.get(&pod.node) {
            pod.node = known.clone();
        } else {
            self.nodes.insert(pod.node.clone());
        }
        let row = self.rows.entry(pod.key.clone()).or_default();
        let is_news = row.pod.as_deref() != Some(&pod);
        if is_news {
            row.pod = Some(Arc::new(pod));
        }
        if self.nodes.len() > 2 * self.used + SPARE {
            self.nodes.retain(|name| Arc::strong_count(name) > 1);
            self.used = self.nodes.len();
        }
        is_news
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(row) = self.rows.get_mut(key) {
            row.pod = None;
        }
        self.drop_empty(key);
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Pod>> {
        self.rows.get(key)?.pod.as_ref()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.iter().filter(|(_, row)| row.pod.is_some()).map(|(key, _)| key)
    }

    pub(super) fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> {
        let rows = self.rows.range(Key::new(namespace, "")..).take_while(move |(key, _)| key.namespace == namespace);
        rows.filter_map(|(_, row)| row.pod.as_ref())
    }

    /// A slice of a Service names a Pod.
    pub(super) fn link(&mut self, pod: Key, service: &Arc<Key>) {
        let row = self.rows.entry(pod).or_default();
        if !row.services.contains(service) {
            row.services = row.services.iter().chain([service]).cloned().collect();
        }
    }

    /// No slice of a Service names a Pod any more.
    pub(super) fn unlink(&mut self, pod: &Key, service: &Key) {
        if let Some(row) = self.rows.get_mut(pod) {
            row.services = row.services.iter().filter(|one| ***one != *service).cloned().collect();
        }
        self.drop_empty(pod);
    }

    /// Services whose slices name a Pod.
    pub(super) fn services(&self, pod: &Key) -> impl Iterator<Item = &Key> {
        self.rows.get(pod).into_iter().flat_map(|row| &row.services).map(AsRef::as_ref)
    }

    fn drop_empty(&mut self, key: &Key) {
        if self.rows.get(key).is_some_and(|row| row.pod.is_none() && row.services.is_empty()) {
            self.rows.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, node: &str) -> Pod {
        Pod { key: Key::new("ns", name), node: node.into(), ..Pod::default() }
    }

    #[test]
    fn a_pod_and_its_services_come_and_go_in_any_order() {
        let (mut pods, key) = (Pods::default(), Key::new("ns", "a"));
        let (web, api) = (Arc::new(Key::new("ns", "web")), Arc::new(Key::new("ns", "api")));
        pods.link(key.clone(), &web);
        pods.link(key.clone(), &api);
        pods.link(key.clone(), &web);
        assert_eq!((pods.get(&key), pods.keys().count(), pods.services(&key).count()), (None, 0, 2));
        assert!(pods.put(pod("a", "n")) && !pods.put(pod("a", "n")) && pods.put(pod("a", "m")));
        assert_eq!(pods.get(&key).map(|pod| &*pod.node), Some("m"));
        pods.remove(&key);
        pods.unlink(&key, &web);
        assert_eq!(pods.services(&key).collect::<Vec<_>>(), [&*api]);
        pods.unlink(&key, &api);
        assert!(pods.rows.is_empty());
    }

    #[test]
    fn pods_share_the_name_of_their_node_and_names_of_no_pod_are_dropped() {
        let mut pods = Pods::default();
        pods.put(pod("a", "n"));
        pods.put(pod("b", "n"));
        let node = |name: &str| pods.get(&Key::new("ns", name)).unwrap().node.clone();
        assert!(Arc::ptr_eq(&node("a"), &node("b")));
        for number in 0..10_000 {
            pods.put(pod("c", &format!("node-{number}")));
        }
        assert!(pods.nodes.len() <= SPARE + 8, "{}", pods.nodes.len());
    }
}
