//! A stand-in for scheduler and kubelets: binds pods to made-up nodes, gives them addresses, says that they run, removes them.
//!
//! Pods whose image is in the table of [`crate::images`] answer requests and end as in a cluster ([`crate::pod_life`]). All others cost nothing: they
//! are ready at once, nobody answers for them, and they go at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node as KubeNode, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use crate::aws_state::{Node, World};
use crate::images::is_served;
use crate::pod_life::PodLife;
use crate::pods::{Addresses, HOLD, annotation, wanted};

const AT_ONCE: usize = 32;
pub(crate) const MANAGER: &str = "testenv-kubelet";

/// A node to be made.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    pub name: String,
    pub provider_id: String,
    pub zone: String,
    pub ip: String,
    pub pod_cidr: String,
    pub labels: BTreeMap<String, String>,
}

impl From<&Node> for NodeSpec {
    fn from(n: &Node) -> Self {
        Self {
            name: n.name.clone(),
            provider_id: format!("aws:///{}/{}", n.zone, n.instance_id),
            zone: n.zone.clone(),
            ip: n.ip.clone(),
            pod_cidr: n.pod_cidr.clone(),
            labels: BTreeMap::new(),
        }
    }
}

pub struct Kubelet {
    client: Client,
    shared: Arc<Mutex<Nodes>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
pub(crate) struct Nodes(BTreeMap<String, (NodeSpec, Addresses)>);

impl Kubelet {
    /// Makes a region's nodes and takes care of every pod in the cluster from now on.
    pub async fn start(client: Client, world: &World) -> Result<Self> {
        let shared = Arc::new(Mutex::new(Nodes::default()));
        let task = tokio::spawn(run(client.clone(), Arc::clone(&shared)));
        let kubelet = Self { client, shared, task };
        for node in &world.nodes {
            kubelet.add_node(node.into()).await?;
        }
        Ok(kubelet)
    }

    /// Makes one more node, Ready and without taints, that pods can go to.
    pub async fn add_node(&self, spec: NodeSpec) -> Result<()> {
        let what = format!("making the node {}", spec.name);
        let addresses = Addresses::new(&spec.pod_cidr)?;
        make_node(&self.client, &spec).await.context(what)?;
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).0.insert(spec.name.clone(), (spec, addresses));
        Ok(())
    }

    /// Removes a node; what happens to its pods is the caller's.
    pub async fn remove_node(&self, name: &str) -> Result<()> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).0.remove(name);
        let nodes: Api<KubeNode> = Api::all(self.client.clone());
        nodes.delete(name, &DeleteParams::default()).await.with_context(|| format!("removing the node {name}"))?;
        Ok(())
    }

    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn make_node(client: &Client, spec: &NodeSpec) -> Result<()> {
    let nodes: Api<KubeNode> = Api::all(client.clone());
    let mut labels = json!({"kubernetes.io/hostname": spec.name, "topology.kubernetes.io/zone": spec.zone,
                            "node.kubernetes.io/instance-type": "m5.large", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
    if let Some(labels) = labels.as_object_mut() {
        labels.extend(spec.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    let node: KubeNode = serde_json::from_value(json!({
        "metadata": {"name": spec.name, "labels": labels}, "spec": {"providerID": spec.provider_id, "podCIDR": spec.pod_cidr}}))?;
    match nodes.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(e)) if e.code == 409 => {}
        other => drop(other?),
    }
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": spec.ip}, {"type": "Hostname", "address": spec.name}],
        "capacity": {"cpu": "64", "memory": "256Gi", "pods": "5000"}, "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "5000"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "stand-in"}]}});
    nodes.patch_status(&spec.name, &PatchParams::default(), &Patch::Strategic(status)).await?;
    // A node that is made by hand is tainted as not ready, and nobody takes that away again.
    let untainted = json!({"spec": {"taints": Value::Null}});
    nodes.patch(&spec.name, &PatchParams::default(), &Patch::Merge(untainted)).await?;
    Ok(())
}

async fn run(client: Client, shared: Arc<Mutex<Nodes>>) {
    let mut pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default()).boxed();
    let (mut work, mut lives) = (JoinSet::new(), Lives::default());
    while let Some(event) = pods.next().await {
        match &event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) if Lives::takes(pod) => {
                lives.tell(&client, &shared, pod);
                continue;
            }
            Ok(Event::Delete(pod)) => lives.forget(&pod.uid().unwrap_or_default()),
            Ok(Event::InitDone) => lives.keep_listed(),
            _ => {}
        }
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                while work.len() >= AT_ONCE {
                    work.join_next().await;
                }
                work.spawn(tend(client.clone(), Arc::clone(&shared), pod));
            }
            Ok(Event::Delete(pod)) => {
                let mut nodes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                nodes.0.values_mut().for_each(|(_, addresses)| addresses.free(&pod.uid().unwrap_or_default()));
            }
            Ok(_) => {}
            // The API server is restarting, or gone with the test.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// The Pods whose containers answer, by uid.
#[derive(Default)]
struct Lives {
    lives: BTreeMap<String, PodLife>,
    /// Those that were in the list since it was last over: what goes while the API server is away is in no event.
    listed: BTreeSet<String>,
}

impl Lives {
    fn takes(pod: &Pod) -> bool {
        let is_bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        is_bound && is_served(pod) && annotation(pod, HOLD).is_none()
    }

    fn tell(&mut self, client: &Client, nodes: &Arc<Mutex<Nodes>>, pod: &Pod) {
        let uid = pod.uid().unwrap_or_default();
        self.listed.insert(uid.clone());
        match self.lives.get(&uid) {
            Some(life) => life.tell(pod.clone()),
            None => drop(self.lives.insert(uid, PodLife::begin(client.clone(), Arc::clone(nodes), pod.clone()))),
        }
    }

    fn forget(&mut self, uid: &str) {
        self.lives.remove(uid);
    }

    fn keep_listed(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        self.lives.retain(|uid, _| listed.contains(uid));
    }
}

/// One step for one pod. A conflict or a pod that is gone is no fault: what matters comes again as an event.
async fn tend(client: Client, shared: Arc<Mutex<Nodes>>, pod: Pod) {
    let ended = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if annotation(&pod, HOLD).is_some()
        || (matches!(ended, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none())
    {
        return;
    }
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    if pod.metadata.deletion_timestamp.is_some() {
        let _ = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
        return;
    }
    if pod.spec.as_ref().is_none_or(|s| s.node_name.is_none()) {
        let cordoned = cordoned(&pods.clone().into_client(), &pod).await;
        let chosen = shared.lock().unwrap_or_else(PoisonError::into_inner).choose(&pod, &cordoned);
        if let Some(node) = chosen {
            let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace},
                                 "target": {"apiVersion": "v1", "kind": "Node", "name": node}});
            let _: Result<Value, _> = pods.create_subresource("binding", &name, &PostParams::default(), &binding).await;
        }
        return;
    }
    let patch = shared.lock().unwrap_or_else(PoisonError::into_inner).status(&pod, true);
    if let Some(patch) = patch {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let _ = pods.patch_status(&name, &params, &Patch::Strategic(patch)).await;
    }
}

/// Nodes that take no Pods. Only nodes of a test's own are ever cordoned, and its Pods select them: for others nothing is asked.
async fn cordoned(client: &Client, pod: &Pod) -> BTreeSet<String> {
    if pod.spec.as_ref().is_none_or(|spec| spec.node_selector.is_none()) {
        return BTreeSet::new();
    }
    let params = ListParams::default().fields("spec.unschedulable=true");
    let found = Api::<KubeNode>::all(client.clone()).list(&params).await;
    found.map(|nodes| nodes.items.iter().map(KubeNode::name_any).collect()).unwrap_or_default()
}

impl Nodes {
    /// The emptiest node that the pod's selector allows; it is reckoned with the pod from now on.
    fn choose(&mut self, pod: &Pod, cordoned: &BTreeSet<String>) -> Option<String> {
        let selector = pod.spec.as_ref().and_then(|s| s.node_selector.clone()).unwrap_or_default();
        let fits = |spec: &NodeSpec| {
            !cordoned.contains(&spec.name) && selector.iter().all(|(k, v)| spec.labels.get(k) == Some(v))
        };
        let (spec, addresses) = self.0.values_mut().filter(|(spec, _)| fits(spec)).min_by_key(|(_, a)| a.len())?;
        addresses.of(&pod.uid()?);
        Some(spec.name.clone())
    }

    /// The status patch that a Pod on a node needs; its containers are ready if it is not told otherwise.
    pub(crate) fn status(&mut self, pod: &Pod, is_ready: bool) -> Option<Value> {
        let ip = self.address(pod)?;
        let (spec, _) = self.0.get(pod.spec.as_ref()?.node_name.as_deref()?)?;
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        wanted(pod, spec, ip, is_ready, &now)
    }

    /// The address of a Pod on a node, the same for as long as it lives.
    pub(crate) fn address(&mut self, pod: &Pod) -> Option<Ipv4Addr> {
        let (_, addresses) = self.0.get_mut(pod.spec.as_ref()?.node_name.as_deref()?)?;
        let uid = pod.uid()?;
        let has = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
        if let Some(ip) = has {
            addresses.keep(&uid, ip);
        }
        addresses.of(&uid)
    }

    /// Another address for a Pod whose first one cannot be used.
    pub(crate) fn take_another(&mut self, pod: &Pod) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
        if let (Some((_, addresses)), Some(uid)) = (self.0.get_mut(node), pod.uid()) {
            addresses.free(&uid);
        }
    }
}
