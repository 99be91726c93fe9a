//! The scripts of `tests/install`, on a control plane of their own where a Deployment's Pods are processes and Services are reached by their cluster IPs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use albedo_testenv::{
    Binaries, CertManager, ClusterIps, ControlPlane, Emulator, Frozen, Kubelet, Label, Program, ProgramPods, eventually,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::fixture::{SOON, policy};

const CLUSTER: &str = "story";

/// A control plane whose Pods of the image `albedo` run.
struct Stage {
    plane: ControlPlane,
    emulator: Emulator,
    cluster: String,
    region: String,
    vpc: String,
    dir: PathBuf,
    running: (Option<Kubelet>, ProgramPods, ClusterIps),
}

impl Stage {
    /// An empty cluster with two nodes.
    async fn empty(dir: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let (plane, emulator) = tokio::try_join!(ControlPlane::start(&dir), Emulator::start(&dir))?;
        let region = "eu-story-1".to_owned();
        let world = emulator.seed(&region, CLUSTER).await?;
        let kubelet = Kubelet::start(plane.client(), &world).await?;
        Self::of(plane, emulator, [CLUSTER.to_owned(), region, world.vpc_id], Some(kubelet), dir).await
    }

    /// A cluster that LBC left.
    async fn left(world: &str, dir: PathBuf) -> Result<Self> {
        let frozen = Frozen::thaw_as_left(world, &dir, true).await?;
        loopback_services(&frozen.plane).await?;
        let Label { cluster, region, vpc, .. } = frozen.label;
        Self::of(frozen.plane, frozen.emulator, [cluster, region, vpc], None, dir).await
    }

    async fn of(
        plane: ControlPlane,
        emulator: Emulator,
        [cluster, region, vpc]: [String; 3],
        kubelet: Option<Kubelet>,
        dir: PathBuf,
    ) -> Result<Self> {
        emulator.policies(&region, &[policy(&cluster, &vpc, &[]).await?]).await?;
        let program = Program {
            image: "albedo".to_owned(),
            binary: ALBEDO.into(),
            listens: |address| vec![format!("--bind-address={address}")],
            url: plane.url().to_owned(),
            authority: dir.join("pki/ca.crt"),
            dir: dir.join("pods"),
        };
        let running = (kubelet, ProgramPods::start(plane.client(), program), ClusterIps::open(plane.client()));
        Ok(Self { plane, emulator, cluster, region, vpc, dir, running })
    }

    /// Values that every install of this cluster has.
    fn values(&self) -> Result<PathBuf> {
        let values = json!({
            "clusterName": self.cluster, "region": self.region, "vpcId": self.vpc,
            // Ingresses of the cluster that LBC left name Secrets, which it could read.
            "clusterSecretsPermissions": {"allowAllSecrets": true},
            "podAnnotations": {"testenv.albedo.dev/hold": "a process"},
            "extraArgs": ["--shutdown-linger-seconds=4"],
            "env": {"AWS_ENDPOINT_URL": self.emulator.endpoint(), "AWS_ACCESS_KEY_ID": self.region, "AWS_SECRET_ACCESS_KEY": "testenv",
                "AWS_EC2_METADATA_DISABLED": "true"},
        });
        let file = self.dir.join("values.json");
        std::fs::write(&file, values.to_string())?;
        Ok(file)
    }

    /// Runs a script as somebody with this kubeconfig would; what it says is kept, and shown where it fails.
    async fn run(&self, script: &str, args: &[&str]) -> Result<String> {
        let tools = Binaries::tools(&["helm"]).await?;
        let bins = [tools.as_path(), self.plane.bin(), Path::new(ALBEDO).parent().context("no folder")?];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(bins.into_iter().map(Path::to_owned).chain(std::env::split_paths(&path)))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install").join(script);
        let out = Command::new(&script)
            .args(args)
            .env("PATH", path)
            .env("KUBECONFIG", self.plane.kubeconfig())
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"))
            .env("HELM_CACHE_HOME", self.dir.join("helm"))
            .env("VALUES", self.values()?)
            .envs([("CLUSTER", &self.cluster), ("REGION", &self.region), ("VPC", &self.vpc)])
            .env("WORK", &self.dir)
            .env("AWS_ENDPOINT_URL", self.emulator.endpoint())
            .env("AWS_ACCESS_KEY_ID", &self.region)
            .env("AWS_SECRET_ACCESS_KEY", "testenv")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| script.display().to_string())?;
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        std::fs::write(self.dir.join("story.log"), &said)?;
        ensure!(out.status.success(), "{}: {}\n{said}", script.display(), out.status);
        Ok(said)
    }

    async fn close(mut self) -> Result<()> {
        drop(self.running);
        self.plane.stop().await?;
        self.emulator.stop().await
    }
}

/// Has new Services get cluster IPs of loopback, as those of our own control planes: the frozen cluster remembers another range. A range that is being
/// deleted gives out nothing more (<https://kubernetes.io/docs/reference/networking/virtual-ips/>).
async fn loopback_services(plane: &ControlPlane) -> Result<()> {
    let range = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "loopback"},
        "spec": {"cidrs": ["127.96.0.0/16"]}});
    let file = plane.kubeconfig().with_file_name("servicecidr.json");
    std::fs::write(&file, range.to_string())?;
    plane.kubectl_ok(["create", "-f", &file.to_string_lossy()]).await?;
    plane.kubectl_ok(["delete", "servicecidr", "kubernetes", "--wait=false"]).await?;
    eventually("a Service with a cluster IP of loopback", SOON, async || {
        let probe = ["--namespace=default", "create", "service", "clusterip", "probe", "--tcp=1"];
        plane.kubectl_ok(probe.iter().chain(&["--output=name"])).await?;
        let get = ["--namespace=default", "get", "service", "probe", "--output=jsonpath={.spec.clusterIP}"];
        let address = plane.kubectl_ok(get).await?;
        plane.kubectl_ok(["--namespace=default", "delete", "service", "probe"]).await?;
        Ok(address.starts_with("127.").then_some(()))
    })
    .await
}

/// From an empty cluster to an empty cluster.
async fn installed(base: &Base, rounds: &str) -> Result<()> {
    let stage = Stage::empty(base.dir().join(format!("story-{rounds}"))).await?;
    let mut cert_manager = CertManager::start(stage.plane.kubeconfig()).await?;
    let said = stage.run("story.sh", &[rounds]).await?;
    ensure!(said.contains("The end."), "{said}");
    said.lines().filter(|line| line.contains("applies meanwhile")).for_each(|line| eprintln!("story: {line}"));
    cert_manager.stop().await?;
    stage.close().await
}

/// From LBC to Albedo, and back, in a recorded cluster.
async fn switched(base: &Base, world: &str) -> Result<()> {
    let stage = Stage::left(world, base.dir().join(format!("switch-{world}"))).await?;
    let said = stage.run("switch.sh", &[]).await?;
    ensure!(said.contains("The end."), "{said}");
    stage.close().await
}

pub async fn strangers_install_it(base: Arc<Base>) -> Result<()> {
    installed(&base, "1").await
}

/// Twenty upgrades by helm and twenty renewals.
pub async fn strangers_upgrade_it_often(base: Arc<Base>) -> Result<()> {
    installed(&base, "20").await
}

pub async fn strangers_switch(base: Arc<Base>) -> Result<()> {
    switched(&base, "1").await
}

pub async fn strangers_switch_elsewhere(base: Arc<Base>) -> Result<()> {
    for world in ["2", "3", "4", "5", "edited"] {
        switched(&base, world).await?;
    }
    Ok(())
}
