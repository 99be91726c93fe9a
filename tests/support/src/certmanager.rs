//! cert-manager's controllers and CA injector as one process, its custom resources installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::controlplane::{client_of, served};
use crate::{Binaries, Process};

const SERVED: Duration = Duration::from_secs(30);

pub struct CertManager {
    process: Process,
}

impl CertManager {
    /// Installs the custom resources and starts; the log is beside the kubeconfig.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        let bin = Binaries::tools(&["certmanager"]).await?;
        install(kubeconfig, &bin.join("..").join("crds"))
            .await
            .context("installing cert-manager's custom resources")?;
        let client = client_of(kubeconfig).await?;
        // Side by side: the first look at each takes a second, while the API server gets to know it.
        let resources = ["certificates", "certificaterequests", "issuers", "clusterissuers"];
        let paths = resources.map(|r| format!("/apis/cert-manager.io/v1/{r}"));
        futures::future::try_join_all(paths.iter().map(|path| served(&client, path, SERVED))).await?;
        let mut command = Command::new(bin.join("certmanager"));
        command.arg("-kubeconfig").arg(kubeconfig);
        let process = Process::start("cert-manager", &command, &kubeconfig.with_file_name("cert-manager.log"))?;
        Ok(Self { process })
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop().await.map(drop)
    }
}

/// The definitions, and the namespace that cluster issuers keep their Secrets in.
async fn install(kubeconfig: &Path, crds: &Path) -> Result<()> {
    let kubectl = Binaries::controlplane().await?.join("kubectl");
    let crds = PathBuf::from(crds);
    ensure!(crds.is_dir(), "there is no {}", crds.display());
    let apply = [
        vec!["create".into(), "namespace".into(), "cert-manager".into()],
        // Server-side: the definitions are too large for the annotation that a client-side apply writes.
        vec!["apply".into(), "--server-side".into(), "--force-conflicts".into(), "-f".into(), crds.into_os_string()],
    ];
    for args in apply {
        let out = tokio::process::Command::new(&kubectl)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(&args)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("cannot start {}", kubectl.display()))?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success() || said.contains("AlreadyExists"), "kubectl {args:?}: {said}");
    }
    Ok(())
}
