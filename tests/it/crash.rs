//! What a crash leaves behind and a lost answer hides: the next start finds it, and AWS holds what it holds without a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_ground::{Call, State, eventually, http_get};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::names;
use crate::objects::{deployment, rule, service};
use crate::stage::{SOON, Stage, tail};

/// The start of every call that makes something, as it is on the wire.
const CREATE: &str = "Action=Create";

/// A stage on which the same Ingress comes and goes. Its names depend on nothing that changes between two times.
struct Shop {
    stage: Stage,
}

impl Shop {
    /// The Services and their pods are there, Albedo runs, the Ingress is not there yet.
    async fn open(base: &Arc<Base>, name: &str, flags: &[&str]) -> Result<Self> {
        let mut stage = Stage::open(base, name).await?;
        stage.flags(flags);
        stage.start().await?;
        let backends = [
            deployment("web", 2, 8080),
            service("web", "ClusterIP", 80, 8080),
            deployment("api", 1, 9090),
            service("api", "ClusterIP", 8000, 9090),
        ];
        stage.apply(&backends).await?;
        stage.kubectl(&["rollout", "status", "deployment", "web", "api", "--timeout=60s"]).await?;
        Ok(Self { stage })
    }

    async fn apply(&self) -> Result<()> {
        let paths = [("/api", "Prefix", "api", 8000), ("/", "Prefix", "web", 80)];
        let annotations = [("scheme", "internet-facing"), ("target-type", "ip")];
        self.stage.apply(&[self.stage.ingress("shop", &annotations, &json!([rule(None, &paths)]))]).await
    }

    async fn delete(&self) -> Result<()> {
        self.stage.kubectl(&["delete", "ingress", "shop", "--timeout=60s"]).await?;
        self.stage.quiet().await?;
        let left = self.stage.state().await?.picture(&self.stage.scope.world);
        ensure!(left.is_empty(), "AWS still holds\n{left}");
        Ok(())
    }

    /// Faults from now on, in place of those before.
    async fn faults(&self, rules: &Value) -> Result<()> {
        self.stage.scope.emulator().faults(&self.stage.scope.region, rules).await
    }

    /// Waits until one of the faults has struck.
    async fn struck(&self) -> Result<()> {
        let url =
            format!("{}/albedo/faults?region={}", self.stage.scope.emulator().endpoint(), self.stage.scope.region);
        let struck = eventually("a fault strikes", SOON, async || {
            let (_, body) = http_get(&url).await?;
            let rules: Vec<Value> = serde_json::from_slice(&body)?;
            let struck = rules.iter().filter_map(|rule| rule.get("struck")?.as_u64()).sum::<u64>();
            Ok((struck > 0).then_some(()))
        });
        struck.await.with_context(|| tail(&self.stage.log()))
    }

    /// The calls since then that made something and said so.
    async fn creations(&self, mark: u64) -> Result<Vec<String>> {
        let made = |call: &Call| call.operation.starts_with("Create") && call.error.is_none();
        Ok(self.stage.writes_since(mark).await?.into_iter().filter(made).map(|call| call.operation).collect())
    }

    /// A run without any trouble: what AWS holds then, and what was called to make it. Nothing of it is left.
    async fn without_trouble(&self) -> Result<(String, Vec<String>)> {
        let mark = self.stage.mark().await?;
        self.apply().await?;
        self.stage.hostname("shop").await?;
        self.stage.quiet().await?;
        let (held, made) = (self.sound().await?, self.creations(mark).await?);
        self.delete().await?;
        Ok((held, made))
    }

    /// Waits until there is what there was without trouble, and nothing happens any more.
    async fn recovers(&self, what: &str, wanted: &str) -> Result<()> {
        self.stage.hostname("shop").await.with_context(|| what.to_owned())?;
        let alike = eventually("AWS holds what it held without trouble", SOON, async || {
            let held = self.sound().await?;
            ensure!(held == wanted, "AWS holds\n{held}\nand should hold\n{wanted}");
            Ok(Some(()))
        });
        alike.await.with_context(|| format!("{what}\n{}", tail(&self.stage.log())))?;
        self.stage.quiet().await?;
        let held = self.sound().await?;
        ensure!(held == wanted, "{what}: in the end AWS holds\n{held}\nand should hold\n{wanted}");
        Ok(())
    }

    /// What AWS holds, as a text that is the same for another load balancer of the same Ingress. There is one of each.
    async fn sound(&self) -> Result<String> {
        let (scope, state) = (&self.stage.scope, self.stage.state().await?);
        ensure!(state.load_balancers.len() == 1, "{} load balancers", state.load_balancers.len());
        let own = names::tags(&scope.cluster, &format!("{}/shop", scope.namespace), "ManagedLBSecurityGroup");
        let managed = state.security_groups.iter().filter(|sg| sg.tags == own).count();
        let shared = names::backend_security_group(&scope.cluster);
        let shared = state.security_groups.iter().filter(|sg| sg.name == shared).count();
        ensure!((managed, shared) == (1, 1), "{managed} managed and {shared} shared security groups");
        self.bound(&state).await?;
        Ok(format!("{}{}", state.picture(&scope.world), tags(&state)))
    }

    /// One target group a resource id, each with its targets, and one binding a target group.
    async fn bound(&self, state: &State) -> Result<()> {
        let mut resources: Vec<_> =
            state.target_groups.iter().map(|tg| tg.tags.get("ingress.k8s.aws/resource")).collect();
        resources.sort();
        let count = resources.len();
        resources.dedup();
        ensure!(count == 2 && resources.len() == 2, "{count} target groups for {resources:?}");
        let mut targets: Vec<usize> = state.target_groups.iter().map(|tg| tg.targets.len()).collect();
        targets.sort_unstable();
        ensure!(targets == [1, 2], "{targets:?} targets");
        let arns = r#"jsonpath={range .items[*]}{.spec.targetGroupARN}{"\n"}{end}"#;
        let said = self.stage.kubectl(&["get", "targetgroupbindings", "-o", arns]).await?;
        let (mut bound, mut there): (Vec<&str>, Vec<&str>) =
            (said.lines().collect(), state.target_groups.iter().map(|tg| tg.arn.as_str()).collect());
        bound.sort_unstable();
        there.sort_unstable();
        ensure!(bound == there, "bindings of {bound:?}, target groups {there:?}");
        Ok(())
    }
}

/// Tags and attributes of all that the picture shows.
fn tags(state: &State) -> String {
    let mut lines = Vec::new();
    let mut tell = |what: String, tags: &BTreeMap<String, String>| lines.push(format!("{what} {tags:?}\n"));
    for balancer in &state.load_balancers {
        tell(balancer.name.clone(), &balancer.tags);
        tell(format!("{} attributes", balancer.name), &balancer.attributes);
        for listener in &balancer.listeners {
            tell(format!("listener {}", listener.port), &listener.tags);
            for rule in &listener.rules {
                tell(format!("listener {} rule {}", listener.port, rule.priority), &rule.tags);
            }
        }
    }
    for group in &state.target_groups {
        tell(group.name.clone(), &group.tags);
        tell(format!("{} attributes", group.name), &group.attributes);
    }
    for group in &state.security_groups {
        tell(group.name.clone(), &group.tags);
    }
    lines.sort();
    lines.concat()
}

/// Killed between two calls that make something, at every place where that can be.
pub async fn killed_between_creations(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "between", &[]).await?;
    let (wanted, made) = shop.without_trouble().await?;
    for kind in ["CreateSecurityGroup", "CreateTargetGroup", "CreateLoadBalancer", "CreateListener", "CreateRule"] {
        ensure!(made.iter().any(|operation| operation == kind), "no {kind} among {made:?}");
    }
    for done in 1..made.len() {
        // The next one hangs until the process is gone, and is then not carried out.
        let hang = json!([{"target": CREATE, "skip": done, "times": 0, "delayMs": 3000, "code": "ServiceUnavailable", "status": 503}]);
        let mark = shop.stage.mark().await?;
        shop.faults(&hang).await?;
        shop.apply().await?;
        shop.struck().await?;
        shop.stage.albedo()?.kill().await?;
        shop.faults(&json!([])).await?;
        let before = shop.creations(mark).await?;
        ensure!(before.len() == done, "killed after {before:?}, which should be {done}");
        shop.stage.start().await?;
        shop.recovers(&format!("killed after {before:?}"), &wanted).await?;
        shop.delete().await?;
    }
    shop.stage.close().await
}

/// Killed while AWS carries out what it was asked for: it is there, and nobody has heard of it.
pub async fn killed_before_the_answer(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "unheard", &[]).await?;
    let (wanted, _) = shop.without_trouble().await?;
    let operations = [
        ("CreateSecurityGroup", 0),
        ("AuthorizeSecurityGroupIngress", 0),
        ("CreateTargetGroup", 1),
        ("CreateLoadBalancer", 0),
        ("CreateListener", 0),
        ("CreateRule", 0),
        ("RegisterTargets", 0),
    ];
    for (operation, skip) in operations {
        let mark = shop.stage.mark().await?;
        shop.faults(&json!([{"operation": operation, "skip": skip, "delayMs": 500}])).await?;
        shop.apply().await?;
        shop.struck().await?;
        shop.stage.albedo()?.kill().await?;
        eventually("AWS has done it", SOON, async || {
            let calls = shop.stage.writes_since(mark).await?;
            let done = calls.iter().filter(|call| call.operation == operation && call.error.is_none()).count();
            Ok((done > skip).then_some(()))
        })
        .await?;
        shop.stage.start().await?;
        shop.recovers(&format!("killed before the answer of {operation}"), &wanted).await?;
        shop.delete().await?;
    }
    shop.stage.close().await
}

/// What AWS did and could not say is found again: by asking once more, and where nothing is asked twice, in the next turn.
pub async fn a_lost_answer_makes_no_double(base: Arc<Base>) -> Result<()> {
    for (name, flags) in [("lost", &[] as &[&str]), ("lost-once", &["--aws-max-retries=1"])] {
        let shop = Shop::open(&base, name, flags).await?;
        let (wanted, _) = shop.without_trouble().await?;
        for operation in
            ["CreateLoadBalancer", "CreateSecurityGroup", "CreateTargetGroup", "CreateListener", "CreateRule"]
        {
            shop.faults(&json!([{"operation": operation, "lost": true}])).await?;
            shop.apply().await?;
            shop.struck().await?;
            shop.recovers(&format!("the answer of {operation} was lost ({name})"), &wanted).await?;
            shop.faults(&json!([])).await?;
            shop.delete().await?;
        }
        shop.stage.close().await?;
    }
    Ok(())
}
