//! One control plane and one emulator for a whole run, and what a single test gets of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::aws_state::World;
use crate::{CertManager, ControlPlane, Emulator, Kubelet, Launch, free_port};

/// The region whose nodes are the cluster's. Instances have the same ids in every other.
const HOME: (&str, &str) = ("us-east-1", "demo");
/// Names of load balancers, groups and clusters are made of a test's; AWS allows some 32 letters.
const LONGEST: usize = 20;

pub struct TestEnv {
    plane: ControlPlane,
    emulator: Emulator,
    kubelet: Kubelet,
    cert_manager: Mutex<Option<CertManager>>,
    /// The kubeconfig of Albedo's account.
    account: PathBuf,
    next: AtomicU32,
    dir: PathBuf,
    temporary: Option<TempDir>,
}

impl TestEnv {
    /// Starts in a temporary folder, which is kept when `ALBEDO_KEEP_GROUND` is set or a test panics.
    pub async fn start() -> Result<Self> {
        let temporary =
            tempfile::Builder::new().prefix("albedo-testenv-").tempdir().context("making a temporary folder")?;
        let mut test_env = Self::start_in(temporary.path()).await?;
        test_env.temporary = Some(temporary);
        Ok(test_env)
    }

    /// Starts in a folder that is its alone.
    pub async fn start_in(dir: &Path) -> Result<Self> {
        let (plane, emulator) = tokio::try_join!(ControlPlane::start(dir), Emulator::start(dir))?;
        let world = emulator.seed(HOME.0, HOME.1).await?;
        let kubelet = Kubelet::start(plane.client(), &world).await?;
        let account = plane.account().await?;
        let (cert_manager, next, dir) = (Mutex::new(None), AtomicU32::new(1), dir.to_owned());
        Ok(Self { plane, emulator, kubelet, cert_manager, account, next, dir, temporary: None })
    }

    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    pub fn kubelet(&self) -> &Kubelet {
        &self.kubelet
    }

    pub fn client(&self) -> Client {
        self.plane.client()
    }

    /// Where the logs are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts cert-manager, once however often it is asked for.
    pub async fn cert_manager(&self) -> Result<()> {
        let mut cert_manager = self.cert_manager.lock().await;
        if cert_manager.is_none() {
            *cert_manager = Some(CertManager::start(self.plane.kubeconfig()).await?);
        }
        Ok(())
    }

    /// What one test gets: names that nobody else has, its namespace made, its region seeded.
    pub async fn scope(self: &Arc<Self>, name: &str) -> Result<Scope> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let id = scope_id(name, n);
        let (region, cluster) = (format!("eu-test-{n}"), format!("it-{n}"));
        let world =
            self.emulator.seed(&region, &cluster).await.with_context(|| format!("seeding the region of {id}"))?;
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": id, "labels": {"albedo.dev/test": id}}}))?;
        let namespaces: Api<Namespace> = Api::all(self.client());
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("making the namespace {id}"))?;
        Ok(Scope {
            namespace: id.clone(),
            cluster,
            region,
            class: format!("{id}-class"),
            group: format!("{id}-group"),
            lease: format!("{id}-leader"),
            id,
            world,
            test_env: Arc::clone(self),
        })
    }

    /// Stops everything and waits for it.
    pub async fn stop(mut self) -> Result<()> {
        self.kubelet.stop();
        if let Some(mut cert_manager) = self.cert_manager.lock().await.take() {
            cert_manager.stop().await?;
        }
        self.plane.stop().await?;
        self.emulator.stop().await
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if (std::thread::panicking() || std::env::var_os("ALBEDO_KEEP_GROUND").is_some())
            && let Some(kept) = self.temporary.take()
        {
            #[expect(clippy::print_stderr, reason = "the one place where a failed run looks for it")]
            let say = |text: String| eprintln!("{text}");
            say(format!("the test environment's logs are kept in {}", kept.keep().display()));
        }
    }
}

/// `Certificates rotate` and 7 make `certificates-rotate-7`.
fn scope_id(name: &str, n: u32) -> String {
    let letters: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let short: String = letters.trim_matches('-').chars().take(LONGEST).collect();
    let short = short.trim_matches('-');
    format!("{}-{n}", if short.starts_with(|c: char| c.is_ascii_lowercase()) { short } else { "test" })
}

pub struct Scope {
    pub id: String,
    pub namespace: String,
    pub region: String,
    pub cluster: String,
    /// A name for an IngressClass, which is the test's to make.
    pub class: String,
    pub group: String,
    /// The name of the lease.
    pub lease: String,
    pub world: World,
    test_env: Arc<TestEnv>,
}

impl Scope {
    pub fn test_env(&self) -> &TestEnv {
        &self.test_env
    }

    pub fn emulator(&self) -> &Emulator {
        self.test_env.emulator()
    }

    pub fn client(&self) -> Client {
        self.test_env.client()
    }

    /// An API of the test's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// kubectl in the test's namespace; insists on success.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.test_env.plane().kubectl_ok([&["--namespace", &self.namespace], args].concat()).await
    }

    /// Albedo for this test alone: its region, cluster, class and lease, on ports of its own, stopped from seeing the machine's
    /// own AWS account. More arguments are the test's to add. `replica` tells apart those that run at the same time.
    pub fn launch(&self, binary: impl Into<PathBuf>, replica: &str) -> Result<Launch> {
        let (health, metrics, webhook) = (free_port()?, free_port()?, free_port()?);
        let log = self.test_env.dir().join(format!("{}-{replica}.log", self.id));
        let launch = Launch::new(binary, format!("http://127.0.0.1:{health}/readyz"), log)
            .env("AWS_ENDPOINT_URL", self.emulator().endpoint())
            .env("AWS_REGION", &self.region)
            // Shield has one region for all: there the emulator takes the key id for the region.
            .env("AWS_ACCESS_KEY_ID", &self.region)
            .env("AWS_SECRET_ACCESS_KEY", "testenv")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("KUBECONFIG", &self.test_env.account)
            .arg(format!("--cluster-name={}", self.cluster))
            .arg(format!("--aws-region={}", self.region))
            .arg(format!("--aws-vpc-id={}", self.world.vpc_id))
            .arg(format!("--ingress-class={}", self.class))
            .arg(format!("--leader-election-id={}", self.lease))
            .arg(format!("--leader-election-namespace={}", self.namespace))
            .arg(format!("--health-probe-bind-addr=127.0.0.1:{health}"))
            .arg(format!("--metrics-bind-addr=127.0.0.1:{metrics}"))
            .arg(format!("--webhook-bind-port={webhook}"));
        Ok(launch)
    }

    /// Deletes the namespace, without waiting until it is empty.
    pub async fn close(self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .with_context(|| format!("deleting the namespace {}", self.namespace))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::scope_id;

    #[test]
    fn ids_are_names_that_kubernetes_takes() {
        assert_eq!(scope_id("Certificates rotate", 7), "certificates-rotate-7");
        assert_eq!(scope_id("42 is no letter", 1), "test-1");
        assert_eq!(scope_id("a_name_that_is_much_too_long", 3), "a-name-that-is-much-3");
    }
}
