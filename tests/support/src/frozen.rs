//! A cluster and its AWS that were frozen together, thawed: ids, uids and ARNs are what they were. See tests/adoption.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::binaries::tests_dir;
use crate::{Binaries, ControlPlane, Emulator, Process};

const UNPACKED: Duration = Duration::from_mins(1);

/// What was frozen.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Label {
    pub cluster: String,
    pub region: String,
    pub vpc: String,
    pub counts: Counts,
}

/// How much there is of what.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub ingresses: usize,
    pub bindings: usize,
    pub load_balancers: usize,
    pub listeners: usize,
    pub rules: usize,
    pub target_groups: usize,
}

/// A thawed cluster, without a controller of load balancers, and its AWS.
pub struct Frozen {
    pub label: Label,
    pub plane: ControlPlane,
    pub emulator: Emulator,
}

impl Frozen {
    /// Thaws a world of tests/adoption in a folder that is its alone, with the account that Albedo has where it is no Pod.
    pub async fn thaw(world: &str, dir: &Path) -> Result<Self> {
        let thawed = Self::thaw_as_left(world, dir, false).await?;
        thawed.plane.account().await?;
        let ingresses = thawed.plane.kubectl_ok(["get", "ingress", "--all-namespaces", "-o", "json"]).await?;
        for namespace in with_secrets(&serde_json::from_str(&ingresses)?) {
            thawed.plane.grant_secret(&namespace, None, &["get", "list", "watch"]).await?;
        }
        Ok(thawed)
    }

    /// Thaws a world as it is; with or without the controllers of Kubernetes.
    pub async fn thaw_as_left(world: &str, dir: &Path, controller_manager: bool) -> Result<Self> {
        let source = tests_dir().join("adoption").join(world);
        let label = source.join("world.json");
        let label = std::fs::read(&label).with_context(|| format!("reading {}", label.display()))?;
        let label: Label = serde_json::from_slice(&label).with_context(|| format!("world.json of {world}"))?;
        let mut unpack = Command::new(Binaries::aws().await?.join("python"));
        unpack.arg("-B").arg(tests_dir().join("adoption").join("unpack.py")).arg(source).arg(dir);
        let mut unpack = Process::start("unpack.py", &unpack, &dir.join("unpack.log"))?;
        ensure!(unpack.wait(UNPACKED).await?.success(), unpack.failure("it failed"));
        let journal: Value = serde_json::from_slice(&std::fs::read(dir.join("aws.json"))?)?;
        let plane = ControlPlane::builder(dir).with_controller_manager(controller_manager).start();
        let (plane, emulator) = tokio::try_join!(plane, Emulator::start(dir))?;
        emulator.thaw(&journal).await?;
        Ok(Self { label, plane, emulator })
    }

    /// Stops everything and waits for it.
    pub async fn stop(mut self) -> Result<()> {
        self.plane.stop().await?;
        self.emulator.stop().await
    }
}

/// Namespaces whose Ingresses name a Secret.
fn with_secrets(ingresses: &Value) -> BTreeSet<String> {
    let all = ingresses.get("items").and_then(Value::as_array).into_iter().flatten();
    let names_one = |ingress: &&Value| {
        let annotations = ingress.pointer("/metadata/annotations").and_then(Value::as_object);
        annotations.is_some_and(|all| all.keys().any(|key| key.ends_with("/auth-idp-oidc")))
    };
    all.filter(names_one).filter_map(|one| one.pointer("/metadata/namespace")?.as_str().map(str::to_owned)).collect()
}
