//! `albedo verify`: whether an installation does what it is for, asked of the API server by two Ingresses that are never stored.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, header};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{kubeconfig, printing, run};

/// Code of the finding about a scheme that does not exist.
const CODE: &str = "ALB002";
/// More is not shown of an answer, in characters.
const SHOWN: usize = 2_000;

/// Which cluster, and whose Ingresses are tried.
#[derive(Debug, Args)]
pub struct Verify {
    /// Namespace of the Ingresses that are tried, not kube-system and not that of Albedo; nothing is stored
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Class of the Ingresses that are tried
    #[arg(long, default_value = "alb")]
    ingress_class: String,
    /// How many seconds the webhooks may take to come up
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// The kubeconfig; default: KUBECONFIG, ~/.kube/config or the Pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Its context; default: the current one
    #[arg(long)]
    context: Option<String>,
}

/// What the API server says to an Ingress.
enum Answer {
    /// A webhook of Albedo refused it, with this message.
    Refused(String),
    /// It would be stored, and a webhook of Albedo warned of the scheme.
    Warned,
    /// It would be stored, and no webhook said anything.
    Taken,
    /// Somebody else refused it.
    Failed(String),
}

impl Verify {
    /// The exit code is 0 if a wrong Ingress is refused, or warned of where Albedo was told so, and a right one is not refused; else 1.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        run::cryptography()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.verify())
    }

    async fn verify(&self) -> anyhow::Result<ExitCode> {
        let config = kubeconfig::config(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let url = config.cluster_url.clone();
        let client = Client::try_from(config)?;
        let until = Instant::now() + Duration::from_secs(self.wait);
        let wrong = loop {
            let answer = self.tried(&client, "everywhere").await.with_context(|| format!("asking {url}"))?;
            if matches!(answer, Answer::Refused(_) | Answer::Warned) || Instant::now() >= until {
                break answer;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let right = self.tried(&client, "internal").await.with_context(|| format!("asking {url}"))?;
        let (wrong, fine) = match wrong {
            Answer::Refused(_) => ("is refused, as it should be".to_owned(), true),
            Answer::Warned => ("gets a warning only: Albedo runs with --admission-mode=warn".to_owned(), true),
            Answer::Taken => (self.unreviewed(), false),
            Answer::Failed(why) => (format!("is refused, but not by Albedo: {why}"), false),
        };
        let (right, also_fine) = match right {
            Answer::Taken | Answer::Warned => ("is not refused".to_owned(), true),
            Answer::Refused(why) | Answer::Failed(why) => (format!("is refused: {why}"), false),
        };
        printing::put(&format!("a wrong Ingress (scheme: everywhere) {wrong}\na right Ingress {right}\n"))?;
        Ok(if fine && also_fine { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn unreviewed(&self) -> String {
        format!(
            "is not refused: no webhook of Albedo reviews it. Look whether Albedo's Pods are ready, whether class {} has a controller of Albedo \
             (kubectl get ingressclass {}), and whether namespace {} is reviewed (label, --watch-namespace, --admission-mode)",
            self.ingress_class, self.ingress_class, self.namespace
        )
    }

    /// Applies an Ingress with a scheme, without storing it.
    async fn tried(&self, client: &Client, scheme: &str) -> anyhow::Result<Answer> {
        let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"generateName": "albedo-verify-", "namespace": self.namespace,
                "annotations": {"alb.ingress.kubernetes.io/scheme": scheme}},
            "spec": {"ingressClassName": self.ingress_class,
                "defaultBackend": {"service": {"name": "albedo-verify", "port": {"number": 80}}}}});
        let path = format!("/apis/networking.k8s.io/v1/namespaces/{}/ingresses?dryRun=All", self.namespace);
        let request = Request::post(&path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(serde_json::to_vec(&ingress)?)).context(path)?;
        let (parts, body) = client.send(request).await?.into_parts();
        let warnings = warnings(&parts.headers);
        if parts.status.is_success() {
            return Ok(if warnings.contains(CODE) { Answer::Warned } else { Answer::Taken });
        }
        let body = body.collect().await.context("the API server's answer")?.to_bytes();
        let status: Value = serde_json::from_slice(&body).unwrap_or_default();
        let said =
            status.get("message").and_then(Value::as_str).map_or_else(|| parts.status.to_string(), str::to_owned);
        let said: String = said.chars().take(SHOWN).collect();
        let is_ours = said.starts_with("admission webhook") && said.contains("ALB");
        Ok(if is_ours { Answer::Refused(said) } else { Answer::Failed(said) })
    }
}

/// The warnings of an answer (RFC 9110 has the header in its registry, RFC 7234 §5.5 its form), as one text.
fn warnings(headers: &HeaderMap) -> String {
    let all = headers.get_all(header::WARNING).iter().filter_map(|value| value.to_str().ok());
    all.collect::<Vec<_>>().join("\n")
}
