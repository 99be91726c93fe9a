//! What is not to be seen for a while is not gone: no class, no CRD, no permission and no API server, before and after a restart,
//! and nothing in AWS is written. When it is there again, an edit works.

use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::{Gate, Signal, eventually, shipped_objects};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::adoption::Adoption;
use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::rule;

/// So short that everything is compared with AWS while something is missing, and long enough to find it at rest.
const SYNC: &str = "--sync-period=8s";
/// How long etcd stands still.
const STALL: Duration = Duration::from_secs(8);
type Path = (&'static str, &'static str, &'static str, u16);
const API: Path = ("/api", "Prefix", "api", 8000);
const WEB: Path = ("/", "Prefix", "web", 80);
const ABOUT: Path = ("/about", "Exact", "web", 80);

/// A fixture on which one Ingress has its load balancer.
struct Shop {
    fixture: Fixture,
    annotations: Vec<(&'static str, String)>,
    /// How much of its log is of an earlier start.
    earlier: usize,
}

impl Shop {
    async fn open(mut fixture: Fixture, annotations: Vec<(&'static str, String)>) -> Result<Self> {
        fixture.flags(&[SYNC]);
        fixture.start().await?;
        fixture.backends("ClusterIP").await?;
        let shop = Self { fixture, annotations, earlier: 0 };
        shop.apply(&[API, WEB]).await?;
        shop.fixture.hostname("shop").await?;
        shop.fixture.quiet().await?;
        Ok(shop)
    }

    async fn apply(&self, paths: &[Path]) -> Result<()> {
        let pairs: Vec<(&str, &str)> = self.annotations.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let pairs = [&[("target-type", "ip")], &*pairs].concat();
        self.fixture.apply(&[self.fixture.ingress("shop", &pairs, &json!([rule(None, paths)]))]).await
    }

    async fn picture(&self) -> Result<String> {
        Ok(self.fixture.state().await?.picture(&self.fixture.scope.world))
    }

    /// Nothing in AWS was written since then.
    async fn unwritten(&self, mark: u64, when: &str) -> Result<()> {
        let writes = self.fixture.writes_since(mark).await?;
        ensure!(writes.is_empty(), "{when}: albedo wrote {writes:?}\n{}", tail(&self.fixture.log()));
        Ok(())
    }

    /// Waits until its log says so since it was started.
    async fn says(&self, text: &str) -> Result<()> {
        said(text, || later(self.fixture.log(), self.earlier)).await
    }

    /// Kills Albedo and starts it where it cannot become ready.
    async fn restart_unready(&mut self) -> Result<()> {
        self.earlier = self.fixture.log().len();
        self.fixture.albedo()?.kill().await?;
        self.fixture.start_unready()
    }

    /// A path more makes a rule more, and nothing else is changed but the order.
    async fn edit_works(&self) -> Result<()> {
        let mark = self.fixture.mark().await?;
        self.apply(&[API, WEB, ABOUT]).await?;
        eventually("the new path has its rule", SOON, async || {
            Ok(self.picture().await?.contains("path /about").then_some(()))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))?;
        self.fixture.quiet().await?;
        let mut calls: Vec<String> =
            self.fixture.writes_since(mark).await?.into_iter().map(|call| call.operation).collect();
        calls.sort();
        calls.dedup();
        ensure!(calls == ["AddTags", "CreateRule", "SetRulePriorities"], "the edit wrote {calls:?}");
        Ok(())
    }
}

/// A log without what was there before.
pub fn later(mut log: String, earlier: usize) -> String {
    log.split_off(earlier.min(log.len()))
}

async fn said(text: &str, log: impl Fn() -> String) -> Result<()> {
    eventually(&format!("albedo says {text:?}"), SOON, async || Ok(log().contains(text).then_some(())))
        .await
        .with_context(|| tail(&log()))
}

pub async fn a_class_that_is_gone(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(Fixture::open(&base, "no-class").await?, Vec::new()).await?;
    let (before, class) = (shop.picture().await?, shop.fixture.scope.class.clone());
    let mark = shop.fixture.mark().await?;
    shop.fixture.kubectl(&["delete", "ingressclass", &class]).await?;
    shop.fixture.event("shop", "FailedLoadGroupID", &class).await?;
    // What is edited meanwhile waits.
    shop.apply(&[API]).await?;
    shop.fixture.quiet().await?;
    shop.fixture.albedo()?.kill().await?;
    shop.fixture.start().await?;
    shop.fixture.quiet().await?;
    shop.unwritten(mark, "without its class").await?;
    shop.apply(&[API, WEB]).await?;
    shop.fixture.make_class().await?;
    shop.fixture.looked_at(mark).await?;
    shop.fixture.quiet().await?;
    shop.unwritten(mark, "with its class again").await?;
    ensure!(shop.picture().await? == before, "AWS holds\n{}", shop.picture().await?);
    shop.edit_works().await?;
    shop.fixture.close().await
}

/// What Albedo may do, as it is shipped, for a user of a test's.
struct Permissions {
    name: String,
    namespace: String,
    rules: Vec<Value>,
}

impl Permissions {
    fn new(fixture: &Fixture) -> Result<Self> {
        let role = shipped_objects("ClusterRole")?.into_iter().next().context("no ClusterRole")?;
        let rules = role["rules"].as_array().context("a ClusterRole without rules")?.clone();
        Ok(Self { name: format!("albedo-{}", fixture.scope.id), namespace: fixture.scope.namespace.clone(), rules })
    }

    fn objects(&self, verbs_of_all: bool) -> Vec<Value> {
        let rbac = "rbac.authorization.k8s.io";
        let object = |kind: &str, more: Value| {
            let mut object = json!({"apiVersion": format!("{rbac}/v1"), "kind": kind, "metadata": {"name": self.name}});
            if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
                object.extend(more);
            }
            object
        };
        let is_kept = |rule: &&Value| {
            verbs_of_all
                || !["ingresses", "services"]
                    .iter()
                    .any(|kind| rule["resources"].as_array().is_some_and(|all| all.contains(&json!(kind))))
        };
        let rules: Vec<&Value> = self.rules.iter().filter(is_kept).collect();
        let secrets = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": if verbs_of_all { json!(["get"]) } else { json!(["create"]) }}]);
        let to = json!([{"kind": "User", "name": self.name, "apiGroup": rbac}]);
        let bound =
            |kind: &str| json!({"roleRef": {"apiGroup": rbac, "kind": kind, "name": self.name}, "subjects": to});
        vec![
            object("ClusterRole", json!({"rules": rules})),
            object("ClusterRoleBinding", bound("ClusterRole")),
            object("Role", json!({"rules": secrets})),
            object("RoleBinding", bound("Role")),
        ]
    }

    /// Grants what is shipped and `get` on Secrets of the namespace, or takes Ingresses, Services and Secrets away.
    async fn grant(&self, fixture: &Fixture, all: bool) -> Result<()> {
        fixture.apply(&self.objects(all)).await?;
        for (kind, verb) in [("ingresses.networking.k8s.io", "list"), ("services", "list"), ("secrets", "get")] {
            let answer = if all { "yes" } else { "no" };
            eventually(&format!("{verb} {kind}: {answer}"), SOON, async || {
                let ask = ["auth", "can-i", verb, kind, "--as", &self.name, "--namespace", &self.namespace];
                let out = fixture.try_kubectl(&ask).await?;
                Ok(String::from_utf8_lossy(&out.stdout).lines().any(|line| line == answer).then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

pub async fn permissions_that_are_gone(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "no-rights").await?;
    let rights = Permissions::new(&fixture)?;
    rights.grant(&fixture, true).await?;
    let gate: Gate = fixture.gate_as(base.test_env.plane().client_for(&rights.name).await?).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "oidc"},
        "stringData": {"clientID": "shop", "clientSecret": "hush"}});
    fixture.apply(&[secret]).await?;
    let certificate = fixture.scope.emulator().certificate(&fixture.scope.region, &["shop.example.com"]).await?;
    let place = |what: &str| format!("https://id.example.com/{what}");
    let oidc = json!({"issuer": "https://id.example.com", "authorizationEndpoint": place("a"), "tokenEndpoint": place("t"),
        "userInfoEndpoint": place("u"), "secretName": "oidc"});
    let annotations = vec![
        ("listen-ports", r#"[{"HTTPS": 443}]"#.to_owned()),
        ("certificate-arn", certificate),
        ("auth-type", "oidc".to_owned()),
        ("auth-idp-oidc", oidc.to_string()),
    ];
    let mut shop = Shop::open(fixture, annotations).await?;
    let (before, mark) = (shop.picture().await?, shop.fixture.mark().await?);

    rights.grant(&shop.fixture, false).await?;
    gate.cut();
    for kind in ["ingresses.networking.k8s.io", "services"] {
        shop.says(&format!("cannot watch {kind}: ")).await?;
    }
    shop.says("grant get on this Secret").await?;
    // It is the only member: with nothing to go by the group stays as it is, and is looked at now and then.
    shop.fixture.event("shop", "FailedBuildModel", "oidc").await?;
    shop.unwritten(mark, "without permissions").await?;
    shop.restart_unready().await?;
    for kind in ["ingresses.networking.k8s.io", "services"] {
        shop.says(&format!("cannot watch {kind}: ")).await?;
    }
    shop.unwritten(mark, "started without permissions").await?;

    rights.grant(&shop.fixture, true).await?;
    shop.fixture.albedo()?.ready().await?;
    shop.fixture.quiet().await?;
    shop.unwritten(mark, "with permissions again").await?;
    ensure!(shop.picture().await? == before, "AWS holds\n{}", shop.picture().await?);
    shop.edit_works().await?;
    for (kind, name) in [("clusterrole", &rights.name), ("clusterrolebinding", &rights.name)] {
        shop.fixture.kubectl(&["delete", kind, name]).await?;
    }
    shop.fixture.close().await
}

/// A cluster of the predecessor's, taken over, looked at all the time.
async fn cluster(base: &Arc<Base>, world: &str, name: &str) -> Result<Adoption> {
    let mut adoption = Adoption::open_as(base, world, name).await?;
    adoption.launch.args.push("--sync-period=15s".into());
    let writes = adoption.start(true).await?;
    ensure!(writes.is_empty(), "albedo wrote {writes:?}");
    Ok(adoption)
}

impl Adoption {
    async fn says(&self, text: &str) -> Result<()> {
        said(text, || self.log()).await
    }

    /// What is in AWS was not written to.
    fn unwritten(&self, when: &str) -> Result<()> {
        let writes: Vec<String> = self.writes().into_iter().filter(|write| write.starts_with("AWS")).collect();
        ensure!(writes.is_empty(), "{when}: albedo wrote {writes:?}\n{}", self.tail());
        Ok(())
    }

    /// An edit writes what it needs, and is seen in no other place.
    async fn edit_works(&self) -> Result<()> {
        let ingress = self.lonely().await?;
        self.gate.reset();
        self.annotate(&ingress, "healthcheck-path", Some("/edited")).await?;
        eventually("the edit is in AWS", SOON, async || Ok((!self.writes().is_empty()).then_some(()))).await?;
        let writes = self.rest().await?;
        ensure!(
            writes.iter().all(|write| write == "AWS ModifyTargetGroup"),
            "the edit of {ingress:?} wrote {writes:?}"
        );
        Ok(())
    }

    /// All objects of a kind, as they are applied again.
    async fn saved(&self, kind: &str) -> Result<Value> {
        let all = self.frozen.plane.kubectl_ok(["get", kind, "--all-namespaces", "-o", "json"]).await?;
        let mut all: Value = serde_json::from_str(&all)?;
        for object in all["items"].as_array_mut().into_iter().flatten() {
            for field in ["resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"] {
                object["metadata"].as_object_mut().map(|meta| meta.remove(field));
            }
        }
        Ok(all)
    }
}

pub async fn the_crd_of_parameters_that_is_gone(base: Arc<Base>) -> Result<()> {
    const CRD: &str = "ingressclassparams.elbv2.k8s.aws";
    let mut adoption = cluster(&base, "5", "no-params").await?;
    let parameters = adoption.saved("ingressclassparams").await?;
    ensure!(parameters["items"].as_array().is_some_and(|all| all.len() > 5), "{parameters}");
    adoption.gate.reset();
    adoption.frozen.plane.kubectl_ok(["delete", "crd", CRD]).await?;
    adoption.says(&format!("cannot watch {CRD}: ")).await?;
    adoption.rest().await?;
    adoption.unwritten("without the CRD")?;
    adoption.restart_unready().await?;
    adoption.says(&format!("cannot watch {CRD}: ")).await?;
    adoption.unwritten("started without the CRD")?;

    adoption.install_crds().await?;
    // None is there yet, and each class says which one it needs.
    adoption.ready().await?;
    adoption.rest().await?;
    adoption.unwritten("with the CRD and without parameters")?;
    adoption.apply("parameters.json", &parameters).await?;
    adoption.rest().await?;
    adoption.unwritten("with everything again")?;
    adoption.edit_works().await?;
    adoption.close().await
}

pub async fn the_crd_of_bindings_that_is_gone(base: Arc<Base>) -> Result<()> {
    const CRD: &str = "targetgroupbindings.elbv2.k8s.aws";
    for (name, restarts) in [("no-bindings", false), ("no-bindings-restart", true)] {
        let mut adoption = cluster(&base, "edited", name).await?;
        adoption.gate.reset();
        adoption.frozen.plane.kubectl_ok(["delete", "crd", CRD, "--timeout=60s"]).await?;
        adoption.says(&format!("cannot watch {CRD}: ")).await?;
        adoption.says("a pass failed").await?;
        adoption.unwritten("without the CRD")?;
        if restarts {
            adoption.restart_unready().await?;
            adoption.says(&format!("cannot watch {CRD}: ")).await?;
            adoption.unwritten("started without the CRD")?;
        }
        adoption.install_crds().await?;
        adoption.ready().await?;
        let wanted = adoption.frozen.label.counts.bindings;
        eventually("every binding is there again", SOON, async || {
            let bindings = adoption.saved("targetgroupbindings").await?;
            let there = bindings["items"].as_array().map_or(0, Vec::len);
            ensure!(there == wanted, "{there} of {wanted}");
            Ok(Some(()))
        })
        .await
        .with_context(|| adoption.tail())?;
        adoption.rest().await?;
        adoption.unwritten("with the CRD again")?;
        adoption.edit_works().await?;
        adoption.close().await?;
    }
    Ok(())
}

pub async fn an_api_server_that_is_gone(base: Arc<Base>) -> Result<()> {
    let mut adoption = cluster(&base, "edited", "no-api-server").await?;
    adoption.gate.reset();
    adoption.frozen.plane.apiserver().kill().await?;
    adoption.says("cannot watch ingresses.networking.k8s.io: ").await?;
    adoption.unwritten("without the API server")?;
    adoption.frozen.plane.restart_apiserver().await?;
    adoption.says("watched again").await?;
    adoption.rest().await?;
    adoption.unwritten("with the API server again")?;

    adoption.frozen.plane.apiserver().kill().await?;
    adoption.restart_unready().await?;
    adoption.says("cannot watch ingresses.networking.k8s.io: ").await?;
    adoption.unwritten("started without the API server")?;
    adoption.frozen.plane.restart_apiserver().await?;
    adoption.ready().await?;
    adoption.rest().await?;
    adoption.unwritten("started, and with the API server again")?;

    // The API server is there, and what it stands on answers nothing for longer than a request is waited for.
    adoption.frozen.plane.etcd().signal(Signal::STOP)?;
    tokio::time::sleep(STALL).await;
    adoption.frozen.plane.etcd().signal(Signal::CONT)?;
    adoption.ready().await?;
    adoption.rest().await?;
    adoption.unwritten("with etcd again")?;
    adoption.edit_works().await?;
    adoption.close().await
}
