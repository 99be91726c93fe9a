//! Serving certificates: a pair that cert-manager renews while Ingresses are applied; manifests, accepted by an API server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use albedo_testenv::{SecretMount, eventually, http_get};
use anyhow::{Context as _, Result, ensure};
use futures::future::{join, join_all};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::base::{Base, albedo};
use crate::fixture::{Fixture, SOON, tail};
use crate::install::rendered;
use crate::objects::rule;

const KINDS: &str = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
const RENEWALS: usize = 5;
/// At once: more than the API server keeps idle connections to a webhook (25), so that each burst has to open some.
const BURST: usize = 32;
/// Between bursts, or the other tests starve.
const PAUSE: Duration = Duration::from_millis(200);
/// Two webhooks of 5 s each, and some: who waits longer has met something that hangs.
const ANSWER: Duration = Duration::from_secs(20);

/// Albedo with a pair from cert-manager, and an API server that trusts what the CA injector wrote.
struct Served {
    fixture: Fixture,
    mount: SecretMount,
}

impl Served {
    async fn open(base: &Arc<Base>) -> Result<Self> {
        base.test_env.cert_manager().await?;
        let mut fixture = Fixture::open(base, "certificates").await?;
        let namespace = fixture.scope.namespace.clone();
        let file = fixture.write("certmanager.yaml", &issued_by_cert_manager(&namespace).await?)?;
        fixture.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;
        let dir = base.dir().join(format!("{namespace}-mounted"));
        fixture.flags(&[&format!("--webhook-cert-dir={}", dir.display())]);
        let mount = SecretMount::start(base.test_env.client(), &namespace, "albedo-serving-tls", dir).await?;
        fixture.start().await?;
        let served = Self { fixture, mount };
        served.register().await?;
        Ok(served)
    }

    /// Webhooks without an authority, which the CA injector adds.
    async fn register(&self) -> Result<()> {
        let (scope, url) = (&self.fixture.scope, self.fixture.webhook_url()?);
        let yaml = albedo(&[
            "webhook-config",
            &format!("--url={url}"),
            &format!("--class={}", scope.class),
            &format!("--namespace-selector=albedo.dev/test={}", scope.id),
            &format!("--name={}", scope.id),
        ])
        .await?;
        ensure!(!yaml.contains("caBundle"), "the authority is the injector's to add:\n{yaml}");
        let file = self.fixture.write("webhooks.yaml", &yaml)?;
        self.fixture.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;
        let inject = format!("cert-manager.io/inject-ca-from={}/albedo-serving", scope.namespace);
        self.fixture.kubectl(&["annotate", KINDS, &scope.id, &inject]).await?;
        // The API server learns of both configurations a moment later.
        eventually("a bad Ingress is refused", SOON, async || self.bad().await.map(Some)).await?;
        eventually("a good Ingress is defaulted", SOON, async || self.good().await.map(Some))
            .await
            .with_context(|| tail(&self.fixture.log()))
    }

    async fn create(&self, name: &str, pairs: &[(&str, &str)]) -> Result<kube::Result<Ingress>> {
        let rules = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
        let ingress: Ingress = serde_json::from_value(self.fixture.ingress(name, pairs, &rules))?;
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let ingresses = self.fixture.scope.api::<Ingress>();
        timeout(ANSWER, ingresses.create(&dry_run, &ingress)).await.context("no answer to an Ingress")
    }

    /// A good Ingress goes through, by both webhooks.
    async fn good(&self) -> Result<()> {
        let made = self.create("good", &[("target-type", "ip")]).await?.context("a good Ingress failed")?;
        let annotations = made.metadata.annotations.unwrap_or_default();
        ensure!(annotations.contains_key("albedo.dev/defaulted"), "nobody defaulted it: {annotations:?}");
        Ok(())
    }

    /// A bad Ingress is refused, by a verdict and not by a webhook that cannot be called.
    async fn bad(&self) -> Result<()> {
        match self.create("bad", &[("no-such-key", "x")]).await? {
            Err(kube::Error::Api(status)) if status.message.contains("ALB001") => Ok(()),
            other => Err(anyhow::anyhow!("a bad Ingress was not refused by a verdict: {other:?}")),
        }
    }

    fn certificate(&self) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate"));
        Api::namespaced_with(self.fixture.scope.client(), &self.fixture.scope.namespace, &resource)
    }

    /// What a Secret of cert-manager's has under a key.
    async fn secret(&self, name: &str, key: &str) -> Result<Vec<u8>> {
        let secret = self.fixture.scope.api::<Secret>().get(name).await?;
        let data = secret.data.unwrap_or_default().remove(key);
        Ok(data.with_context(|| format!("no {key} in the Secret {name}"))?.0)
    }

    /// Has cert-manager renew a Certificate, as `cmctl renew` does it, and waits for its next revision.
    async fn renew(&self, name: &str) -> Result<()> {
        let api = self.certificate();
        let revision = |it: &DynamicObject| it.data.pointer("/status/revision").and_then(Value::as_i64).unwrap_or(0);
        let what = format!("the Certificate {name} is marked");
        let before = eventually(&what, SOON, async || {
            let mut it = api.get(name).await?;
            let conditions = it.data.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
            let conditions = conditions.context("no conditions")?;
            conditions.retain(|condition| condition.get("type") != Some(&json!("Issuing")));
            conditions.push(json!({"type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
                "message": "a test asks for it", "lastTransitionTime": "2026-01-01T00:00:00Z"}));
            // A conflict is tried again.
            api.replace_status(name, &PostParams::default(), &it).await?;
            Ok(Some(revision(&it)))
        })
        .await?;
        let what = format!("the Certificate {name} has a revision after {before}");
        eventually(&what, SOON, async || Ok((revision(&api.get(name).await?) > before).then_some(()))).await
    }

    /// Waits until Albedo shows the pair that is in the Secret, and answers its certificate.
    async fn shows_current(&self) -> Result<Vec<u8>> {
        let shown = eventually("Albedo shows the renewed certificate", SOON, async || {
            let wanted = certificates(&self.secret("albedo-serving-tls", "tls.crt").await?)?;
            let shown = self.handshake().await?;
            Ok((wanted.first().map(AsRef::as_ref) == Some(shown.as_slice())).then_some(shown))
        });
        shown.await.with_context(|| tail(&self.fixture.log()))
    }

    /// The certificate authorities that each webhook trusts, as the injector wrote them.
    async fn bundles(&self) -> Result<Vec<Vec<u8>>> {
        let (client, id) = (self.fixture.scope.client(), &self.fixture.scope.id);
        let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone()).get(id).await?;
        let mutating = Api::<MutatingWebhookConfiguration>::all(client).get(id).await?;
        let validating = validating.webhooks.unwrap_or_default().into_iter().map(|hook| hook.client_config);
        let mutating = mutating.webhooks.unwrap_or_default().into_iter().map(|hook| hook.client_config);
        validating.chain(mutating).map(|config| Ok(config.ca_bundle.context("no caBundle")?.0)).collect()
    }

    /// Waits until each webhook's bundle contains the present authority, among others perhaps.
    async fn trusted(&self) -> Result<Vec<u8>> {
        let authority = self.secret("albedo-ca", "tls.crt").await?;
        let wanted = certificates(&authority)?;
        eventually("each caBundle contains the authority", SOON, async || {
            let bundles = self.bundles().await?;
            ensure!(bundles.len() >= 2, "{} webhooks", bundles.len());
            for bundle in &bundles {
                let trusted = certificates(bundle)?;
                ensure!(wanted.iter().all(|one| trusted.contains(one)), "{}", String::from_utf8_lossy(bundle));
            }
            Ok(Some(()))
        })
        .await?;
        Ok(authority)
    }

    /// A fresh TLS connection that trusts the injected bundle alone; answers the certificate that was shown.
    async fn handshake(&self) -> Result<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        for root in certificates(self.bundles().await?.first().context("no webhooks")?)? {
            roots.add(root)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = format!("127.0.0.1:{}", self.fixture.flag("webhook-bind-port")?);
        let (connector, name) = (TlsConnector::from(Arc::new(config)), ServerName::try_from("127.0.0.1")?);
        let connect = async { connector.connect(name, TcpStream::connect(address).await?).await };
        let stream = timeout(ANSWER, connect).await.context("no end of a handshake")??;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        Ok(shown.context("no certificate was shown")?.as_ref().to_vec())
    }

    /// One of Albedo's counters.
    async fn counter(&self, name: &str) -> Result<u32> {
        let (_, body) = http_get(&format!("http://{}/metrics", self.fixture.flag("metrics-bind-addr")?)).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.with_context(|| format!("no {name} in\n{text}"))
    }

    async fn close(self) -> Result<()> {
        self.fixture.kubectl(&["delete", KINDS, &self.fixture.scope.id, "--wait=false"]).await?;
        drop(self.mount);
        self.fixture.close().await
    }
}

/// The issuers and the certificate that the chart makes with cert-manager. Here the API server calls an address, not a Service.
pub async fn issued_by_cert_manager(namespace: &str) -> Result<String> {
    let values = "clusterName=test,certificates=cert-manager";
    let made = rendered(namespace, &["--set", values, "--show-only", "templates/certmanager.yaml"]).await?;
    let with_address = made.replacen("  dnsNames:\n", "  ipAddresses: [127.0.0.1]\n  dnsNames:\n", 1);
    ensure!(with_address != made, "no dnsNames in\n{made}");
    Ok(with_address)
}

/// What came of the load.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    good: AtomicU32,
    bad: AtomicU32,
    handshakes: AtomicU32,
    shown: Mutex<BTreeSet<Vec<u8>>>,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    fn count(&self, what: &AtomicU32, result: Result<()>) {
        match result {
            Ok(()) => drop(what.fetch_add(1, Ordering::Relaxed)),
            Err(e) => self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{e:#}")),
        }
    }

    /// Bursts of Ingresses, one in eight of them bad.
    async fn apply(&self, served: &Served) {
        while !self.over.load(Ordering::Relaxed) {
            let burst = (0..BURST).map(|n| async move {
                match n % 8 {
                    0 => self.count(&self.bad, served.bad().await),
                    _ => self.count(&self.good, served.good().await),
                }
            });
            join_all(burst).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Fresh connections of our own, one after the other.
    async fn connect(&self, served: &Served) {
        while !self.over.load(Ordering::Relaxed) {
            let shown = served.handshake().await.context("a handshake failed").map(|certificate| {
                self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(certificate);
            });
            self.count(&self.handshakes, shown);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub async fn a_renewed_pair_is_taken_over_without_a_failed_apply(base: Arc<Base>) -> Result<()> {
    let served = Served::open(&base).await?;
    let first = served.trusted().await?;
    let (taken, accepted) =
        ("albedo_serving_certificate_taken_total", "albedo_connections_accepted_total{listener=\"webhook\"}");
    let (taken_before, accepted_before) = (served.counter(taken).await?, served.counter(accepted).await?);
    let tally = Tally::default();
    let renewals = async {
        let done = renew_all(&served, &first).await;
        tally.over.store(true, Ordering::Relaxed);
        done
    };
    let (serials, _) = join(renewals, join(tally.apply(&served), tally.connect(&served))).await;
    let serials = serials?;
    let failures = tally.failures.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (good, bad, handshakes) = (tally.good.into_inner(), tally.bad.into_inner(), tally.handshakes.into_inner());
    ensure!(
        failures.is_empty(),
        "{} of {} failed, as {:?}\n{}",
        failures.len(),
        good + bad + handshakes,
        failures.first(),
        tail(&served.fixture.log())
    );
    ensure!(
        good >= 100 && bad >= 20 && handshakes >= 20,
        "too little load: {good} good, {bad} bad, {handshakes} handshakes"
    );
    ensure!(serials.len() == RENEWALS + 2, "{} serial numbers were served", serials.len());
    let shown = tally.shown.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(shown.len() >= RENEWALS, "only {} certificates were shown under load", shown.len());
    let took = served.counter(taken).await? - taken_before;
    ensure!(usize::try_from(took)? >= RENEWALS, "only {took} pairs were taken over");
    let opened = served.counter(accepted).await? - accepted_before;
    ensure!(opened > handshakes + 20, "the API server opened few connections: {opened} with our {handshakes}");
    let refused = served.counter("albedo_serving_certificate_refused_total").await?;
    ensure!(refused == 0, "{refused} pairs were refused");
    served.good().await?;
    served.bad().await?;
    served.close().await
}

/// Renews the pair some times, then its authority and what that signs; answers the serial numbers that were shown.
async fn renew_all(served: &Served, first: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
    let mut serials = BTreeSet::from([serial(&served.shows_current().await?)?]);
    for _ in 0..RENEWALS {
        served.renew("albedo-serving").await?;
        serials.insert(serial(&served.shows_current().await?)?);
        served.bad().await?;
    }
    served.renew("albedo-ca").await?;
    served.renew("albedo-serving").await?;
    serials.insert(serial(&served.shows_current().await?)?);
    let second = served.trusted().await?;
    ensure!(first != second, "the authority is still the same");
    served.bad().await?;
    Ok(serials)
}

/// The certificates of a PEM text.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|e| anyhow::anyhow!("{e} in {}", String::from_utf8_lossy(pem)))?;
    ensure!(!found.is_empty(), "no certificate in {}", String::from_utf8_lossy(pem));
    Ok(found)
}

/// A certificate's serial number: what follows the version, `[0] { INTEGER 2 }`, which is where a version 3 begins.
fn serial(der: &[u8]) -> Result<Vec<u8>> {
    const VERSION: [u8; 6] = [0xa0, 0x03, 0x02, 0x01, 0x02, 0x02];
    let at = der.windows(VERSION.len()).position(|bytes| bytes == VERSION).context("no version")?;
    let rest = der.get(at + VERSION.len()..).unwrap_or_default();
    let (&length, rest) = rest.split_first().context("no serial number")?;
    Ok(rest.get(..usize::from(length)).context("a short serial number")?.to_vec())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The manifests of a folder and of those in it; kustomizations are for kubectl alone, and charts for helm.
fn manifests(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if path.is_dir() && path.file_name().is_none_or(|name| name != "helm") {
            found.extend(manifests(&path)?);
        } else if yaml && path.file_name().is_none_or(|name| name != "kustomization.yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

pub async fn what_is_to_be_installed_is_accepted(base: Arc<Base>) -> Result<()> {
    base.test_env.cert_manager().await?;
    let (plane, deploy) = (base.test_env.plane(), root().join("deploy"));
    // It makes the namespace.
    plane.account().await?;
    let mut sources: Vec<(&str, PathBuf)> = vec![("-k", deploy.clone())];
    let folder = tempfile::tempdir()?;
    let mut rendered = Vec::new();
    for name in ["defaults", "lbc", "cert-manager"] {
        let all = std::fs::read_to_string(root().join(format!("tests/it/golden/chart-{name}.yaml")))?;
        // The CRDs of the Prometheus operator are not here.
        let known: Vec<&str> = all.split("\n---\n").filter(|one| !one.contains("monitoring.coreos.com/")).collect();
        rendered.push(folder.path().join(format!("chart-{name}.yaml")));
        std::fs::write(&rendered[rendered.len() - 1], known.join("\n---\n"))?;
    }
    sources.extend(manifests(&deploy)?.into_iter().chain(rendered).map(|file| ("-f", file)));
    ensure!(sources.len() > 6, "{sources:?}");
    let mut wrong = Vec::new();
    for (flag, source) in sources {
        let source = source.to_string_lossy();
        let args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", flag, &source];
        let out = plane.kubectl(args).await?;
        let (said, done) = (String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout));
        if !out.status.success() || said.contains("Warning") || !done.contains("serverside-applied") {
            wrong.push(format!("{source}: {}{said}{done}", out.status));
        }
    }
    ensure!(wrong.is_empty(), "the API server objects:\n{}", wrong.join("\n"));
    let policy: Value = serde_json::from_slice(&std::fs::read(deploy.join("iam-policy.json"))?)?;
    let statements = policy.pointer("/Statement").and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(policy.pointer("/Version") == Some(&json!("2012-10-17")) && statements > 0, "iam-policy.json: {policy}");
    Ok(())
}
