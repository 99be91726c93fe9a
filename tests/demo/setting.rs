//! Everything that the tour needs, started in order and stopped in the reverse: control plane, AWS, kubelet, Albedo.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use albedo_alb::{Alb, Config};
use albedo_testenv::{Albedo, ControlPlane, Emulator, Kubelet, Launch, World, eventually, free_port};
use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::screen::Screen;

/// For whatever has to become true.
pub const SOON: Duration = Duration::from_mins(1);
const REGION: &str = "us-east-1";
const CLUSTER: &str = "demo";
/// Albedo's access key id, by which its calls are known.
pub const CALLER: &str = "demo";
/// What `deploy/` calls it.
const NAMESPACE: &str = "albedo-system";

pub struct Setting {
    // Dropped in this order when a start fails half-way: clients before what they talk to.
    albedo: Albedo,
    kubelet: Kubelet,
    pub alb: Alb,
    pub emulator: Emulator,
    pub plane: ControlPlane,
    pub world: World,
    dir: TempDir,
}

impl Setting {
    pub async fn start(screen: &Screen, binary: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("albedo-demo-").tempdir()?;
        let plane = screen
            .step("Kubernetes: etcd, kube-apiserver, kube-controller-manager", ControlPlane::start(dir.path()))
            .await?;
        let emulator = screen.step("AWS: an emulator of EC2, ELBv2, ACM", Emulator::start(dir.path())).await?;
        let world = emulator.seed(REGION, CLUSTER).await?;
        let kubelet =
            screen.step("two nodes; Pods of known images answer", Kubelet::start(plane.client(), &world)).await?;
        let alb = screen.step("a load balancer for what AWS would carry", alb(&emulator, dir.path())).await?;
        let account = screen.step("Albedo's CRDs, class and account", install(&plane, binary)).await?;
        let launch = launch(&account, &plane, &emulator, &world, binary)?;
        let albedo = screen.step("Albedo", launch.start()).await?;
        screen.step("its certificate made and its webhooks registered", registered(&plane)).await?;
        Ok(Self { albedo, kubelet, alb, emulator, plane, world, dir })
    }

    pub fn log(&self) -> String {
        self.albedo.log()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub async fn stop(mut self) -> Result<()> {
        let status = self.albedo.stop().await?;
        self.kubelet.stop();
        self.alb.stop().await;
        self.plane.stop().await?;
        self.emulator.stop().await?;
        ensure!(status.success(), "albedo ended with {status}");
        Ok(())
    }
}

/// The repository, which kubectl is run in: its file names are then short.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub async fn kubectl(plane: &ControlPlane, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(plane.bin().join("kubectl"));
    command.args(args).current_dir(root()).env("KUBECONFIG", plane.kubeconfig());
    command.env("KUBECACHEDIR", plane.kubeconfig().with_file_name("kubectl-cache"));
    command.stdin(std::process::Stdio::null()).output().await.context("cannot start kubectl")
}

async fn apply(plane: &ControlPlane, file: &Path) -> Result<()> {
    let file = file.to_string_lossy();
    // Server-side: it needs no room in an annotation, which is too small for some definitions.
    let out = kubectl(plane, &["apply", "--server-side", "--force-conflicts", "-f", &file]).await?;
    ensure!(out.status.success(), "kubectl apply -f {file}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

async fn printed(binary: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let out =
        Command::new(binary).args(args).output().await.with_context(|| format!("cannot start {}", binary.display()))?;
    ensure!(out.status.success(), "albedo {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(out.stdout)
}

/// Load balancers of the emulated AWS, on loopback addresses of this machine.
async fn alb(emulator: &Emulator, dir: &Path) -> Result<Alb> {
    let authority = Some(dir.join("alb-ca.pem"));
    Ok(Alb::start(Config { authority, ..Config::new(emulator.endpoint(), [REGION]) }).await?)
}

/// CRDs, class and Albedo's account; answers the kubeconfig of the account.
async fn install(plane: &ControlPlane, binary: &Path) -> Result<PathBuf> {
    let crds = plane.kubeconfig().with_file_name("crds.yaml");
    std::fs::write(&crds, printed(binary, &["crds"]).await?)?;
    for file in [crds, root().join("deploy/ingressclass.yaml")] {
        apply(plane, &file).await?;
    }
    plane.account().await
}

fn launch(account: &Path, plane: &ControlPlane, emulator: &Emulator, world: &World, binary: &Path) -> Result<Launch> {
    let (health, metrics, webhook) = (free_port()?, free_port()?, free_port()?);
    let log = plane.kubeconfig().with_file_name("albedo.log");
    Ok(Launch::new(binary, format!("http://127.0.0.1:{health}/readyz"), log)
        .arg("run")
        .arg(format!("--cluster-name={CLUSTER}"))
        .arg(format!("--aws-region={REGION}"))
        .arg(format!("--aws-vpc-id={}", world.vpc_id))
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--health-probe-bind-addr=127.0.0.1:{health}"))
        .arg(format!("--metrics-bind-addr=127.0.0.1:{metrics}"))
        .arg(format!("--webhook-bind-port={webhook}"))
        .arg("--certificates=self")
        .arg(format!("--webhook-url=https://127.0.0.1:{webhook}"))
        .arg(format!("--webhook-namespace={NAMESPACE}"))
        .arg(format!("--leader-election-namespace={NAMESPACE}"))
        .arg("--shutdown-linger-seconds=0")
        .env("KUBECONFIG", account)
        .env("AWS_ENDPOINT_URL", emulator.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", CALLER)
        .env("AWS_SECRET_ACCESS_KEY", "demo")
        .env("AWS_EC2_METADATA_DISABLED", "true"))
}

/// Albedo registers its webhooks itself.
async fn registered(plane: &ControlPlane) -> Result<()> {
    eventually("webhooks that refuse", SOON, async || {
        let bad = kubectl(plane, &["apply", "--dry-run=server", "-f", "tests/demo/probe.yaml"]).await?;
        Ok(String::from_utf8_lossy(&bad.stderr).contains("ALB001").then_some(()))
    })
    .await
}
