//! Rolling updates as a Deployment makes them, behind one address, while Ingresses are applied all the time: certificates change their origin, replicas
//! restart, certificates are renewed, and no apply fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use albedo_testenv::{Albedo, SecretMount, eventually};
use anyhow::{Context as _, Result, ensure};
use futures::future::{try_join, try_join_all};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::base::Base;
use crate::certificates::issued_by_cert_manager;
use crate::fixture::{Fixture, SOON};
use crate::objects::rule;
use crate::service::Service;

const NAMESPACE: &str = "albedo-system";
const SECRET: &str = "albedo-serving";
const KINDS: &str = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
const CONFIGURATION: &str = "albedo-webhook";
/// Who apply at the same time, each one Ingress after the other; `ALBEDO_CLIENTS` is another number.
const CLIENTS: usize = 8;
const REPLICAS: usize = 2;

/// A number from the environment.
fn given(variable: &str, otherwise: usize) -> Result<usize> {
    let text = std::env::var(variable).ok();
    text.map_or(Ok(otherwise), |text| text.parse().with_context(|| format!("{variable}={text}: write a number")))
}

/// What a release runs with.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Own,
    CertManager,
}

struct Release {
    fixture: Fixture,
    service: Service,
    mount: Option<SecretMount>,
    replicas: Vec<(Albedo, String)>,
    made: usize,
}

impl Release {
    async fn open(base: &Arc<Base>, name: &str) -> Result<Self> {
        let mut fixture = Fixture::open(base, name).await?;
        let service = Service::start().await?;
        fixture.flags(&[
            &format!("--webhook-url={}", service.url()),
            &format!("--webhook-namespace={NAMESPACE}"),
            "--shutdown-linger-seconds=2",
        ]);
        Ok(Self { fixture, service, mount: None, replicas: Vec::new(), made: 0 })
    }

    /// cert-manager's Secret, mounted.
    async fn issue(&mut self, base: &Arc<Base>) -> Result<()> {
        base.test_env.cert_manager().await?;
        let file = self.fixture.write("certmanager.yaml", &issued_by_cert_manager(NAMESPACE).await?)?;
        base.test_env.plane().kubectl_ok(["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;
        let dir = base.dir().join("rollout-mounted");
        self.mount = Some(SecretMount::start(base.test_env.client(), NAMESPACE, "albedo-serving-tls", dir).await?);
        Ok(())
    }

    fn flags(&self, origin: Origin) -> Result<Vec<String>> {
        Ok(match origin {
            Origin::Own => {
                ["--certificates=self", "--register-webhooks=false", "--inject-ca-from="].map(str::to_owned).to_vec()
            }
            Origin::CertManager => {
                let mounted = self.mount.as_ref().context("nothing is mounted")?.dir().display().to_string();
                vec![
                    "--certificates=files".to_owned(),
                    format!("--webhook-cert-dir={mounted}"),
                    "--register-webhooks=true".to_owned(),
                    format!("--inject-ca-from={NAMESPACE}/albedo-serving"),
                ]
            }
        })
    }

    fn serve(&self) {
        self.service.set(self.replicas.iter().map(|(_, address)| address.clone()).collect());
    }

    /// One replica more, listed once it is ready.
    async fn grow(&mut self, origin: Origin) -> Result<()> {
        self.made += 1;
        let flags = self.flags(origin)?;
        self.fixture.flags(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        let launch = self.fixture.replica(&format!("r{}", self.made))?;
        let replica = launch.start().await?;
        let port = launch.value("webhook-bind-port").context("no port")?.to_owned();
        self.replicas.push((replica, format!("127.0.0.1:{port}")));
        self.serve();
        Ok(())
    }

    /// A rolling update with `maxSurge: 1` and `maxUnavailable: 0`: the endpoint goes a moment after SIGTERM, as in a cluster.
    async fn roll(&mut self, origin: Origin) -> Result<()> {
        for _ in 0..self.replicas.len() {
            self.grow(origin).await?;
            let (mut oldest, _) = self.replicas.remove(0);
            let unlisted = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                self.serve();
                Ok(())
            };
            let (status, ()) = try_join(oldest.stop(), unlisted).await?;
            ensure!(status.success(), "a replica ended with {status}");
        }
        Ok(())
    }

    async fn renew(&self, wish: &str) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.fixture.scope.client(), NAMESPACE);
        let certificate = async || {
            let secret = secrets.get_opt(SECRET).await?;
            Ok::<_, anyhow::Error>(secret.and_then(|secret| Some(secret.data?.remove("tls.crt")?.0)))
        };
        let before = certificate().await?;
        let patch = json!({"metadata": {"annotations": {"albedo.dev/renew": wish, "example.com/own": "stays"}}});
        secrets.patch(SECRET, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        let renewed = async || Ok((certificate().await? != before).then_some(()));
        eventually("another certificate is served", SOON, renewed).await?;
        let notes = secrets.get(SECRET).await?.metadata.annotations.unwrap_or_default();
        ensure!(notes.contains_key("example.com/own"), "annotations of others are gone: {notes:?}");
        Ok(())
    }

    async fn close(mut self) -> Result<()> {
        for (replica, _) in &mut self.replicas {
            replica.stop().await?;
        }
        self.fixture.kubectl(&["delete", KINDS, CONFIGURATION]).await?;
        let secrets: Api<Secret> = Api::namespaced(self.fixture.scope.client(), NAMESPACE);
        secrets.delete(SECRET, &DeleteParams::default()).await?;
        self.fixture.close().await
    }
}

/// Applies that store nothing; admission runs all the same.
struct Applies {
    api: Api<Ingress>,
    good: Ingress,
    faulty: Ingress,
    over: AtomicBool,
    count: AtomicUsize,
}

impl Applies {
    fn new(fixture: &Fixture) -> Result<Self> {
        let made = |name: &str, host: &str| -> Result<Ingress> {
            let rules = json!([rule(Some(host), &[("/", "Prefix", "web", 80)])]);
            Ok(serde_json::from_value(fixture.ingress(name, &[], &rules))?)
        };
        Ok(Self {
            api: Api::namespaced(fixture.scope.client(), &fixture.scope.namespace),
            good: made("good", "shop.example.com")?,
            faulty: made("faulty", "nodots")?,
            over: AtomicBool::new(false),
            count: AtomicUsize::new(0),
        })
    }

    async fn tried(&self, object: &Ingress) -> kube::Result<Ingress> {
        self.api.create(&PostParams { dry_run: true, ..PostParams::default() }, object).await
    }

    async fn is_reviewed(&self) -> Result<()> {
        eventually("a fault is refused", SOON, async || match self.tried(&self.faulty).await {
            Err(kube::Error::Api(status)) if status.message.contains("ALB") => Ok(Some(())),
            other => anyhow::bail!("{other:?}"),
        })
        .await
    }

    /// One in sixteen is faulty, and its refusal has to be a verdict.
    async fn client(&self) -> Result<()> {
        for number in 0_u64.. {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            if number % 16 == 0 {
                let refused = self.tried(&self.faulty).await;
                let is_verdict = matches!(&refused, Err(kube::Error::Api(status)) if status.message.contains("ALB"));
                ensure!(is_verdict, "a fault was not refused by a verdict: {refused:?}");
            } else {
                self.tried(&self.good).await.context("a good Ingress failed")?;
            }
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Does something meanwhile; says how many applies there were, and at which rate.
    async fn all_the_while(&self, what: &str, work: impl Future<Output = Result<()>>) -> Result<()> {
        let began = Instant::now();
        let worked = async {
            let done = work.await;
            self.over.store(true, Ordering::Relaxed);
            done
        };
        let clients = given("ALBEDO_CLIENTS", CLIENTS)?;
        try_join(try_join_all((0..clients).map(|_| self.client())), worked).await?;
        let (count, seconds) = (self.count.load(Ordering::Relaxed), began.elapsed().as_secs());
        let rate = u64::try_from(count)? / seconds.max(1);
        eprintln!("rollout: {count} applies by {clients} in {seconds} s of {what}, {rate} a second, none failed");
        ensure!(count > 100, "only {count} applies");
        Ok(())
    }
}

/// `certificates` is changed by upgrades, there and back.
pub async fn certificates_change_their_origin_under_load(base: Arc<Base>) -> Result<()> {
    let mut release = Release::open(&base, "origin").await?;
    release.issue(&base).await?;
    for _ in 0..REPLICAS {
        release.grow(Origin::Own).await?;
    }
    let applies = Applies::new(&release.fixture)?;
    applies.is_reviewed().await?;
    let changes = async {
        for origin in [Origin::CertManager, Origin::Own, Origin::CertManager, Origin::Own] {
            release.roll(origin).await?;
        }
        Ok(())
    };
    applies.all_the_while("four changes of the certificates' origin", changes).await?;
    applies.is_reviewed().await?;
    let file = release.fixture.write("certmanager.yaml", &issued_by_cert_manager(NAMESPACE).await?)?;
    base.test_env.plane().kubectl_ok(["delete", "-f", &file.to_string_lossy()]).await?;
    release.close().await
}

/// Twenty renewals and twenty upgrades, in turn.
pub async fn twenty_upgrades_and_renewals_fail_nobody(base: Arc<Base>) -> Result<()> {
    let mut release = Release::open(&base, "upgrades").await?;
    for _ in 0..REPLICAS {
        release.grow(Origin::Own).await?;
    }
    let applies = Applies::new(&release.fixture)?;
    applies.is_reviewed().await?;
    let rounds = given("ALBEDO_ROLLOUTS", 20)?;
    let work = async {
        for number in 0..rounds {
            release.roll(Origin::Own).await?;
            release.renew(&number.to_string()).await?;
        }
        Ok(())
    };
    applies.all_the_while(&format!("{rounds} renewals and {rounds} upgrades"), work).await?;
    release.close().await
}
