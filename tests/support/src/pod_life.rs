//! The life of one Pod whose containers answer: <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>. Its containers start, readiness
//! probes say when it is ready, and a deletion goes through preStop hooks, SIGTERM and the grace period before the object goes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::kubelet::{MANAGER, Nodes};
use crate::mapped::{allowed, mapped};
use crate::pod_server::ContainerProcess;
use crate::probe::{get_status, number, readiness};

/// What the API server, or an address in use, makes it wait before the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// How many addresses are tried. Another test environment on this machine may have the first ones.
const ATTEMPTS: usize = 200;
/// What a process gets after a preStop hook that took the whole grace period.
const EXTENSION: Duration = Duration::from_secs(2);

/// A Pod that is tended until its object is gone. Its drop ends its processes at once.
pub(crate) struct PodLife {
    object: watch::Sender<Arc<Pod>>,
    task: JoinHandle<()>,
}

impl PodLife {
    /// Begins the life of a Pod that is bound to a node.
    pub(crate) fn begin(client: Client, nodes: Arc<Mutex<Nodes>>, pod: Pod) -> Self {
        let object = watch::Sender::new(Arc::new(pod));
        let task = tokio::spawn(Living { client, nodes, object: object.subscribe() }.live());
        Self { object, task }
    }

    /// The object has changed.
    pub(crate) fn tell(&self, pod: Pod) {
        self.object.send_replace(Arc::new(pod));
    }
}

impl Drop for PodLife {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Living {
    client: Client,
    nodes: Arc<Mutex<Nodes>>,
    object: watch::Receiver<Arc<Pod>>,
}

/// What runs of a Pod.
struct Running {
    address: Ipv4Addr,
    processes: Vec<ContainerProcess>,
    ready: Vec<watch::Receiver<bool>>,
    probes: JoinSet<()>,
}

impl Running {
    fn is_ready(&self) -> bool {
        self.ready.iter().all(|ready| *ready.borrow())
    }

    /// Waits until a probe says something else.
    async fn changed(&mut self) {
        let mut changes: FuturesUnordered<_> = self.ready.iter_mut().map(watch::Receiver::changed).collect();
        // A probe that is over says nothing more.
        while let Some(change) = changes.next().await {
            if change.is_ok() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

impl Living {
    async fn live(mut self) {
        let Some(mut running) = self.start().await else { return };
        while !self.is_deleted() {
            self.report(running.is_ready()).await;
            tokio::select! {
                changed = self.object.changed() => if changed.is_err() { return },
                () = running.changed() => {}
            }
        }
        self.end(running).await;
    }

    fn pod(&self) -> Arc<Pod> {
        Arc::clone(&self.object.borrow())
    }

    fn is_deleted(&self) -> bool {
        self.object.borrow().metadata.deletion_timestamp.is_some()
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.pod().namespace().unwrap_or_default())
    }

    /// Starts the containers at an address of the node; `None` when the node is gone or has no address left.
    async fn start(&self) -> Option<Running> {
        let pod = self.pod();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let vpc = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).address(&pod)?;
            match processes(&pod, mapped(vpc)?).await {
                Ok(processes) => return Some(run_probes(&pod, mapped(vpc)?, processes)),
                Err(error) => last = format!("{error:#}"),
            }
            // The object's address cannot change any more once it is there.
            let is_fixed = pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some());
            match is_fixed {
                true => tokio::time::sleep(PAUSE).await,
                false => self.nodes.lock().unwrap_or_else(PoisonError::into_inner).take_another(&pod),
            }
        }
        self.complain(&last).await;
        None
    }

    /// Why the containers of a Pod don't start, in its status.
    async fn complain(&self, why: &str) {
        let pod = self.pod();
        let waiting: Vec<Value> = pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| {
            serde_json::json!({"name": container.name, "image": container.image.clone().unwrap_or_default(), "imageID": "", "ready": false,
                "restartCount": 0, "state": {"waiting": {"reason": "RunContainerError", "message": why}}})
        }).collect();
        let patch = serde_json::json!({"status": {"phase": "Pending", "containerStatuses": waiting}});
        let _ = self.api().patch_status(&pod.name_any(), &params(), &Patch::Strategic(patch)).await;
    }

    /// Writes what the status should say, if it says something else, until it is written or the Pod has changed.
    async fn report(&self, is_ready: bool) {
        while !self.object.has_changed().unwrap_or(true) {
            let pod = self.pod();
            let patch = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).status(&pod, is_ready);
            let Some(patch) = patch else { return };
            match self.api().patch_status(&pod.name_any(), &params(), &Patch::Strategic(patch)).await {
                Ok(_) => return,
                Err(error) if is_final(&error) => return,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// The end of a Pod that is deleted. Its status stays true meanwhile: readiness probes go on.
    async fn end(mut self, mut running: Running) {
        let pod = self.pod();
        let grace = pod.metadata.deletion_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let grace = Duration::from_secs(grace.unwrap_or(30));
        let processes = std::mem::take(&mut running.processes);
        let address = running.address;
        let mut ending: JoinSet<()> = processes
            .into_iter()
            .map(|process| {
                let container =
                    pod.spec.iter().flat_map(|spec| &spec.containers).find(|one| one.name == process.name).cloned();
                end_container(process, container.unwrap_or_default(), address, grace)
            })
            .collect();
        loop {
            tokio::select! {
                ended = ending.join_next() => if ended.is_none() { break },
                () = running.changed() => self.report(running.is_ready()).await,
                changed = self.object.changed() => if changed.is_err() { return },
            }
        }
        running.probes.abort_all();
        while let Err(error) = self.api().delete(&pod.name_any(), &only(&pod)).await {
            if is_final(&error) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// Whether there is nothing left to write to: the object is gone, or another one has its name. What else goes wrong passes.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

/// Deletes this object at once, and no later one of the same name.
fn only(pod: &Pod) -> DeleteParams {
    let preconditions = kube::api::Preconditions { uid: pod.uid(), resource_version: None };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }.grace_period(0)
}

async fn processes(pod: &Pod, address: Ipv4Addr) -> anyhow::Result<Vec<ContainerProcess>> {
    let mut processes = Vec::new();
    for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
        processes.extend(ContainerProcess::start(pod, container, address).await?);
    }
    Ok(processes)
}

fn run_probes(pod: &Pod, address: Ipv4Addr, processes: Vec<ContainerProcess>) -> Running {
    let (mut ready, mut probes) = (Vec::new(), JoinSet::new());
    for process in &processes {
        let container = pod.spec.iter().flat_map(|spec| &spec.containers).find(|one| one.name == process.name);
        let is_ready = watch::Sender::new(false);
        ready.push(is_ready.subscribe());
        probes.spawn(readiness(container.cloned().unwrap_or_default(), address, is_ready));
    }
    Running { address, processes, ready, probes }
}

/// preStop, SIGTERM, and SIGKILL when the grace period is over; the hook is part of the period.
async fn end_container(process: ContainerProcess, container: Container, address: Ipv4Addr, grace: Duration) {
    let deadline = Instant::now() + grace;
    let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    let mut deadline_of_process = deadline;
    if let Some(hook) = hook
        && tokio::time::timeout_at(deadline, run_hook(hook, &container, address)).await.is_err()
    {
        deadline_of_process = deadline + EXTENSION;
    }
    process.end(deadline_of_process.saturating_duration_since(Instant::now())).await;
}

async fn run_hook(hook: &LifecycleHandler, container: &Container, address: Ipv4Addr) {
    if let Some(get) = &hook.http_get
        && let Some(port) = number(&get.port, container)
    {
        let _ = get_status(get, SocketAddr::from((address, allowed(port)))).await;
    }
    if let Some(span) = pause_of(hook) {
        tokio::time::sleep(span).await;
    }
}

/// How long a hook sleeps: `sleep: {seconds: N}`, or `exec` of `sleep N`, by itself or in a shell. Other commands take no time.
fn pause_of(hook: &LifecycleHandler) -> Option<Duration> {
    if let Some(sleep) = &hook.sleep {
        return u64::try_from(sleep.seconds).ok().map(Duration::from_secs);
    }
    let command = hook.exec.as_ref()?.command.as_ref()?;
    let words: Vec<&str> = match command.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [shell, "-c", line] if shell.ends_with("sh") => line.split_whitespace().collect(),
        words => words.to_vec(),
    };
    match words.as_slice() {
        [program, seconds, ..] if program.rsplit('/').next() == Some("sleep") => {
            seconds.trim_end_matches(['s', ';']).parse().ok().map(Duration::from_secs_f64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hooks_that_sleep_are_understood() {
        for (hook, seconds) in [
            (json!({"sleep": {"seconds": 7}}), Some(7.0)),
            (json!({"exec": {"command": ["sleep", "15"]}}), Some(15.0)),
            (json!({"exec": {"command": ["/bin/sh", "-c", "sleep 0.5"]}}), Some(0.5)),
            (json!({"exec": {"command": ["/bin/bash", "-c", "sleep 5; nginx -s quit"]}}), Some(5.0)),
            (json!({"exec": {"command": ["nginx", "-s", "quit"]}}), None),
            (json!({"httpGet": {"port": 80}}), None),
        ] {
            let parsed: LifecycleHandler = serde_json::from_value(hook.clone()).expect("a hook");
            assert_eq!(pause_of(&parsed).map(|span| span.as_secs_f64()), seconds, "{hook}");
        }
    }
}
