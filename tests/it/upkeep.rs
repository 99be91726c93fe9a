//! Without cert-manager and without manifests of webhooks: Albedo makes its certificate, registers its webhooks, and keeps both as they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::rule;

const NAMESPACE: &str = "albedo-system";
const SECRET: &str = "albedo-serving";
const CONFIGURATION: &str = "albedo-webhook";
/// Between two applies.
const PAUSE: Duration = Duration::from_millis(20);

struct Upkeep {
    fixture: Fixture,
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
}

impl Upkeep {
    async fn open(base: &Arc<Base>) -> Result<Self> {
        let mut fixture = Fixture::open(base, "upkeep").await?;
        let url = fixture.webhook_url()?;
        fixture.flags(&[
            "--certificates=self",
            &format!("--webhook-url={url}"),
            &format!("--webhook-namespace={NAMESPACE}"),
        ]);
        let client = fixture.scope.client();
        let this =
            Self { secrets: Api::namespaced(client.clone(), NAMESPACE), configurations: Api::all(client), fixture };
        ensure!(this.configurations.get_opt(CONFIGURATION).await?.is_none(), "the webhooks are registered already");
        Ok(this)
    }

    /// What the API server answers to an Ingress that is not stored.
    async fn tried(&self, object: &Value) -> kube::Result<Ingress> {
        let object: Ingress = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
        let api: Api<Ingress> = Api::namespaced(self.fixture.scope.client(), &self.fixture.scope.namespace);
        api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await
    }

    /// Waits until a fault is refused.
    async fn is_reviewed(&self, what: &str, class: &str) -> Result<()> {
        let mut faulty = self.fixture.ingress("faulty", &[], &json!([]));
        faulty["spec"]["ingressClassName"] = json!(class);
        // No key of ours is in it, so nothing but its class has it reviewed.
        faulty["metadata"]["annotations"] = json!({});
        faulty["spec"]["rules"] = json!([rule(Some("nodots"), &[("/", "Prefix", "web", 80)])]);
        let found = eventually(what, SOON, async || match self.tried(&faulty).await {
            Err(kube::Error::Api(status)) if status.message.contains("ALB") => Ok(Some(())),
            other => anyhow::bail!("{other:?}"),
        });
        found.await.with_context(|| tail(&self.fixture.log()))
    }

    async fn patch_secret(&self, patch: &Value) -> Result<()> {
        self.secrets.patch(SECRET, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop).map_err(Into::into)
    }

    async fn certificate(&self) -> Result<Option<Vec<u8>>> {
        let secret = self.secrets.get_opt(SECRET).await?;
        Ok(secret.and_then(|secret| Some(secret.data?.remove("tls.crt")?.0)))
    }

    /// Asks for another certificate and waits until it is there.
    async fn renew(&self, wish: &str) -> Result<()> {
        let before = self.certificate().await?;
        self.patch_secret(&json!({"metadata": {"annotations": {"albedo.dev/renew": wish}}})).await?;
        let found = eventually("another certificate is served", SOON, async || {
            let now = self.certificate().await?;
            Ok((now.is_some() && now != before).then_some(()))
        });
        found.await.with_context(|| tail(&self.fixture.log()))
    }

    /// Does something while a good Ingress is applied all the time, of which none may fail.
    async fn applied_all_the_while(&self, work: impl Future<Output = Result<()>>) -> Result<usize> {
        let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let good = self.fixture.ingress("good", &[], &json!([]));
        let applies = async {
            while !over.load(Ordering::Relaxed) {
                self.tried(&good).await.with_context(|| tail(&self.fixture.log()))?;
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        let worked = async {
            let done = work.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        futures::future::try_join(applies, worked).await?;
        Ok(count.load(Ordering::Relaxed))
    }

    async fn close(mut self) -> Result<()> {
        self.fixture.albedo()?.stop().await?;
        for resource in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
            self.fixture.kubectl(&["delete", resource, CONFIGURATION]).await?;
        }
        self.secrets.delete(SECRET, &DeleteParams::default()).await?;
        self.fixture.close().await
    }
}

/// From nothing to reviews; a renewal, a lost Secret, configurations that somebody changes, a class that is new.
pub async fn it_looks_after_itself(base: Arc<Base>) -> Result<()> {
    let mut it = Upkeep::open(&base).await?;
    it.fixture.start().await?;
    it.is_reviewed("the webhooks are registered", &it.fixture.scope.class).await?;
    let stored = it.configurations.get(CONFIGURATION).await?;
    let owner = stored.metadata.owner_references.unwrap_or_default();
    ensure!(owner.iter().any(|owner| owner.kind == "ClusterRole" && owner.name == "albedo"), "{owner:?}");

    let began = Instant::now();
    let count = it.applied_all_the_while(it.renew("once")).await?;
    eprintln!("upkeep: {count} applies in {:.0?} of a renewal, none failed", began.elapsed());

    // What is lost is stored again as it is served.
    let before = it.certificate().await?;
    let lost = async {
        it.secrets.delete(SECRET, &DeleteParams::default()).await?;
        eventually("the Secret is there again", SOON, async || Ok((it.certificate().await? == before).then_some(())))
            .await
    };
    it.applied_all_the_while(lost).await?;

    it.configurations.delete(CONFIGURATION, &DeleteParams::default()).await?;
    it.is_reviewed("a configuration that was deleted is there again", &it.fixture.scope.class).await?;
    let emptied = json!({"webhooks": []});
    it.configurations.patch(CONFIGURATION, &PatchParams::default(), &Patch::Merge(&emptied)).await?;
    it.is_reviewed("webhooks that were taken away are there again", &it.fixture.scope.class).await?;

    let other = format!("{}-other", it.fixture.scope.class);
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": other},
        "spec": {"controller": "ingress.k8s.aws/alb"}});
    it.fixture.apply(&[class]).await?;
    it.is_reviewed("Ingresses of a new class are reviewed", &other).await?;
    it.fixture.kubectl(&["delete", "ingressclass", &other]).await?;
    it.close().await
}

/// Twenty renewals, two replicas, and no apply that fails.
pub async fn twenty_renewals_fail_nobody(base: Arc<Base>) -> Result<()> {
    let mut it = Upkeep::open(&base).await?;
    it.fixture.start().await?;
    it.is_reviewed("the webhooks are registered", &it.fixture.scope.class).await?;
    // It shares the certificate, though nobody calls it here: the URL is the first one's.
    let mut second = it.fixture.replica("two")?.start().await?;
    let renewals = async {
        for number in 0..20 {
            it.renew(&number.to_string()).await?;
        }
        Ok(())
    };
    let count = it.applied_all_the_while(renewals).await?;
    eprintln!("upkeep: {count} applies in twenty renewals, none failed");
    second.stop().await?;
    it.close().await
}
