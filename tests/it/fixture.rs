//! One test's fixture: its scope, its IngressClass, an Albedo of its own, webhooks registered for its namespace alone.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::{ACCOUNT, Albedo, Call, Gate, Launch, Scope, State, eventually, http_get};
use anyhow::{Context as _, Result, anyhow, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::base::{Base, albedo, program};
use crate::objects::{deployment, service};

/// With this label on a namespace its new Pods get readiness gates.
pub const GATES: &str = "elbv2.k8s.aws/pod-readiness-gate-inject=enabled";

/// For whatever has to become true: generous, because it costs only what is needed.
pub const SOON: Duration = Duration::from_mins(1);

pub struct Fixture {
    pub scope: Scope,
    pub launch: Launch,
    albedo: Option<Albedo>,
    base: Arc<Base>,
    registered: bool,
}

impl Fixture {
    /// A scope with its class; Albedo is not started yet.
    pub async fn open(base: &Arc<Base>, name: &str) -> Result<Self> {
        let scope = base.test_env.scope(name).await?;
        let certificates = base.dir().join(format!("{}-serving", scope.id));
        base.authority.server(&["127.0.0.1"])?.write(&certificates, "tls")?;
        let mut launch = scope
            .launch(program(), "one")?
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--watch-namespace={}", scope.namespace))
            .arg(format!("--webhook-cert-dir={}", certificates.display()))
            .arg("--webhook-cert-poll-seconds=1")
            .arg("--shutdown-linger-seconds=0")
            // One replica, and after a kill nobody waits until its lease runs out.
            .arg("--enable-leader-election=false");
        launch.args.insert(0, "run".into());
        let fixture = Self { scope, launch, albedo: None, base: Arc::clone(base), registered: false };
        fixture.allow(&[&[]]).await?;
        fixture.make_class().await?;
        Ok(fixture)
    }

    pub fn base(&self) -> &Base {
        &self.base
    }

    /// From here on AWS allows what the policies allow that Albedo prints for this cluster, each with more flags.
    pub async fn allow(&self, policies: &[&[&str]]) -> Result<()> {
        let (cluster, vpc) = (self.scope.cluster.as_str(), self.scope.world.vpc_id.as_str());
        let mut documents = Vec::new();
        for flags in policies {
            documents.push(policy(cluster, vpc, flags).await?);
        }
        self.scope.emulator().policies(&self.scope.region, &documents).await
    }

    pub async fn make_class(&self) -> Result<()> {
        let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": self.scope.class}, "spec": {"controller": "ingress.k8s.aws/alb"}});
        self.apply(&[class]).await
    }

    /// A fixture with Albedo on it.
    pub async fn with_albedo(base: &Arc<Base>, name: &str) -> Result<Self> {
        let mut fixture = Self::open(base, name).await?;
        fixture.start().await?;
        Ok(fixture)
    }

    /// A fixture with Albedo on it and its webhooks registered.
    pub async fn with_webhooks(base: &Arc<Base>, name: &str, flags: &[&str]) -> Result<Self> {
        let mut fixture = Self::open(base, name).await?;
        fixture.flags(flags);
        fixture.start().await?;
        fixture.register().await?;
        Ok(fixture)
    }

    /// Two pods behind the Service web, port 80, and one behind api, port 8000; they are there when it ends.
    pub async fn backends(&self, kind: &str) -> Result<()> {
        let backends = [
            deployment("web", 2, 8080),
            service("web", kind, 80, 8080),
            deployment("api", 1, 9090),
            service("api", kind, 8000, 9090),
        ];
        self.apply(&backends).await?;
        self.kubectl(&["rollout", "status", "deployment", "web", "api", "--timeout=60s"]).await.map(drop)
    }

    /// A gate that all requests of Albedo go through from the next start on.
    pub async fn gate(&mut self) -> Result<Gate> {
        self.gate_as(self.base.test_env.plane().client_for(ACCOUNT).await?).await
    }

    /// The same; to Kubernetes they are those of a client's user.
    pub async fn gate_as(&mut self, client: Client) -> Result<Gate> {
        let gate = Gate::open(self.scope.emulator().endpoint(), client).await?;
        self.launch.env.push(("AWS_ENDPOINT_URL".to_owned(), gate.aws().into()));
        self.launch.env.push(("KUBECONFIG".to_owned(), gate.kubeconfig(self.base.dir())?.into()));
        Ok(gate)
    }

    /// More flags, for the next start; one that is there already is replaced.
    pub fn flags(&mut self, flags: &[&str]) {
        for flag in flags {
            let name = format!("{}=", flag.split('=').next().unwrap_or(flag));
            self.launch.args.retain(|known| !known.to_string_lossy().starts_with(&name));
            self.launch.args.push(flag.into());
        }
    }

    /// Another Albedo beside this one, which calls AWS under a key id of its own: how to start it.
    pub fn replica(&self, name: &str) -> Result<Launch> {
        let other = self.scope.launch(program(), name)?.env("AWS_ACCESS_KEY_ID", name);
        let own = ["--health-probe-bind-addr=", "--metrics-bind-addr=", "--webhook-bind-port="];
        let is_own = |arg: &std::ffi::OsString| own.iter().any(|flag| arg.to_string_lossy().starts_with(flag));
        let shared = self.launch.args.iter().filter(|arg| !is_own(arg)).cloned();
        let args = shared.chain(other.args.iter().filter(|arg| is_own(arg)).cloned()).collect();
        Ok(Launch { args, ..other })
    }

    pub async fn start(&mut self) -> Result<()> {
        self.albedo = Some(self.launch.start().await?);
        Ok(())
    }

    /// Starts Albedo where it cannot become ready.
    pub fn start_unready(&mut self) -> Result<()> {
        self.albedo = Some(self.launch.spawn()?);
        Ok(())
    }

    pub fn albedo(&mut self) -> Result<&mut Albedo> {
        self.albedo.as_mut().context("albedo was not started")
    }

    pub fn log(&self) -> String {
        self.albedo.as_ref().map(Albedo::log).unwrap_or_default()
    }

    /// The value of one of Albedo's flags.
    pub fn flag(&self, name: &str) -> Result<String> {
        self.launch.value(name).map(str::to_owned).with_context(|| format!("albedo is started without --{name}"))
    }

    /// Where Albedo answers reviews.
    pub fn webhook_url(&self) -> Result<String> {
        Ok(format!("https://127.0.0.1:{}", self.flag("webhook-bind-port")?))
    }

    /// Has the API server ask this Albedo about the Ingresses of this namespace.
    pub async fn register(&mut self) -> Result<()> {
        let (url, authority) = (self.webhook_url()?, self.base.authority_file());
        let yaml = albedo(&[
            "webhook-config",
            &format!("--url={url}"),
            &format!("--ca-file={}", authority.display()),
            &format!("--class={}", self.scope.class),
            &format!("--namespace-selector=albedo.dev/test={}", self.scope.id),
            &format!("--name={}", self.scope.id),
        ])
        .await?;
        self.kubectl(&["apply", "-f", &self.write("webhooks.yaml", &yaml)?.to_string_lossy()]).await?;
        self.registered = true;
        // The API server learns of new configurations a moment later: they are there when a fault is refused.
        let probe = self.ingress("probe", &[("no-such-key", "x")], &json!([]));
        let last = std::sync::Mutex::new(String::new());
        eventually("the webhooks are asked", SOON, async || {
            let out = self.try_apply(std::slice::from_ref(&probe), &["--dry-run=server"]).await?;
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            let asked = said.contains("ALB001") || self.is_silent();
            if let Ok(mut last) = last.lock() {
                *last = format!("kubectl ended with {} and said: {said}", out.status);
            }
            Ok(asked.then_some(()))
        })
        .await
        .with_context(|| last.lock().map(|last| last.clone()).unwrap_or_default())?;
        // Its backend needs no Service, which a strict Albedo would miss.
        let answer = r#"{"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200"}}"#;
        let mut good = self.ingress("probe", &[("actions.probe", answer)], &json!([]));
        good["spec"]["rules"] = json!([]);
        good["spec"]["defaultBackend"] = json!({"service": {"name": "probe", "port": {"name": "use-annotation"}}});
        eventually("the webhooks change", SOON, async || {
            let out = self.try_apply(std::slice::from_ref(&good), &["--dry-run=server", "-o", "json"]).await?;
            Ok(String::from_utf8_lossy(&out.stdout).contains("albedo.dev/defaulted").then_some(()))
        })
        .await
    }

    fn is_silent(&self) -> bool {
        self.launch.args.iter().any(|arg| arg == "--admission-mode=off")
    }

    /// A folder for files of this test.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let dir = self.base.dir().join(&self.scope.id);
        std::fs::create_dir_all(&dir)?;
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Puts labels on the test's namespace.
    pub async fn label_namespace(&self, labels: &[&str]) -> Result<()> {
        self.kubectl(&[&["label", "namespace", &self.scope.namespace], labels].concat()).await.map(drop)
    }

    /// kubectl in the test's namespace; insists on success.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.scope.kubectl(args).await
    }

    /// kubectl in the test's namespace, whatever comes of it.
    pub async fn try_kubectl(&self, args: &[&str]) -> Result<Output> {
        self.base.test_env.plane().kubectl([&["--namespace", &self.scope.namespace], args].concat()).await
    }

    /// `kubectl apply` of objects, in one file, with more arguments.
    pub async fn try_apply(&self, objects: &[Value], args: &[&str]) -> Result<Output> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = self.write(&format!("applied-{}.json", NEXT.fetch_add(1, Ordering::Relaxed)), &list.to_string())?;
        self.try_kubectl(&[&["apply", "-f", &file.to_string_lossy()], args].concat()).await
    }

    pub async fn apply(&self, objects: &[Value]) -> Result<()> {
        let out = self.try_apply(objects, &[]).await?;
        ensure!(out.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    }

    pub async fn state(&self) -> Result<State> {
        self.scope.emulator().state(&self.scope.region).await
    }

    pub async fn mark(&self) -> Result<u64> {
        self.scope.emulator().mark().await
    }

    /// The calls since then that may have changed something.
    pub async fn writes_since(&self, mark: u64) -> Result<Vec<Call>> {
        let calls = self.scope.emulator().calls_since(&self.scope.region, mark).await?;
        Ok(calls.into_iter().filter(|call| call.write).collect())
    }

    /// Waits until Albedo has no work left and does nothing any more.
    pub async fn quiet(&self) -> Result<()> {
        self.launch
            .quiet(self.scope.emulator(), SOON)
            .await
            .map_err(|error| anyhow!("{error:?}\n{}", tail(&self.log())))
    }

    /// Waits until a group or a binding of the region has been looked at since then: Albedo may rest because it has not begun.
    pub async fn looked_at(&self, mark: u64) -> Result<()> {
        let looks = ["DescribeTags", "DescribeRules", "DescribeTargetHealth"];
        eventually("something is looked at", SOON, async || {
            let calls = self.scope.emulator().calls_since(&self.scope.region, mark).await?;
            Ok(calls.iter().any(|call| looks.contains(&call.operation.as_str())).then_some(()))
        })
        .await
        .with_context(|| tail(&self.log()))
    }

    /// How many passes there were of a kind of unit.
    pub async fn passes(&self, unit: &str) -> Result<String> {
        let (_, body) = http_get(&format!("http://{}/metrics", self.flag("metrics-bind-addr")?)).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let name = format!("albedo_reconcile_passes_total{{unit=\"{unit}\"}} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&name));
        found.map(ToOwned::to_owned).with_context(|| format!("no {name}in\n{text}"))
    }

    /// [`Fixture::close`], after the webhooks were deleted already.
    pub async fn close_unregistered(mut self) -> Result<()> {
        self.registered = false;
        self.close().await
    }

    /// SIGTERM to Albedo, then deletes what the namespace does not take with it.
    pub async fn close(mut self) -> Result<()> {
        if self.registered {
            let name = self.scope.id.as_str();
            for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
                self.kubectl(&["delete", kind, name, "--wait=false"]).await?;
            }
        }
        if let Some(mut albedo) = self.albedo.take() {
            let status = albedo.stop().await?;
            ensure!(status.success(), "albedo ended with {status}:\n{}", tail(&albedo.log()));
            ensure!(!albedo.log().contains("panicked"), "albedo panicked:\n{}", tail(&albedo.log()));
        }
        self.kubectl(&["delete", "ingressclass", &self.scope.class, "--wait=false"]).await?;
        self.scope.close().await
    }
}

/// The IAM policy that Albedo prints for a cluster.
pub async fn policy(cluster: &str, vpc: &str, flags: &[&str]) -> Result<String> {
    let own = [&format!("--cluster-name={cluster}"), &format!("--aws-vpc-id={vpc}")];
    albedo(&[&["iam-policy", own[0].as_str(), own[1].as_str()], flags].concat()).await
}

/// The end of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    format!("the end of albedo's log:\n  {}", lines[lines.len().saturating_sub(25)..].join("\n  "))
}
