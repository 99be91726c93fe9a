//! Many Pods: target groups of a thousand targets each, registered, and found again after a restart.
//!
//! The objects are Services without a selector, `EndpointSlices` and Pods that no kubelet tends, on nodes whose network interfaces have their addresses.

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::course::{Course, PREFIX};
use crate::figures::Table;

/// Endpoints of a slice, as the controller of Kubernetes makes them.
const SLICE: usize = 100;
/// Pods on a node: as many as the addresses of the block that its network interface has.
const ON_NODE: usize = 250;
/// Requests to the API server at a time.
const AT_ONCE: usize = 16;

impl Course {
    /// So many target groups of so many Pods.
    pub async fn targets(&mut self, groups: usize, each: usize, table: &mut Table) -> Result<()> {
        self.make_nodes((groups * each).div_ceil(ON_NODE)).await?;
        self.make_pods(groups, each).await?;
        self.quiet().await?;
        let what = format!("{groups} × {each} Pods");
        let services = (0..groups).flat_map(|group| backends(group, each)).collect::<Vec<_>>();
        self.apply(services).await?;
        self.quiet().await?;
        let ingresses: Vec<Value> = (0..groups).map(|group| self.ingress_of(group)).collect();
        let step = self.measured(async |course: &Self| {
            course.apply(ingresses.clone()).await?;
            course.addressed(groups).await
        });
        let step = step.await?;
        let state = self.state().await?;
        let registered: usize = state.target_groups.iter().map(|group| group.targets.len()).sum();
        ensure!(registered == groups * each, "{registered} targets are registered, not {}", groups * each);
        table.add(step.row(format!("{what} registered"), groups));
        let step = self.restarted().await?;
        table.add(step.row(format!("restart on {what}"), groups));
        let step = self.measured(async |course: &Self| {
            course.kubectl(&["delete", "ingress", "--all", "--timeout=600s"]).await.map(drop)
        });
        table.add(step.await?.row(format!("{what} deregistered"), groups));
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
    for first in (0..each).step_by(SLICE) {
        let endpoint = |number: usize| {
            let (node, host) = ((group * each + number) / ON_NODE, 1 + (group * each + number) % ON_NODE);
            let node = Place::of_node(node);
            json!({"addresses": [node.address(host)], "nodeName": node.name(),
                "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": pod(group, number)}})
        };
        let endpoints: Vec<Value> = (first..each.min(first + SLICE)).map(endpoint).collect();
        objects.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{service}-{first}"), "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints}));
    }
    objects
}
