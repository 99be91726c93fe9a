//! Everything that the tour needs, started in order and stopped in the reverse: control plane, AWS, kubelet, cert-manager, Albedo.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use albedo_testenv::{
    Albedo, CertManager, ControlPlane, Emulator, Kubelet, Launch, SecretMount, World, eventually, free_port,
};
use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::screen::Screen;

/// For whatever has to become true.
pub const SOON: Duration = Duration::from_mins(1);
const REGION: &str = "us-east-1";
const CLUSTER: &str = "demo";
/// What `deploy/` and `certs/` call things.
const NAMESPACE: &str = "albedo-system";

pub struct Setting {
    // Dropped in this order when a start fails half-way: clients before what they talk to.
    albedo: Albedo,
    mount: SecretMount,
    cert_manager: CertManager,
    kubelet: Kubelet,
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
            screen.step("two nodes whose Pods are made believe", Kubelet::start(plane.client(), &world)).await?;
        let cert_manager =
            screen.step("cert-manager with its CA injector", CertManager::start(plane.kubeconfig())).await?;
        let install = install(&plane, binary);
        let mount = screen.step("Albedo's CRDs and serving certificate, issued by cert-manager", install).await?;
        let launch = launch(&plane, &emulator, &world, mount.dir(), binary)?;
        let albedo = screen.step("Albedo", launch.start()).await?;
        let webhooks = register(&plane, &launch, binary);
        screen.step("webhooks registered, their authority injected", webhooks).await?;
        Ok(Self { albedo, mount, cert_manager, kubelet, emulator, plane, world, dir })
    }

    pub fn log(&self) -> String {
        self.albedo.log()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub async fn stop(mut self) -> Result<()> {
        let status = self.albedo.stop().await?;
        drop(self.mount);
        self.cert_manager.stop().await?;
        self.kubelet.stop();
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

/// CRDs, class and certificates; answers the mounted serving certificate.
async fn install(plane: &ControlPlane, binary: &Path) -> Result<SecretMount> {
    let dir = plane.kubeconfig().with_file_name("installed");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("crds.yaml"), printed(binary, &["crds"]).await?)?;
    // Here the API server calls an address, not a Service.
    let serving = std::fs::read_to_string(root().join("certs/serving.yaml"))?;
    let with_address = serving.replacen("  dnsNames:\n", "  ipAddresses: [127.0.0.1]\n  dnsNames:\n", 1);
    ensure!(with_address != serving, "certs/serving.yaml has no dnsNames");
    std::fs::write(dir.join("serving.yaml"), with_address)?;
    let made = root();
    let files = [
        made.join("deploy/namespace.yaml"),
        dir.join("crds.yaml"),
        made.join("deploy/ingressclass.yaml"),
        made.join("certs/issuer.yaml"),
        dir.join("serving.yaml"),
    ];
    for file in files {
        apply(plane, &file).await?;
    }
    SecretMount::start(plane.client(), NAMESPACE, "albedo-serving-tls", dir.join("serving-certs")).await
}

fn launch(
    plane: &ControlPlane,
    emulator: &Emulator,
    world: &World,
    certificates: &Path,
    binary: &Path,
) -> Result<Launch> {
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
        .arg(format!("--webhook-cert-dir={}", certificates.display()))
        .arg("--webhook-cert-poll-seconds=1")
        .arg("--shutdown-linger-seconds=0")
        .env("KUBECONFIG", plane.kubeconfig())
        .env("AWS_ENDPOINT_URL", emulator.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "demo")
        .env("AWS_SECRET_ACCESS_KEY", "demo")
        .env("AWS_EC2_METADATA_DISABLED", "true"))
}

async fn register(plane: &ControlPlane, launch: &Launch, binary: &Path) -> Result<()> {
    let port = launch.value("webhook-bind-port").context("albedo has no port")?;
    let yaml = printed(binary, &["webhook-config", &format!("--url=https://127.0.0.1:{port}")]).await?;
    let file = plane.kubeconfig().with_file_name("webhooks.yaml");
    std::fs::write(&file, yaml)?;
    apply(plane, &file).await?;
    let kinds = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
    let inject = format!("cert-manager.io/inject-ca-from={NAMESPACE}/albedo-serving");
    let out = kubectl(plane, &["annotate", kinds, "albedo-webhook", &inject]).await?;
    ensure!(out.status.success(), "kubectl annotate: {}", String::from_utf8_lossy(&out.stderr));
    eventually("webhooks with an authority that default and refuse", SOON, async || {
        let bad = kubectl(plane, &["apply", "--dry-run=server", "-f", "tests/demo/probe.yaml"]).await?;
        Ok(String::from_utf8_lossy(&bad.stderr).contains("ALB001").then_some(()))
    })
    .await
}
