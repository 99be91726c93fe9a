//! Many Pods: target groups of a thousand targets each, registered, and found again after a restart.
//!
//! The objects are Services without a selector, `EndpointSlices` and Pods that no kubelet tends, on nodes whose network interfaces have their addresses.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::course::{Course, PREFIX};
use crate::figures::Table;

/// Endpoints of a slice, as the controller of Kubernetes makes them.
const SLICE: usize = 100;
/// Pods on a node: as many as the addresses of the block that its network interface has.
const ON_NODE: usize = 250;
/// How long Pods flap, and how often one becomes ready.
const FLAPPING: Duration = Duration::from_mins(1);
const TRIALS: usize = 50;
/// Requests to the API server at a time.
const AT_ONCE: usize = 16;

impl Course {
    /// So many target groups of so many Pods.
    pub async fn targets(&mut self, groups: usize, each: usize, table: &mut Table) -> Result<()> {
        self.make_nodes((groups * each).div_ceil(ON_NODE)).await?;
        self.make_pods(groups, each).await?;
        self.quiet().await?;
        let (what, name) = (format!("{groups} × {each} Pods"), self.program().name);
        let services = (0..groups).flat_map(|group| backends(group, each)).collect();
        self.apply(services).await?;
        self.quiet().await?;
        let ingresses: Vec<Value> = (0..groups).map(|group| self.ingress_of(group)).collect();
        let step = self.measured(async |course: &Self| {
            course.apply(ingresses.clone()).await?;
            course.addressed(groups).await
        });
        let step = step.await?;
        self.all_registered(groups * each).await?;
        table.add(step.row(name, format!("{what} registered"), groups));
        let step = self.measured(async |course: &Self| course.flap(each).await).await?;
        self.all_registered(groups * each).await?;
        table.add(step.row(name, format!("{each} of them flap for a minute"), groups));
        if !self.program().is_peer {
            self.latencies(each).await?;
        }
        let step = self.restarted().await?;
        table.add(step.row(name, format!("restart on {what}"), groups));
        let step = self.measured(async |course: &Self| {
            course.kubectl(&["delete", "ingress", "--all", "--timeout=600s"]).await.map(drop)
        });
        table.add(step.await?.row(name, format!("{what} deregistered"), groups));
        Ok(())
    }

    async fn all_registered(&self, count: usize) -> Result<()> {
        let state = self.state().await?;
        let registered: usize = state.target_groups.iter().map(|group| group.targets.len()).sum();
        ensure!(registered == count, "{registered} targets are registered, not {count}");
        Ok(())
    }

    /// The Pods of the first group become not ready and ready again for a minute, every second half of their slices.
    async fn flap(&self, each: usize) -> Result<()> {
        let end = Instant::now() + FLAPPING;
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        for round in 0.. {
            seconds.tick().await;
            if Instant::now() > end {
                break;
            }
            for (number, first) in (0..each).step_by(SLICE).enumerate() {
                self.put(&slice(0, each, first, |_| (round + number) % 2 == 0)).await?;
            }
        }
        for first in (0..each).step_by(SLICE) {
            self.put(&slice(0, each, first, |_| true)).await?;
        }
        Ok(())
    }

    /// How long it takes from a ready endpoint to the call that registers it.
    async fn latencies(&self, each: usize) -> Result<()> {
        let mut took = Vec::new();
        for number in 0..TRIALS {
            for ready in [false, true] {
                let (mark, began) = (self.mark().await?, Instant::now());
                self.put(&slice(0, each, 0, |one| one != number || ready)).await?;
                let operation = if ready { "RegisterTargets" } else { "DeregisterTargets" };
                while !self.since(mark).await?.iter().any(|call| call.operation == operation) {
                    ensure!(began.elapsed() < Duration::from_mins(1), "no {operation} within a minute");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                took.extend(ready.then(|| began.elapsed()));
            }
        }
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
        println!("endpoint ready to registered: p50 {:.0?}, p99 {:.0?} of {TRIALS}", at(50), at(99));
        Ok(())
    }

    async fn put(&self, slice: &Value) -> Result<()> {
        let api: Api<EndpointSlice> = self.api();
        let name = slice.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        api.patch(name, &PatchParams::apply("bench").force(), &Patch::Apply(slice)).await?;
        Ok(())
    }

    async fn make_nodes(&self, count: usize) -> Result<()> {
        for node in (0..count).map(Place::of_node) {
            self.add_node(&node.name(), &node.instance(), &node.own_address(), &node.address(0)).await?;
        }
        Ok(())
    }

    async fn make_pods(&self, groups: usize, each: usize) -> Result<()> {
        let api: Api<Pod> = self.api();
        let pods = (0..groups).flat_map(|group| (0..each).map(move |number| (group, number)));
        let made = futures::stream::iter(pods).map(|(group, number)| {
            let api = api.clone();
            let node = Place::of_node((group * each + number) / ON_NODE).name();
            async move {
                let pod = json!({"metadata": {"name": pod(group, number), "annotations": {albedo_testenv::HOLD: ""}},
                    "spec": {"nodeName": node, "containers": [{"name": "app", "image": "none",
                        "ports": [{"name": "http", "containerPort": 8080}]}]}});
                api.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
                anyhow::Ok(())
            }
        });
        made.buffer_unordered(AT_ONCE).try_collect().await
    }

    fn ingress_of(&self, group: usize) -> Value {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": format!("many-{group}"), "annotations": {format!("{PREFIX}/target-type"): "ip"}},
            "spec": {"ingressClassName": self.class(), "defaultBackend": {"service": {"name": format!("many-{group}"), "port": {"number": 80}}}}})
    }
}

/// A node, which has a block of 256 addresses for its Pods.
struct Place(usize);

impl Place {
    fn of_node(number: usize) -> Self {
        Self(number)
    }

    fn name(&self) -> String {
        format!("many-{}", self.0)
    }

    fn instance(&self) -> String {
        format!("i-0f{:015x}", self.0)
    }

    /// In the first private subnet.
    fn own_address(&self) -> String {
        format!("10.77.{}.{}", 50 + self.0 / 200, 10 + self.0 % 200)
    }

    fn address(&self, host: usize) -> String {
        format!("10.{}.{}.{host}", 128 + self.0 / 200, self.0 % 200)
    }
}

fn pod(group: usize, number: usize) -> String {
    format!("many-{group}-5d9c7b8f6d-{number:05}")
}

/// The Service of a group and its slices.
fn backends(group: usize, each: usize) -> Vec<Value> {
    let service = format!("many-{group}");
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})];
    objects.extend((0..each).step_by(SLICE).map(|first| slice(group, each, first, |_| true)));
    objects
}

/// A slice of a group, from an endpoint on; which of its endpoints are ready.
fn slice(group: usize, each: usize, first: usize, ready: impl Fn(usize) -> bool) -> Value {
    let service = format!("many-{group}");
    let endpoint = |number: usize| {
        let (node, host) = ((group * each + number) / ON_NODE, 1 + (group * each + number) % ON_NODE);
        let node = Place::of_node(node);
        json!({"addresses": [node.address(host)], "nodeName": node.name(),
                "conditions": {"ready": ready(number)}, "targetRef": {"kind": "Pod", "name": pod(group, number)}})
    };
    let endpoints: Vec<Value> = (first..each.min(first + SLICE)).map(endpoint).collect();
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{service}-{first}"), "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints})
}
