//! A Kubernetes control plane of one's own: etcd, kube-apiserver and, if wanted, kube-controller-manager, all on loopback.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::account::ACCOUNT;
use crate::pki::{Authority, Pair};
use crate::{Binaries, Process, eventually, free_port};

const READY: Duration = Duration::from_mins(1);
const ATTEMPTS: usize = 3;
/// The audit log in a control plane's folder.
pub const AUDIT: &str = "audit.log";
/// A user whose requests are in the audit log beside Albedo's, so that a test sees that a command only reads.
pub const OBSERVED_USER: &str = "preflight";
/// An author of Ingresses whose requests are in the audit log, with what webhooks tell of them.
pub const AUDITED_USER: &str = "author";

/// Everything that workloads, Services and namespaces need. Not node-lifecycle: nobody sends heartbeats for the nodes here.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,\
endpointslice-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller,disruption-controller,\
clusterrole-aggregation-controller";

/// How to start a [`ControlPlane`].
#[derive(Debug, Clone)]
pub struct ControlPlaneBuilder {
    dir: PathBuf,
    controller_manager: bool,
    apiserver_flags: Vec<String>,
}

impl ControlPlaneBuilder {
    /// Whether kube-controller-manager runs (it does by default): without it nobody fills `EndpointSlices`, empties a deleted
    /// namespace or collects garbage.
    #[must_use]
    pub fn with_controller_manager(mut self, yes: bool) -> Self {
        self.controller_manager = yes;
        self
    }

    /// One more flag for kube-apiserver.
    #[must_use]
    pub fn with_apiserver_flag(mut self, flag: impl Into<String>) -> Self {
        self.apiserver_flags.push(flag.into());
        self
    }

    pub async fn start(self) -> Result<ControlPlane> {
        let bin = Binaries::controlplane().await?;
        let mut attempt = 1;
        loop {
            match ControlPlane::attempt(&self, &bin).await {
                // A port that was free may be taken by the time that it is listened on.
                Err(e) if attempt < ATTEMPTS && format!("{e:#}").contains("address already in use") => attempt += 1,
                other => return other,
            }
        }
    }
}

pub struct ControlPlane {
    dir: PathBuf,
    bin: PathBuf,
    url: String,
    authority: Authority,
    kubeconfig: PathBuf,
    client: Client,
    apiserver_command: Command,
    controller_manager: Option<Process>,
    apiserver: Process,
    etcd: Process,
}

impl ControlPlane {
    /// Starts in a folder that is its alone; certificates, logs and kubeconfigs are made there. etcd's data is in `etcd`
    /// below it; what is there already is taken as it is.
    pub async fn start(dir: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(dir).start().await
    }

    pub fn builder(dir: impl Into<PathBuf>) -> ControlPlaneBuilder {
        ControlPlaneBuilder { dir: dir.into(), controller_manager: true, apiserver_flags: Vec::new() }
    }

    async fn attempt(b: &ControlPlaneBuilder, bin: &Path) -> Result<Self> {
        let (dir, port, store) = (b.dir.clone(), free_port()?, free_port()?);
        let url = format!("https://127.0.0.1:{port}");
        let authority = Authority::new("testenv")?;
        let etcd = Process::start("etcd", &etcd_command(bin, &dir, store, free_port()?), &dir.join("etcd.log"))?;
        let mut command = apiserver_command(bin, &dir, &authority, port, store)?;
        command.args(&b.apiserver_flags);
        let apiserver = Process::start("kube-apiserver", &command, &dir.join("kube-apiserver.log"))?;
        let kubeconfig = write_kubeconfig(&dir, &url, &authority, "admin", Some("system:masters"))?;
        let client = client_of(&kubeconfig).await?;
        let mut plane = Self {
            dir,
            bin: bin.to_owned(),
            url,
            authority,
            kubeconfig,
            client,
            apiserver_command: command,
            controller_manager: None,
            apiserver,
            etcd,
        };
        plane.ready().await?;
        if b.controller_manager {
            let log = plane.dir.join("kube-controller-manager.log");
            let command = controller_manager_command(bin, &plane.kubeconfig);
            plane.controller_manager = Some(Process::start("kube-controller-manager", &command, &log)?);
        }
        Ok(plane)
    }

    async fn ready(&mut self) -> Result<()> {
        let end = std::time::Instant::now() + READY;
        let client = self.client.clone();
        loop {
            let request = http_request("/readyz")?;
            if client.request_text(request).await.is_ok_and(|text| text == "ok") {
                return Ok(());
            }
            self.etcd.check()?;
            self.apiserver.check()?;
            if std::time::Instant::now() > end {
                return Err(self.apiserver.failure(format_args!("not ready after {READY:?}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The admin's kubeconfig, a file that names certificates by their absolute paths.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig for another user, `system:serviceaccount:NS:NAME` for instance, with only that user's rights.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        write_kubeconfig(&self.dir, &self.url, &self.authority, user, group)
    }

    /// A client of another user, with only that user's rights.
    pub async fn client_for(&self, user: &str) -> Result<Client> {
        client_of(&self.kubeconfig_for(user, None)?).await
    }

    /// The admin's client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The CA that signed the API server's certificate and signs its clients'; good for webhooks too.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The folder of kubectl and the others.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Runs kubectl as the admin, whatever comes out of it.
    pub async fn kubectl<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        tokio::process::Command::new(self.bin.join("kubectl"))
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"))
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .context("cannot start kubectl")
    }

    /// Runs kubectl and insists on success; answers its stdout.
    pub async fn kubectl_ok<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let args: Vec<_> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let out = self.kubectl(&args).await?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "kubectl {args:?}: {}\n{said}", out.status);
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    pub fn etcd(&mut self) -> &mut Process {
        &mut self.etcd
    }

    pub fn apiserver(&mut self) -> &mut Process {
        &mut self.apiserver
    }

    /// Starts kube-apiserver again after it was stopped or killed, on the same port, with the same data.
    pub async fn restart_apiserver(&mut self) -> Result<()> {
        self.apiserver.stop().await?;
        self.apiserver = Process::start("kube-apiserver", &self.apiserver_command, self.apiserver.log_file())?;
        self.ready().await
    }

    /// Stops everything, the API server's clients first.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut p) = self.controller_manager.take() {
            p.stop().await?;
        }
        self.apiserver.stop().await?;
        self.etcd.stop().await?;
        Ok(())
    }
}

/// A client from a kubeconfig file.
pub(crate) async fn client_of(kubeconfig: &Path) -> Result<Client> {
    let what = || format!("kubeconfig {}", kubeconfig.display());
    let read = Kubeconfig::read_from(kubeconfig).with_context(what)?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.with_context(what)?;
    Client::try_from(config).with_context(what)
}

/// Waits until a CRD's resources are served.
pub(crate) async fn served(client: &Client, path: &str, limit: Duration) -> Result<()> {
    eventually(&format!("{path} served"), limit, async || Ok(client.request_text(http_request(path)?).await.ok()))
        .await?;
    Ok(())
}

fn http_request(path: &str) -> Result<hyper::Request<Vec<u8>>> {
    Ok(hyper::Request::get(path).body(Vec::new())?)
}

fn write_kubeconfig(dir: &Path, url: &str, authority: &Authority, user: &str, group: Option<&str>) -> Result<PathBuf> {
    let dir = std::path::absolute(dir)?;
    let (pki, file) = (dir.join("pki"), user.replace([':', '/'], "-"));
    let (certificate, key) = authority.client(user, group)?.write(&pki, &file)?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "testenv",
        "clusters": [{"name": "testenv", "cluster": {"server": url, "certificate-authority": pki.join("ca.crt")}}],
        "users": [{"name": user, "user": {"client-certificate": certificate, "client-key": key}}],
        "contexts": [{"name": "testenv", "context": {"cluster": "testenv", "user": user}}],
    });
    let path = dir.join(format!("{file}.kubeconfig"));
    std::fs::write(&path, serde_json::to_vec_pretty(&config)?)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn etcd_command(bin: &Path, dir: &Path, client: u16, peer: u16) -> Command {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut c = Command::new(bin.join("etcd"));
    c.arg("--data-dir").arg(dir.join("etcd")).args([
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
    ]);
    c.args([
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
        "--initial-cluster",
        &format!("default={peer}"),
    ]);
    // What is lost with the machine is not missed.
    c.args(["--unsafe-no-fsync", "--log-level", "warn"]);
    c
}

fn apiserver_command(bin: &Path, dir: &Path, authority: &Authority, port: u16, store: u16) -> Result<Command> {
    let pki = dir.join("pki");
    let (certificate, key) = authority
        .server(&[
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "127.96.0.1",
        ])?
        .write(&pki, "apiserver")?;
    let signer = rcgen::KeyPair::generate().context("making the key of service accounts")?;
    let (public, private) =
        Pair { certificate: signer.public_key_pem(), key: signer.serialize_pem() }.write(&pki, "service-accounts")?;
    std::fs::write(pki.join("ca.crt"), authority.pem()).context("writing the CA")?;
    let mut c = Command::new(bin.join("kube-apiserver"));
    c.args(["--etcd-servers", &format!("http://127.0.0.1:{store}"), "--secure-port", &port.to_string()]);
    c.args([
        "--bind-address",
        "127.0.0.1",
        "--advertise-address",
        "127.0.0.1",
        "--service-cluster-ip-range",
        "127.96.0.0/16",
    ]);
    c.arg("--tls-cert-file")
        .arg(certificate)
        .arg("--tls-private-key-file")
        .arg(key)
        .arg("--client-ca-file")
        .arg(pki.join("ca.crt"));
    c.arg("--service-account-key-file").arg(public).arg("--service-account-signing-key-file").arg(private);
    c.args(["--service-account-issuer", &format!("https://127.0.0.1:{port}"), "--authorization-mode", "RBAC"]);
    // Pods need no token here, and without a controller-manager nobody would make the default account they'd be given.
    c.args([
        "--disable-admission-plugins",
        "ServiceAccount",
        "--endpoint-reconciler-type",
        "none",
        "--allow-privileged",
    ]);
    // What Albedo asks for, and whether it may: tests/it/rights.rs holds deploy/albedo.yaml to it. What a command asks for, too.
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [ACCOUNT, OBSERVED_USER, AUDITED_USER]}, {"level": "None"}]});
    let file = dir.join("audit-policy.json");
    std::fs::write(&file, policy.to_string()).with_context(|| format!("writing {}", file.display()))?;
    c.arg("--audit-policy-file").arg(file).arg("--audit-log-path").arg(dir.join(AUDIT));
    Ok(c)
}

fn controller_manager_command(bin: &Path, kubeconfig: &Path) -> Command {
    let mut c = Command::new(bin.join("kube-controller-manager"));
    c.arg("--kubeconfig").arg(kubeconfig).args([
        "--controllers",
        CONTROLLERS,
        "--leader-elect=false",
        "--secure-port=0",
    ]);
    c.args(["--kube-api-qps=1000", "--kube-api-burst=2000"]);
    c
}
