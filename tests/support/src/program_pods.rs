//! Pods whose container is a real process on this machine: what a Deployment of a chart starts is started, with its arguments, the rights of its
//! service account, its Secrets as files, and its readiness probe; it ends with SIGTERM when the Pod is deleted.
//!
//! The stand-in kubelet leaves Pods with the annotation [`HOLD`] alone; those of the program's image among them are looked after here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Container, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::mapped::mapped;
use crate::pods::{HOLD, annotation};
use crate::probe::{get_status, number};
use crate::{Process, SecretMount};

/// Pods' addresses: 10.77.200.1 and those after it, reached at 127.77.200.1.
const RANGE: (u8, u8) = (77, 200);
const LOOK: Duration = Duration::from_millis(200);

/// A program, and how it is told what a container would give it.
#[derive(Debug, Clone)]
pub struct Program {
    /// The image's name without its tag.
    pub image: String,
    pub binary: PathBuf,
    /// More arguments for a Pod's address: where it listens.
    pub listens: fn(Ipv4Addr) -> Vec<String>,
    /// The API server and the file of its CA, for the kubeconfig.
    pub url: String,
    pub authority: PathBuf,
    /// A folder for kubeconfigs, Secrets and logs.
    pub dir: PathBuf,
}

/// Looks after the program's Pods while it lives.
pub struct ProgramPods {
    task: JoinHandle<()>,
}

impl ProgramPods {
    pub fn start(client: Client, program: Program) -> Self {
        Self { task: tokio::spawn(run(client, Arc::new(program))) }
    }
}

impl Drop for ProgramPods {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Life {
    deleted: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(client: Client, program: Arc<Program>) {
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    let mut pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default()).boxed();
    while let Some(event) = pods.next().await {
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) if program.runs(&pod) => {
                let uid = pod.uid().unwrap_or_default();
                let is_deleted = pod.metadata.deletion_timestamp.is_some();
                let life = lives.entry(uid).or_insert_with(|| {
                    let deleted = watch::Sender::new(false);
                    let living = Living::new(client.clone(), Arc::clone(&program), pod, deleted.subscribe());
                    Life { task: tokio::spawn(living.live()), deleted }
                });
                life.deleted.send_if_modified(|before| !std::mem::replace(before, is_deleted) && is_deleted);
            }
            Ok(Event::Delete(pod)) => drop(lives.remove(&pod.uid().unwrap_or_default())),
            Ok(_) => {}
            // The API server is restarting, or gone with the test.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

impl Program {
    fn runs(&self, pod: &Pod) -> bool {
        annotation(pod, HOLD).is_some() && self.container(pod).is_some()
    }

    fn container<'p>(&self, pod: &'p Pod) -> Option<&'p Container> {
        let is_ours = |container: &&Container| {
            let image = container.image.as_deref().unwrap_or_default();
            image.strip_prefix(&self.image).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        pod.spec.iter().flat_map(|spec| &spec.containers).find(is_ours)
    }
}

struct Living {
    pods: Api<Pod>,
    client: Client,
    program: Arc<Program>,
    pod: Pod,
    address: Ipv4Addr,
    deleted: watch::Receiver<bool>,
}

/// What runs of a Pod, with the Secrets that its files come from.
struct Running {
    process: Process,
    _secrets: Vec<SecretMount>,
}

impl Living {
    fn new(client: Client, program: Arc<Program>, pod: Pod, deleted: watch::Receiver<bool>) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let address = Ipv4Addr::new(10, RANGE.0, RANGE.1, NEXT.fetch_add(1, Ordering::Relaxed));
        let pods = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        Self { pods, client, program, pod, address, deleted }
    }

    fn reached_at(&self) -> Result<Ipv4Addr> {
        mapped(self.address).with_context(|| format!("{} is no address of the VPC", self.address))
    }

    /// From binding to the end. What fails is in the Pod's status.
    async fn live(mut self) {
        if let Err(error) = self.tried().await {
            self.report("Failed", false, &format!("{error:#}")).await;
        }
        let _ = self.deleted.wait_for(|deleted| *deleted).await;
        let _ = self.pods.delete(&self.pod.name_any(), &DeleteParams::default().grace_period(0)).await;
    }

    async fn tried(&mut self) -> Result<()> {
        self.bind().await?;
        let mut running = self.start().await?;
        let mut ready = None;
        loop {
            if let Some(status) = running.process.exited()? {
                let phase = if status.success() { "Succeeded" } else { "Failed" };
                self.report(phase, false, &status.to_string()).await;
                return Ok(());
            }
            if *self.deleted.borrow() {
                running.process.stop().await?;
                return Ok(());
            }
            let is_ready = self.is_ready().await;
            if ready != Some(is_ready) {
                self.report("Running", is_ready, "").await;
                ready = Some(is_ready);
            }
            let _ = tokio::time::timeout(LOOK, self.deleted.changed()).await;
        }
    }

    /// Its readiness probe, at once and often: without one a container that runs is ready.
    async fn is_ready(&self) -> bool {
        let Some(container) = self.program.container(&self.pod) else { return false };
        let Some(get) = container.readiness_probe.as_ref().and_then(|probe| probe.http_get.as_ref()) else {
            return true;
        };
        let Some(port) = number(&get.port, container) else { return false };
        let Ok(address) = self.reached_at() else { return false };
        get_status(get, SocketAddr::from((address, port))).await == Some(200)
    }

    async fn bind(&self) -> Result<()> {
        if self.pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
            return Ok(());
        }
        let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(self.client.clone());
        let node = nodes.list(&kube::api::ListParams::default()).await?.items.first().context("no node")?.name_any();
        let name = self.pod.name_any();
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node}});
        let _: Value = self.pods.create_subresource("binding", &name, &PostParams::default(), &binding).await?;
        Ok(())
    }

    async fn start(&self) -> Result<Running> {
        let (program, name) = (&self.program, self.pod.name_any());
        let container = program.container(&self.pod).context("no container")?;
        let dir = program.dir.join(&name);
        std::fs::create_dir_all(&dir)?;
        let (mounts, secrets) = self.mounts(container, &dir).await?;
        let mut command = Command::new(&program.binary);
        for arg in container.args.iter().flatten() {
            // Where a container has a path, its files are elsewhere here.
            command.arg(mounts.iter().fold(arg.clone(), |arg, (path, dir)| arg.replace(path.as_str(), dir)));
        }
        // Only what serves listens.
        if container.ports.as_ref().is_some_and(|ports| !ports.is_empty()) {
            command.args((program.listens)(self.reached_at()?));
        }
        for variable in container.env.iter().flatten() {
            command.env(&variable.name, variable.value.clone().unwrap_or_default());
        }
        command.env("KUBECONFIG", self.kubeconfig(&dir).await?);
        let grace = self.pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
        let process = Process::start(&name, &command, &program.dir.join(format!("{name}.log")))?;
        let process = process.with_grace(Duration::from_secs(u64::try_from(grace).unwrap_or(30)));
        Ok(Running { process, _secrets: secrets })
    }

    /// Secrets that the container mounts: the path that it knows, and the folder here.
    async fn mounts(&self, container: &Container, dir: &Path) -> Result<(Vec<(String, String)>, Vec<SecretMount>)> {
        let namespace = self.pod.namespace().unwrap_or_default();
        let (mut paths, mut secrets) = (Vec::new(), Vec::new());
        for mount in container.volume_mounts.iter().flatten() {
            let volumes = self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
            let volume = volumes.clone().find(|volume| volume.name == mount.name);
            let Some(secret) = volume.and_then(|volume| volume.secret.as_ref()?.secret_name.as_deref()) else {
                continue;
            };
            let here = dir.join(&mount.name);
            secrets.push(SecretMount::start(self.client.clone(), &namespace, secret, &here).await?);
            paths.push((mount.mount_path.clone(), here.to_string_lossy().into_owned()));
        }
        Ok((paths, secrets))
    }

    /// What a Pod has of its service account, as a file.
    async fn kubeconfig(&self, dir: &Path) -> Result<PathBuf> {
        let namespace = self.pod.namespace().unwrap_or_default();
        let name = self.pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).context("no account")?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &namespace);
        let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
        let token = accounts.create_token_request(&name, &PostParams::default(), &request).await?;
        let token = token.status.context("no token")?.token;
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "pod",
            "clusters": [{"name": "pod", "cluster": {"server": self.program.url, "certificate-authority": self.program.authority}}],
            "users": [{"name": "pod", "user": {"token": token}}],
            "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod", "namespace": namespace}}]});
        let file = dir.join("kubeconfig.json");
        std::fs::write(&file, config.to_string())?;
        Ok(file)
    }

    async fn report(&self, phase: &str, ready: bool, message: &str) {
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let condition = |kind: &str, yes: bool| json!({"type": kind, "status": if yes { "True" } else { "False" }, "lastTransitionTime": now});
        let patch = json!({"status": {"phase": phase, "podIP": self.address.to_string(), "podIPs": [{"ip": self.address.to_string()}],
            "startTime": now, "message": message, "conditions": [condition("PodScheduled", true), condition("Initialized", true),
            condition("ContainersReady", ready), condition("Ready", ready)]}});
        let _ = self.pods.patch_status(&self.pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await;
    }
}
