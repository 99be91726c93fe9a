//! A walk through a group's life: what each step of it leads to without trouble, and whether it leads there with some.
//!
//! What AWS and Kubernetes hold after a step is compared text for text: nothing is missing, nothing is there twice or left over.

use std::fmt::Write as _;
use std::time::Duration;

use albedo_testenv::{Gate, State, Trip, eventually};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::fixture::{Fixture, SOON, tail};

/// One step: what is applied, what is deleted.
pub struct Step {
    pub name: &'static str,
    pub apply: Vec<Value>,
    pub delete: &'static [&'static str],
    /// Albedo is killed and started again.
    pub restart: bool,
}

impl Step {
    pub fn apply(name: &'static str, apply: Vec<Value>) -> Self {
        Self { name, apply, delete: &[], restart: false }
    }

    pub fn delete(name: &'static str, delete: &'static [&'static str]) -> Self {
        Self { name, apply: Vec::new(), delete, restart: false }
    }

    pub fn restart(name: &'static str) -> Self {
        Self { name, apply: Vec::new(), delete: &[], restart: true }
    }
}

/// What a step led to without trouble.
pub struct Done {
    pub whole: String,
    pub writes: Vec<String>,
}

pub struct Walk {
    pub fixture: Fixture,
    pub gate: Gate,
    steps: Vec<Step>,
}

impl Walk {
    /// On a fixture whose Albedo goes through a gate.
    pub fn new(fixture: Fixture, gate: Gate, steps: Vec<Step>) -> Self {
        Self { fixture, gate, steps }
    }

    /// Leaves out all other steps.
    pub fn only(&mut self, names: &[&str]) {
        self.steps.retain(|step| names.contains(&step.name));
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.steps.iter().map(|step| step.name).collect()
    }

    /// The walk again, as it is.
    pub async fn once_more(&mut self, done: &[Done]) -> Result<()> {
        for (index, done) in done.iter().enumerate() {
            self.step(index, done, SOON).await?;
        }
        Ok(())
    }

    /// One step again, as it is.
    pub async fn step(&mut self, index: usize, done: &Done, limit: Duration) -> Result<()> {
        self.gate.reset();
        self.take(index).await?;
        let name = self.steps.get(index).map(|step| step.name).unwrap_or_default();
        let at = || format!("{name} with {:?}\n{}", self.gate.writes(), tail(&self.fixture.log()));
        self.becomes(&done.whole, limit).await.with_context(at)
    }

    /// The walk without trouble.
    pub async fn first(&mut self) -> Result<Vec<Done>> {
        let (mut done, before) = (Vec::new(), self.whole().await?);
        for index in 0..self.steps.len() {
            done.push(self.first_step(index).await?);
        }
        leaves_nothing(&before, &done)?;
        Ok(done)
    }

    /// One step of it: what it leads to.
    pub async fn first_step(&mut self, index: usize) -> Result<Done> {
        self.gate.reset();
        self.take(index).await?;
        let step = self.steps.get(index).context("no such step")?;
        if !step.restart {
            let begun = async || Ok((!self.gate.writes().is_empty()).then_some(()));
            eventually(&format!("{} is begun", step.name), SOON, begun).await?;
        }
        // Twice the same: on a busy machine one change may come long after the other.
        let mut whole = None;
        let same = async || {
            self.fixture.quiet().await?;
            let (now, before) = (self.whole().await?, whole.take());
            whole = Some(now.clone());
            Ok((before.as_ref() == Some(&now)).then_some(now))
        };
        let whole = eventually(&format!("{} is over", step.name), SOON, same).await?;
        Ok(Done { whole, writes: self.gate.writes() })
    }

    /// The walk again, with the trouble that `choose` names for each step, if any: the number of the write.
    pub async fn again(
        &mut self,
        done: &[Done],
        trip: Trip,
        choose: impl Fn(usize, &Done) -> Option<usize>,
    ) -> Result<usize> {
        let mut times = 0;
        for (index, done) in done.iter().enumerate() {
            let nth = choose(index, done);
            match nth {
                Some(nth) => self.gate.arm(nth, trip),
                None => self.gate.reset(),
            }
            self.take(index).await?;
            let name = self.steps.get(index).map(|step| step.name).unwrap_or_default();
            let met = self.trouble(trip, nth.is_some()).await?;
            times += usize::from(met.is_some());
            let at = || format!("{name}, {trip:?} after {:?}\n{}", met.unwrap_or_default(), tail(&self.fixture.log()));
            self.becomes(&done.whole, SOON).await.with_context(at)?;
        }
        Ok(times)
    }

    /// Waits for the trouble, and kills and starts if that is what it is. Answers what had been written by then; nothing if the step was over
    /// before: passes that run side by side don't always write as often.
    async fn trouble(&mut self, trip: Trip, expected: bool) -> Result<Option<Vec<String>>> {
        if !expected {
            return Ok(None);
        }
        let trips =
            async || eventually("the gate trips", SOON, async || Ok(self.gate.has_tripped().then_some(()))).await;
        tokio::select! {
            tripped = trips() => tripped?,
            rest = self.fixture.quiet() => rest?,
        }
        if self.gate.disarm() {
            return Ok(None);
        }
        trips().await?;
        let before = self.gate.writes();
        if trip == Trip::Hold {
            self.fixture.albedo()?.kill().await?;
            self.gate.reset();
            self.fixture.start().await.with_context(|| format!("killed after {before:?}"))?;
        }
        Ok(Some(before))
    }

    async fn take(&mut self, index: usize) -> Result<()> {
        let step = self.steps.get(index).context("no such step")?;
        let ingresses: Api<Ingress> = self.fixture.scope.api();
        for object in &step.apply {
            let name = object["metadata"]["name"].as_str().context("an object without a name")?;
            ingresses.patch(name, &PatchParams::apply("walk").force(), &Patch::Apply(object)).await?;
        }
        for name in step.delete {
            ingresses.delete(name, &DeleteParams::default()).await?;
        }
        if step.restart {
            self.fixture.albedo()?.kill().await?;
            self.fixture.start().await?;
        }
        Ok(())
    }

    /// Waits until there is what there was without trouble, and nothing happens any more.
    pub async fn becomes(&self, wanted: &str, limit: Duration) -> Result<()> {
        eventually("all is as it is without trouble", limit, async || {
            self.fixture.quiet().await?;
            let whole = self.whole().await?;
            ensure!(whole == *wanted, "there is\n{whole}\nand there should be\n{wanted}");
            Ok(Some(()))
        })
        .await
    }

    /// All that AWS and Kubernetes hold of this fixture as a text that depends on no id.
    pub async fn whole(&self) -> Result<String> {
        let (scope, state) = (&self.fixture.scope, self.fixture.state().await?);
        let mut text = format!("{}{}", state.picture(&scope.world), details(&state));
        let ingresses = scope.api::<Ingress>().list(&ListParams::default()).await?;
        for one in ingresses.items {
            let (meta, status) = (json!(one.metadata), json!(one.status));
            let _ = writeln!(text, "ingress {} {} {} {status}", meta["name"], meta["labels"], meta["finalizers"]);
        }
        let bindings = ApiResource::from_gvk(&GroupVersionKind::gvk("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding"));
        let bindings: Api<DynamicObject> = Api::namespaced_with(scope.client(), &scope.namespace, &bindings);
        for one in bindings.list(&ListParams::default()).await?.items {
            let (meta, rest) = (json!(one.metadata), &one.data);
            let mut status = rest["status"].clone();
            // How often it was edited on the way is no difference; whether the last edit was seen is one.
            if status["observedGeneration"] == meta["generation"] {
                status["observedGeneration"] = json!("the last");
            }
            let _ = writeln!(
                text,
                "binding {} {} {} {} {status}",
                meta["name"], meta["labels"], meta["finalizers"], rest["spec"]
            );
        }
        text.push_str(&self.ledgers().await?);
        Ok(without_ids(text, &state))
    }

    /// The ledgers of this fixture: whose, in what state, with which members and resources.
    async fn ledgers(&self) -> Result<String> {
        let groups = ApiResource::from_gvk(&GroupVersionKind::gvk("albedo.dev", "v1alpha1", "IngressGroup"));
        let groups: Api<DynamicObject> = Api::all_with(self.fixture.scope.client(), &groups);
        let mine = [&self.fixture.scope.namespace, &self.fixture.scope.group];
        let mut lines = Vec::new();
        for one in groups.list(&ListParams::default()).await?.items {
            let (name, status) = (one.name_any(), &one.data["status"]);
            if mine.iter().any(|part| name.contains(part.as_str())) {
                lines.push(format!("ledger {name} {} {}\n", status["state"], status["resources"]));
            }
        }
        lines.sort();
        Ok(lines.concat())
    }

    pub async fn close(self) -> Result<()> {
        self.fixture.close().await
    }
}

/// After the last step there is what there was before the first one.
pub fn leaves_nothing(before: &str, done: &[Done]) -> Result<()> {
    let last = done.last().context("no step")?;
    ensure!(last.whole == before, "the last step leaves\n{}\nand before there was\n{before}", last.whole);
    Ok(())
}

/// Tags, attributes and certificates of all that the picture shows.
fn details(state: &State) -> String {
    let mut lines = Vec::new();
    for balancer in &state.load_balancers {
        lines.push(format!("{} {:?} {:?}", balancer.name, balancer.tags, balancer.attributes));
        let (acl, classic) = (&balancer.web_acl, &balancer.classic_web_acl);
        let (shield, capacity) = (&balancer.shield_protection, balancer.capacity);
        lines.push(format!("{} has {acl:?} {classic:?} {shield:?} {capacity:?}", balancer.name));
        for listener in &balancer.listeners {
            let mut certificates: Vec<String> = listener.all_certificates.iter().map(Value::to_string).collect();
            certificates.sort();
            let at = format!("{} listener {}", balancer.name, listener.port);
            lines.push(format!("{at} {:?} {:?} {certificates:?}", listener.tags, listener.attributes));
            lines.extend(listener.rules.iter().map(|rule| format!("{at} rule {} {:?}", rule.priority, rule.tags)));
        }
    }
    for group in &state.target_groups {
        let health = group.rest.get("HealthCheckPath");
        lines.push(format!("{} {:?} {:?} {health:?}", group.name, group.tags, group.attributes));
    }
    lines.extend(
        state
            .security_groups
            .iter()
            .filter(|group| !group.tags.is_empty())
            .map(|group| format!("{} {:?}", group.name, group.tags)),
    );
    // The region's own security group is there before and after.
    lines.retain(|line| !line.contains("kubernetes.io/cluster/"));
    lines.sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The text with names in place of ids.
fn without_ids(mut text: String, state: &State) -> String {
    let ends = |arn: &str| arn.rsplit('/').next().map(str::to_owned);
    for balancer in &state.load_balancers {
        for listener in &balancer.listeners {
            for rule in &listener.rules {
                text = text.replace(&rule.arn, &format!("rule {}", rule.priority));
            }
            text = text.replace(&listener.arn, &format!("listener {}", listener.port));
        }
        text = text.replace(&balancer.arn, &balancer.name);
        text = ends(&balancer.arn).map_or(text.clone(), |id| text.replace(&id, "ID"));
    }
    for group in &state.target_groups {
        text = text.replace(&group.arn, &group.name);
    }
    for group in &state.security_groups {
        text = text.replace(&group.id, &group.name);
    }
    text
}
