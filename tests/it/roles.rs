//! Admission and the reconciler as processes of their own: `--role=admission` has no credentials, no way to AWS and the rights of the chart alone, and lives by
//! the facts that `--role=controller` publishes.

use std::sync::Arc;

use albedo_testenv::{AUDIT, AUDITED_USER, Clock, Launch, eventually, free_port, http_get};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::install::rendered;
use crate::objects::{rule, service};

/// The user of the role admission, as the chart names it.
const USER: &str = "system:serviceaccount:albedo-system:albedo-admission";
const FACTS: &str = "albedo-facts";

/// A replica that answers reviews, which is the fixture's, and how controllers beside it are started.
struct Roles {
    fixture: Fixture,
    base: Arc<Base>,
}

impl Roles {
    /// Nothing is started yet.
    async fn open(base: &Arc<Base>, name: &str) -> Result<Self> {
        let mut fixture = Fixture::open(base, name).await?;
        grant(&fixture).await?;
        base.test_env.plane().grant_lease(&fixture.scope.namespace, &fixture.scope.lease).await?;
        let place = format!("--facts-config-map={}/{FACTS}", fixture.scope.namespace);
        fixture.flags(&[&place, "--enable-leader-election=true"]);
        Ok(Self { fixture, base: Arc::clone(base) })
    }

    /// A controller, with credentials.
    fn controller(&self, name: &str) -> Result<Launch> {
        let launch = self.fixture.replica(name)?;
        let given = |launch: &Launch, flag: &str| launch.value(flag).is_some();
        let place = [("aws-region", &self.fixture.scope.region), ("aws-vpc-id", &self.fixture.scope.world.vpc_id)];
        let missing: Vec<String> = place
            .into_iter()
            .filter(|(flag, _)| !given(&launch, flag))
            .map(|(flag, value)| format!("--{flag}={value}"))
            .collect();
        Ok(missing.into_iter().fold(launch.arg("--role=controller"), Launch::arg))
    }

    /// From here on the fixture's replica answers reviews alone, without AWS.
    async fn admission(&mut self) -> Result<()> {
        let kubeconfig = self.base.test_env.plane().kubeconfig_for(USER, None)?;
        let launch = &mut self.fixture.launch;
        launch.args.retain(|arg| !arg.to_string_lossy().starts_with("--aws-"));
        launch.args.push("--role=admission".into());
        launch.env.retain(|(name, _)| !name.starts_with("AWS_") && name != "KUBECONFIG");
        launch.env.push(("KUBECONFIG".to_owned(), kubeconfig.into()));
        // Whoever looks for credentials would be seen to wait.
        launch.env.push(("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", free_port()?).into()));
        self.fixture.start().await?;
        self.fixture.register().await
    }

    fn with_certificate(&self, name: &str, arn: &str) -> Value {
        let pairs = [("certificate-arn", arn), ("scheme", "internal")];
        self.fixture.ingress(name, &pairs, &json!([rule(None, &[("/", "Prefix", "web", 80)])]))
    }

    /// What kubectl says of an Ingress, and whether it was stored.
    async fn said(&self, ingress: Value) -> Result<(bool, String)> {
        let out = self.fixture.try_apply(&[ingress], &[]).await?;
        Ok((out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned()))
    }

    async fn is_refused(&self, name: &str, arn: &str) -> Result<()> {
        let (stored, said) = self.said(self.with_certificate(name, arn)).await?;
        ensure!(!stored && said.contains("ALB204"), "{name} was not refused: {said}\n{}", tail(&self.fixture.log()));
        Ok(())
    }

    async fn is_admitted(&self, name: &str, arn: &str) -> Result<()> {
        let (stored, said) = self.said(self.with_certificate(name, arn)).await?;
        ensure!(stored, "{name} was refused: {said}\n{}", tail(&self.fixture.log()));
        Ok(())
    }

    async fn certificate(&self, domain: &str) -> Result<String> {
        self.fixture.scope.emulator().certificate(&self.fixture.scope.region, &[domain]).await
    }

    async fn map(&self, name: &str) -> Result<ConfigMap> {
        self.fixture.scope.api::<ConfigMap>().get(name).await.with_context(|| format!("reading {name}"))
    }

    async fn index(&self) -> Result<Value> {
        let map = self.map(FACTS).await?;
        let text = map.data.and_then(|mut data| data.remove("index.json")).context("no index")?;
        serde_json::from_str(&text).context(text)
    }

    async fn write_index(&self, text: &str) -> Result<()> {
        let patch = json!({"data": {"index.json": text}}).to_string();
        self.fixture.kubectl(&["patch", "configmap", FACTS, "--type=merge", "-p", &patch]).await.map(drop)
    }

    async fn logs(&self, words: &str) -> Result<()> {
        eventually(&format!("the log has {words:?}"), SOON, async || {
            Ok(self.fixture.log().contains(words).then_some(()))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))
    }

    /// Waits until the replica has facts.
    async fn has_facts(&self) -> Result<()> {
        eventually("facts are there", SOON, async || {
            Ok(self.metric("albedo_facts_age_seconds{kind=\"certificates\"}").await?.map(drop))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))
    }

    /// The value of a sample of the replica that answers reviews.
    async fn metric(&self, sample: &str) -> Result<Option<f64>> {
        let (_, body) = http_get(&format!("http://{}/metrics", self.fixture.flag("metrics-bind-addr")?)).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok());
        Ok(value)
    }
}

/// Nothing was asked for that the chart does not grant.
fn nothing_was_forbidden(log: &str) -> Result<()> {
    let forbidden: Vec<&str> =
        log.lines().filter(|line| line.contains("is forbidden") || line.contains("not allowed")).collect();
    ensure!(forbidden.is_empty(), "{forbidden:?}");
    Ok(())
}

/// A certificate that AWS never had.
fn wrong(fixture: &Fixture) -> String {
    format!("arn:aws:acm:{}:123456789012:certificate/00000000-0000-4000-8000-000000000000", fixture.scope.region)
}

/// The rights that the chart gives both roles if they are separate; those in the namespace of the release, in that of the test.
async fn grant(fixture: &Fixture) -> Result<()> {
    let text = rendered("albedo-system", &["--set", "clusterName=test", "--set", "admission.separate=true"]).await?;
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).context("what helm renders")?;
    let mut granted = Vec::new();
    for mut object in all {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        match object["kind"].as_str() {
            Some("ClusterRole" | "ClusterRoleBinding") if name == "albedo-admission" => granted.push(object),
            Some("Role" | "RoleBinding") if name.starts_with(FACTS) => {
                object["metadata"]["namespace"] = json!(fixture.scope.namespace);
                granted.push(object);
            }
            _ => {}
        }
    }
    ensure!(granted.len() == 6, "the chart grants {granted:?}");
    fixture.apply(&granted).await
}

/// A replica without credentials refuses what is wrong in AWS and admits what is right, whoever leads and while nobody does.
pub async fn a_replica_without_aws_lives_by_published_facts(base: Arc<Base>) -> Result<()> {
    let mut roles = Roles::open(&base, "roles").await?;
    let right = roles.certificate("a.example.com").await?;
    let wrong = wrong(&roles.fixture);
    let (first, second) = (roles.controller("one")?, roles.controller("two")?);

    // Before anything is published nothing is refused for AWS, and mistakes are.
    roles.admission().await?;
    let (stored, said) = roles.said(roles.fixture.ingress("bad", &[("target-type", "pod")], &json!([]))).await?;
    ensure!(!stored && said.contains("ALB003"), "{said}");
    roles.fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    roles.is_admitted("early", &wrong).await?;
    roles.fixture.kubectl(&["delete", "ingress", "early", "--wait=false"]).await?;
    roles.logs("no facts of the account are published").await?;

    let mut leader = first.start().await?;
    let port = first.value("webhook-bind-port").context("no port")?;
    ensure!(tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err(), "a controller answers reviews");
    roles.has_facts().await?;
    roles.is_refused("wrong", &wrong).await?;
    roles.is_admitted("right", &right).await?;
    roles.fixture.hostname("right").await.with_context(|| tail(&leader.log()))?;

    // What was made a moment ago is there: the leader is asked, and its answer comes in time.
    let made = roles.certificate("b.example.com").await?;
    roles.is_admitted("moment", &made).await?;

    // Facts that are read again and have not changed are not stored again. Before that, what the controller has made is read.
    roles.fixture.hostname("moment").await.with_context(|| tail(&leader.log()))?;
    first.quiet(roles.fixture.scope.emulator(), SOON).await?;
    roles.is_refused("settled", &wrong).await?;
    let part = roles.map(&format!("{FACTS}-1")).await?.resource_version();
    let before = roles.index().await?;
    for name in ["again", "and-again"] {
        roles.is_refused(name, &wrong).await?;
    }
    let after = roles.index().await?;
    ensure!(before["answered"].as_u64() < after["answered"].as_u64(), "{before} {after}");
    ensure!(before["readAt"] != after["readAt"] && before["digest"] == after["digest"], "{before} {after}");
    ensure!(roles.map(&format!("{FACTS}-1")).await?.resource_version() == part, "unchanged facts were written");

    // The leader dies: what it published goes on being true until another one leads.
    leader.kill().await?;
    roles.is_refused("orphan", &wrong).await?;
    roles.is_admitted("still", &right).await?;
    let mut leader = second.start().await?;
    eventually("another one leads", SOON, async || Ok(leader.log().contains("this replica writes now").then_some(())))
        .await?;
    let made = roles.certificate("c.example.com").await?;
    roles.is_admitted("successor", &made).await?;
    roles.fixture.hostname("successor").await.with_context(|| tail(&leader.log()))?;

    let calls = roles.fixture.scope.emulator().calls(&roles.fixture.scope.region).await?;
    let callers: std::collections::BTreeSet<String> = calls.into_iter().map(|call| call.caller).collect();
    ensure!(callers.contains("one") && callers.contains("two"), "{callers:?}");
    let log = roles.fixture.log();
    nothing_was_forbidden(&log)?;
    nothing_was_forbidden(&leader.log())?;
    for name in ["right", "moment", "still", "successor"] {
        roles.fixture.kubectl(&["delete", "ingress", name, "--timeout=60s"]).await?;
    }
    ensure!(leader.stop().await?.success(), "the controller did not end well");
    roles.fixture.close().await
}

/// What cannot be read, or does not fit together, is logged, and what was known stays. The next leader puts it right.
pub async fn damaged_facts_are_not_believed(base: Arc<Base>) -> Result<()> {
    let mut roles = Roles::open(&base, "damaged").await?;
    let (right, wrong) = (roles.certificate("a.example.com").await?, wrong(&roles.fixture));
    let controller = roles.controller("one")?;
    let mut leader = controller.start().await?;
    roles.fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    roles.admission().await?;
    roles.has_facts().await?;
    ensure!(leader.stop().await?.success(), "the controller did not end well");

    let good = roles.index().await?;
    let with = |member: &str, value: Value| {
        let mut index = good.clone();
        index[member] = value;
        index.to_string()
    };
    for (text, told) in [
        ("{".to_owned(), "index.json cannot be decoded"),
        (with("form", json!(99)), "the facts have form 99"),
        (with("digest", json!("ff")), "the parts are not those of the index"),
        (with("readAt", json!({})), "the content cannot be decoded"),
    ] {
        roles.write_index(&text).await?;
        roles.logs(told).await?;
        roles.is_refused("wrong", &wrong).await?;
        roles.is_admitted("right", &right).await?;
    }
    // A part whose bytes are others than its digest says.
    let patch = json!({"data": {"digest": "ff"}, "binaryData": {"facts.json.gz": "Zm9yZ2Vk"}}).to_string();
    roles.fixture.kubectl(&["patch", "configmap", &format!("{FACTS}-1"), "--type=merge", "-p", &patch]).await?;
    roles.write_index(&with("digest", json!("ff"))).await?;
    roles.logs("the parts cannot be unpacked").await?;
    roles.is_refused("wrong", &wrong).await?;

    // Times of another clock make nothing young for ever, and the next leader writes all of it anew.
    let mut leader = controller.start().await?;
    eventually("the index is right again", SOON, async || {
        Ok((roles.index().await?["digest"] == good["digest"]).then_some(()))
    })
    .await
    .with_context(|| tail(&leader.log()))?;
    let made = roles.certificate("b.example.com").await?;
    roles.is_admitted("moment", &made).await?;
    for name in ["right", "moment"] {
        roles.fixture.kubectl(&["delete", "ingress", name, "--timeout=60s"]).await?;
    }
    ensure!(leader.stop().await?.success(), "the controller did not end well");
    roles.fixture.close().await
}

/// AWS cannot be reached for an hour: facts of an hour ago only warn, with their age, and everything else is decided as before.
pub async fn an_hour_without_aws(base: Arc<Base>) -> Result<()> {
    let mut roles = Roles::open(&base, "hour").await?;
    let (right, wrong) = (roles.certificate("a.example.com").await?, wrong(&roles.fixture));
    let mut controller = roles.controller("one")?;
    let mut leader = controller.start().await?;
    roles.fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let dir = base.dir().join("hour");
    std::fs::create_dir_all(&dir)?;
    let clock = Clock::give(&mut roles.fixture.launch, &dir).await?;
    roles.admission().await?;
    roles.has_facts().await?;
    roles.is_refused("wrong", &wrong).await?;
    ensure!(leader.stop().await?.success(), "the controller did not end well");

    // A leader that never reached AWS keeps what was published, and tells what it cannot read.
    let before = roles.index().await?;
    let nowhere = format!("http://127.0.0.1:{}", free_port()?);
    controller.env.push(("AWS_ENDPOINT_URL".to_owned(), nowhere.into()));
    let mut leader = controller.start().await?;
    eventually("the leader tells that it reads nothing", SOON, async || {
        Ok((!roles.index().await?["failing"].as_array().is_none_or(Vec::is_empty)).then_some(()))
    })
    .await
    .with_context(|| tail(&leader.log()))?;
    let after = roles.index().await?;
    ensure!(before["digest"] == after["digest"] && before["readAt"] == after["readAt"], "{before}\n{after}");
    eventually("the metric tells it", SOON, async || {
        let failing = roles.metric("albedo_facts_failing{kind=\"certificates\"}").await?;
        Ok(failing.filter(|value| *value > 0.5).map(drop))
    })
    .await?;

    clock.set("+1h")?;
    let age = roles.metric("albedo_facts_age_seconds{kind=\"certificates\"}").await?.context("no age")?;
    ensure!(age >= 3600.0, "facts are {age} s old");
    let (stored, said) = roles.said(roles.with_certificate("wrong", &wrong)).await?;
    ensure!(stored && said.contains("Warning: ALB204"), "{stored}: {said}");
    roles.is_admitted("right", &right).await?;
    let (stored, said) = roles.said(roles.fixture.ingress("bad", &[("target-type", "pod")], &json!([]))).await?;
    ensure!(!stored && said.contains("ALB003"), "{said}");
    leader.kill().await?;
    for name in ["right", "wrong"] {
        let patch = json!({"metadata": {"finalizers": null}}).to_string();
        roles.fixture.kubectl(&["patch", "ingress", name, "--type=merge", "-p", &patch]).await?;
    }
    roles.fixture.close().await
}

/// The audit log of the API server has what decided each review, of both webhooks, whether the object was admitted or not.
pub async fn the_audit_log_tells_what_decided(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "audited", &[]).await?;
    let plane = base.test_env.plane();
    let kubeconfig = plane.kubeconfig_for(AUDITED_USER, Some("system:masters"))?.to_string_lossy().into_owned();
    let apply = async |name: &str, pairs: &[(&str, &str)]| -> Result<bool> {
        let object = fixture.ingress(name, pairs, &json!([rule(None, &[("/", "Prefix", "web", 80)])]));
        let file = fixture.write(&format!("{name}.json"), &object.to_string())?.to_string_lossy().into_owned();
        let args = ["--kubeconfig", &kubeconfig, "--namespace", &fixture.scope.namespace, "create", "-f", &file];
        Ok(plane.kubectl(args).await?.status.success())
    };
    let wrong = wrong(&fixture);
    // A replica is ready before it has read the account.
    let metrics = format!("http://{}/metrics", fixture.flag("metrics-bind-addr")?);
    eventually("facts are there", SOON, async || {
        let (_, body) = http_get(&metrics).await?;
        let sample = "albedo_facts_age_seconds{kind=\"certificates\"}";
        Ok(String::from_utf8_lossy(&body).contains(sample).then_some(()))
    })
    .await?;
    ensure!(apply("good", &[]).await?, "a good Ingress was refused");
    ensure!(!apply("typo", &[("no-such-key", "x"), ("target-type", "pod")]).await?, "a typo was admitted");
    ensure!(!apply("lost", &[("certificate-arn", &wrong)]).await?, "a wrong ARN was admitted");

    let log = std::fs::read_to_string(base.test_env.dir().join(AUDIT))?;
    let events: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |name: &str| -> Result<Vec<(String, String)>> {
        let is_it = |event: &&Value| {
            event.pointer("/user/username") == Some(&json!(AUDITED_USER))
                && event.pointer("/objectRef/name") == Some(&json!(name))
                && event.pointer("/objectRef/namespace") == Some(&json!(fixture.scope.namespace))
                && event["verb"] == json!("create")
        };
        let event = events.iter().find(is_it).with_context(|| format!("no event of {name}"))?;
        let annotations = event["annotations"].as_object().context("no annotations")?.iter();
        Ok(annotations.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
    };
    let has = |name: &str, webhook: &str, key: &str, is: &dyn Fn(&str) -> bool| -> Result<()> {
        let all = of(name)?;
        let found = all.iter().find(|(one, _)| one.starts_with(webhook) && one.ends_with(&format!("/{key}")));
        ensure!(found.is_some_and(|(_, value)| is(value)), "{name}: {webhook} {key}: {all:?}");
        Ok(())
    };
    let is_number = |value: &str| value.parse::<u64>().is_ok();
    for name in ["good", "typo", "lost"] {
        for webhook in ["m", "v"] {
            has(name, webhook, "milliseconds", &is_number)?;
            has(name, webhook, "mode", &|mode| mode == "enforce")?;
            has(name, webhook, "facts-age-seconds", &is_number)?;
        }
        has(name, "m", "defaults", &|list| list.contains("scheme"))?;
    }
    has("typo", "v", "denied-by", &|codes| codes == "ALB001,ALB003")?;
    has("typo", "v", "facts-used", &|used| used == "false")?;
    has("lost", "v", "denied-by", &|codes| codes == "ALB204")?;
    has("lost", "v", "facts-used", &|used| used == "true")?;
    ensure!(!of("good")?.iter().any(|(key, _)| key.ends_with("/denied-by")), "{:?}", of("good")?);
    fixture.kubectl(&["delete", "ingress", "good", "--timeout=60s"]).await?;
    fixture.close().await
}
