//! Cluster IPs: a small forwarder for each port of each Service, as kube-proxy would have it; so the API server reaches webhooks by their Service.
//!
//! The range of cluster IPs of the control plane is of loopback.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::task::{JoinHandle, JoinSet};

use crate::node_ports::{endpoints, join, listen};

const LOOK: Duration = Duration::from_millis(200);

/// The forwarders of all Services, while it lives.
pub struct ClusterIps {
    task: JoinHandle<()>,
}

impl ClusterIps {
    pub fn open(client: Client) -> Self {
        Self { task: tokio::spawn(follow(client)) }
    }
}

impl Drop for ClusterIps {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One port of a Service.
#[derive(Debug, Clone)]
struct Port {
    namespace: String,
    service: String,
    name: String,
    at: SocketAddr,
}

async fn follow(client: Client) {
    let mut services = watcher(Api::<Service>::all(client.clone()), watcher::Config::default()).boxed();
    // The tasks of a Service end with its entry.
    let mut open: BTreeMap<String, JoinSet<()>> = BTreeMap::new();
    while let Some(event) = services.next().await {
        match event {
            Ok(Event::Apply(service) | Event::InitApply(service)) => {
                let key = service.uid().unwrap_or_default();
                open.entry(key).or_insert_with(|| {
                    let all = ports(&service).into_iter().map(|port| forward(client.clone(), port));
                    all.collect()
                });
            }
            Ok(Event::Delete(service)) => drop(open.remove(&service.uid().unwrap_or_default())),
            Ok(_) => {}
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// The ports of a Service with a cluster IP of loopback; what they are does not change in the tests.
fn ports(service: &Service) -> Vec<Port> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let address = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()).filter(Ipv4Addr::is_loopback);
    let Some(address) = address else { return Vec::new() };
    let port = |port: &k8s_openapi::api::core::v1::ServicePort| {
        Some(Port {
            namespace: service.namespace().unwrap_or_default(),
            service: service.name_any(),
            name: port.name.clone().unwrap_or_default(),
            at: SocketAddr::new(IpAddr::V4(address), u16::try_from(port.port).ok()?),
        })
    };
    spec.ports.iter().flatten().filter_map(port).collect()
}

async fn forward(client: Client, port: Port) {
    let listener = listen(port.at).await;
    let (mut connections, mut turn) = (JoinSet::new(), 0_usize);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                turn = turn.wrapping_add(1);
                let (client, port) = (client.clone(), port.clone());
                connections.spawn(async move { join(stream, port.endpoints(&client).await, turn).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Port {
    /// Where a connection may go; nowhere while the API server does not answer.
    async fn endpoints(&self, client: &Client) -> Vec<SocketAddr> {
        let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &self.namespace);
        let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={}", self.service));
        let slices = slices.list(&of_service).await.map(|list| list.items).unwrap_or_default();
        endpoints(slices.iter(), &self.name, None)
    }
}
