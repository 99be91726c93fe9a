//! Node ports: a small forwarder at each node's mapped address for every Service that has node ports. It sends connections where kube-proxy would:
//! to ready endpoints, and to serving ones that terminate when no other is left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::mapped::mapped_socket;

/// Before a watch, or a port in use, is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// The forwarders of the Services of one namespace, while it lives.
pub struct NodePorts {
    task: JoinHandle<()>,
}

impl NodePorts {
    /// Opens the node ports of a namespace's Services, and follows what changes.
    pub fn open(client: &Client, namespace: &str) -> Self {
        Self { task: tokio::spawn(follow(client.clone(), namespace.to_owned())) }
    }
}

impl Drop for NodePorts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a node port forwards to, and whose connections it may take.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    service: String,
    /// The name of the Service's port, which is that of the `EndpointSlices`' port.
    name: String,
    on_nodes: u16,
    /// `externalTrafficPolicy: Local`: only endpoints on the same node.
    local: bool,
}

/// All that a forwarder decides from.
#[derive(Default)]
struct Cluster {
    services: BTreeMap<String, Service>,
    nodes: BTreeMap<String, Node>,
    slices: BTreeMap<String, EndpointSlice>,
}

enum Change {
    Service(Box<Event<Service>>),
    Node(Box<Event<Node>>),
    Slice(Box<Event<EndpointSlice>>),
}

async fn follow(client: Client, namespace: String) {
    let config = watcher::Config::default;
    let services = watcher(Api::<Service>::namespaced(client.clone(), &namespace), config());
    let slices = watcher(Api::<EndpointSlice>::namespaced(client.clone(), &namespace), config());
    let nodes = watcher(Api::<Node>::all(client), config());
    let streams: [BoxStream<'static, Result<Change, watcher::Error>>; 3] = [
        services.map(|event| event.map(|event| Change::Service(Box::new(event)))).boxed(),
        slices.map(|event| event.map(|event| Change::Slice(Box::new(event)))).boxed(),
        nodes.map(|event| event.map(|event| Change::Node(Box::new(event)))).boxed(),
    ];
    let mut changes = stream::select_all(streams);
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    let mut open: BTreeMap<(String, Port), Forwarder> = BTreeMap::new();
    while let Some(change) = changes.next().await {
        let Ok(change) = change else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let wanted = {
            let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
            match change {
                Change::Service(event) => note(&mut cluster.services, *event),
                Change::Node(event) => note(&mut cluster.nodes, *event),
                Change::Slice(event) => note(&mut cluster.slices, *event),
            }
            cluster.wanted()
        };
        open.retain(|key, _| wanted.contains(key));
        for (node, port) in wanted {
            let key = (node, port);
            if !open.contains_key(&key) {
                let forwarder = Forwarder::open(&key, &cluster);
                open.extend(forwarder.map(|forwarder| (key, forwarder)));
            }
        }
    }
}

fn note<K: kube::Resource>(known: &mut BTreeMap<String, K>, event: Event<K>) {
    match event {
        Event::Apply(object) | Event::InitApply(object) => drop(known.insert(object.name_any(), object)),
        Event::Delete(object) => drop(known.remove(&object.name_any())),
        // What is listed anew comes as `InitApply`.
        Event::Init => known.clear(),
        Event::InitDone => {}
    }
}

impl Cluster {
    /// Each node's address with each node port.
    fn wanted(&self) -> BTreeSet<(String, Port)> {
        let addresses = self.nodes.values().filter_map(|node| {
            let addresses = node.status.as_ref()?.addresses.as_ref()?;
            addresses
                .iter()
                .find(|address| address.type_ == "InternalIP")
                .map(|address| (node.name_any(), &address.address))
        });
        let ports: Vec<Port> = self.services.values().flat_map(ports).collect();
        addresses.flat_map(|(node, _)| ports.iter().map(move |port| (node.clone(), port.clone()))).collect()
    }

    fn socket(&self, node: &str, port: u16) -> Option<SocketAddr> {
        let addresses = self.nodes.get(node)?.status.as_ref()?.addresses.as_ref()?;
        let address = addresses.iter().find(|address| address.type_ == "InternalIP")?;
        mapped_socket(&address.address, port)
    }

    /// Where a connection may go: ready endpoints, or else serving ones that terminate.
    fn endpoints(&self, node: &str, port: &Port) -> Vec<SocketAddr> {
        let of_service =
            |slice: &&EndpointSlice| slice.labels().get("kubernetes.io/service-name") == Some(&port.service);
        endpoints(self.slices.values().filter(of_service), &port.name, port.local.then_some(node))
    }
}

/// Where a connection to a port of a Service may go, by its slices: ready endpoints, or else serving ones that terminate; those of one node, or all.
pub(crate) fn endpoints<'s>(
    slices: impl Iterator<Item = &'s EndpointSlice>,
    port: &str,
    node: Option<&str>,
) -> Vec<SocketAddr> {
    let (mut ready, mut terminating) = (Vec::new(), Vec::new());
    for slice in slices {
        let named = slice.ports.iter().flatten().find(|one| one.name.as_deref().unwrap_or_default() == port);
        let Some(number) = named.and_then(|one| u16::try_from(one.port?).ok()) else { continue };
        for endpoint in &slice.endpoints {
            if node.is_some() && endpoint.node_name.as_deref() != node {
                continue;
            }
            let sockets = endpoint.addresses.iter().filter_map(|address| mapped_socket(address, number));
            let Some(conditions) = &endpoint.conditions else { continue };
            if conditions.ready.unwrap_or(true) {
                ready.extend(sockets);
            } else if conditions.serving == Some(true) && conditions.terminating == Some(true) {
                terminating.extend(sockets);
            }
        }
    }
    if ready.is_empty() { terminating } else { ready }
}

/// Listens at an address; another test environment may have it for a moment.
pub(crate) async fn listen(at: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(at).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn ports(service: &Service) -> Vec<Port> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let port = |port: &k8s_openapi::api::core::v1::ServicePort| {
        Some(Port {
            service: service.name_any(),
            name: port.name.clone().unwrap_or_default(),
            on_nodes: u16::try_from(port.node_port?).ok()?,
            local: spec.external_traffic_policy.as_deref() == Some("Local"),
        })
    };
    spec.ports.iter().flatten().filter_map(port).collect()
}

/// One listener on one node; its drop closes it and its connections.
struct Forwarder(JoinHandle<()>);

impl Forwarder {
    fn open((node, port): &(String, Port), cluster: &Arc<Mutex<Cluster>>) -> Option<Self> {
        let at = cluster.lock().unwrap_or_else(PoisonError::into_inner).socket(node, port.on_nodes)?;
        let (node, port, cluster) = (node.clone(), port.clone(), Arc::clone(cluster));
        Some(Self(tokio::spawn(async move {
            forward(&listen(at).await, &node, &port, &cluster).await;
        })))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn forward(listener: &TcpListener, node: &str, port: &Port, cluster: &Mutex<Cluster>) {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let endpoints = cluster.lock().unwrap_or_else(PoisonError::into_inner).endpoints(node, port);
                connections.spawn(join(client, endpoints, TURN.fetch_add(1, Ordering::Relaxed)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Joins a connection with one to an endpoint. Without one it is closed, as a packet that nobody forwards is refused.
pub(crate) async fn join(mut client: TcpStream, endpoints: Vec<SocketAddr>, turn: usize) {
    let Some(endpoint) = endpoints.get(turn % endpoints.len().max(1)) else { return };
    if let Ok(mut server) = TcpStream::connect(endpoint).await {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(endpoints: &[&serde_json::Value]) -> Cluster {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints}))
        .expect("a slice");
        Cluster { slices: [("web-1".to_owned(), slice)].into(), ..Cluster::default() }
    }

    fn port(local: bool) -> Port {
        Port { service: "web".to_owned(), name: "http".to_owned(), on_nodes: 30_080, local }
    }

    #[test]
    fn ready_endpoints_are_first_and_terminating_ones_the_last_resort() {
        let endpoint = |last: u8, node: &str, ready: bool, serving: bool, terminating: bool| {
            json!({"addresses": [format!("10.77.33.{last}")], "nodeName": node,
                   "conditions": {"ready": ready, "serving": serving, "terminating": terminating}})
        };
        let (ready, ending) = (endpoint(1, "a", true, true, false), endpoint(2, "b", false, true, true));
        let (unready, dead) = (endpoint(3, "a", false, false, false), endpoint(4, "a", false, false, true));
        let found = |endpoints: &[&serde_json::Value], node: &str, local: bool| -> Vec<String> {
            cluster(endpoints).endpoints(node, &port(local)).iter().map(ToString::to_string).collect()
        };
        assert_eq!(found(&[&ready, &ending, &unready, &dead], "b", false), ["127.77.33.1:8080"]);
        assert_eq!(found(&[&ending, &unready, &dead], "a", false), ["127.77.33.2:8080"]);
        assert_eq!(found(&[&ready, &ending, &unready, &dead], "b", true), ["127.77.33.2:8080"]);
        assert!(found(&[&unready, &dead], "a", false).is_empty());
    }
}
