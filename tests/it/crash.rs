//! A process that is killed after any of its writes, or that loses any answer, comes to the state that it would have come to anyway.
//!
//! A walk through everything that happens to a group is made once without trouble. Then again, and in each step of it the gate keeps the
//! answer of one write back: Albedo is killed and started again, or goes on without the answer. What AWS and Kubernetes hold after the step
//! is compared with the first walk, text for text: nothing is missing, nothing is there twice or left over.

use std::fmt::Write as _;
use std::sync::Arc;

use albedo_ground::{Gate, State, Trip, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::objects::{annotations, rule};
use crate::stage::{SOON, Stage, tail};

/// One step: what is applied, what is deleted.
struct Step {
    name: &'static str,
    apply: Vec<Value>,
    delete: &'static [&'static str],
}

/// What a step led to without trouble.
pub struct Done {
    whole: String,
    pub writes: Vec<String>,
}

pub struct Walk {
    pub stage: Stage,
    gate: Gate,
    steps: Vec<Step>,
}

type Path = (&'static str, &'static str, &'static str, u16);
const API: Path = ("/api", "Prefix", "api", 8000);
const WEB: Path = ("/", "Prefix", "web", 80);

impl Walk {
    pub async fn open(base: &Arc<Base>, name: &str) -> Result<Self> {
        let mut stage = Stage::open(base, name).await?;
        let gate = stage.gate().await?;
        stage.start().await?;
        stage.backends("NodePort").await?;
        let steps = steps(&stage).await?;
        Ok(Self { stage, gate, steps })
    }

    /// Leaves out all other steps.
    pub fn only(&mut self, names: &[&str]) {
        self.steps.retain(|step| names.contains(&step.name));
    }

    /// The walk again, as it is.
    pub async fn once_more(&mut self, done: &[Done]) -> Result<()> {
        for (index, done) in done.iter().enumerate() {
            self.step(index, done).await?;
        }
        Ok(())
    }

    /// One step again, as it is.
    pub async fn step(&mut self, index: usize, done: &Done) -> Result<()> {
        let step = self.steps.get(index).context("no such step")?;
        self.gate.reset();
        self.take(step).await?;
        let at = || format!("{} with {:?}\n{}", step.name, self.gate.writes(), tail(&self.stage.log()));
        self.becomes(&done.whole).await.with_context(at)
    }

    /// The walk without trouble.
    pub async fn first(&self) -> Result<Vec<Done>> {
        let mut done = Vec::new();
        for step in &self.steps {
            self.gate.reset();
            self.take(step).await?;
            let begun = async || Ok((!self.gate.writes().is_empty()).then_some(()));
            eventually(&format!("{} is begun", step.name), SOON, begun).await?;
            // Twice the same: on a busy machine one change may come long after the other.
            let mut whole = None;
            let same = async || {
                self.stage.quiet().await?;
                let (now, before) = (self.whole().await?, whole.take());
                whole = Some(now.clone());
                Ok((before.as_ref() == Some(&now)).then_some(now))
            };
            let whole = eventually(&format!("{} is over", step.name), SOON, same).await?;
            done.push(Done { whole, writes: self.gate.writes() });
        }
        ensure!(done.last().is_some_and(|last| last.whole.is_empty()), "the last step leaves something");
        Ok(done)
    }

    /// The walk again, with the trouble that `choose` names for each step, if any: the number of the write.
    async fn again(
        &mut self,
        done: &[Done],
        trip: Trip,
        choose: impl Fn(usize, &Done) -> Option<usize>,
    ) -> Result<usize> {
        let mut times = 0;
        for (index, done) in done.iter().enumerate() {
            let nth = choose(index, done);
            let step = self.steps.get(index).context("no such step")?;
            match nth {
                Some(nth) => self.gate.arm(nth, trip),
                None => self.gate.reset(),
            }
            self.take(step).await?;
            let name = step.name;
            let met = self.trouble(trip, nth.is_some()).await?;
            times += usize::from(met.is_some());
            let at = || format!("{name}, {trip:?} after {:?}\n{}", met.unwrap_or_default(), tail(&self.stage.log()));
            self.becomes(&done.whole).await.with_context(at)?;
        }
        Ok(times)
    }

    /// Waits for the trouble, and kills and starts if that is what it is. Answers what had been written by then; nothing if the step was over
    /// before: turns that run side by side don't always write as often.
    async fn trouble(&mut self, trip: Trip, expected: bool) -> Result<Option<Vec<String>>> {
        if !expected {
            return Ok(None);
        }
        let trips =
            async || eventually("the gate trips", SOON, async || Ok(self.gate.has_tripped().then_some(()))).await;
        tokio::select! {
            tripped = trips() => tripped?,
            rest = self.stage.quiet() => rest?,
        }
        if self.gate.disarm() {
            return Ok(None);
        }
        trips().await?;
        let before = self.gate.writes();
        if trip == Trip::Hold {
            self.stage.albedo()?.kill().await?;
            self.gate.reset();
            self.stage.start().await.with_context(|| format!("killed after {before:?}"))?;
        }
        Ok(Some(before))
    }

    async fn take(&self, step: &Step) -> Result<()> {
        if !step.apply.is_empty() {
            self.stage.apply(&step.apply).await?;
        }
        if !step.delete.is_empty() {
            self.stage.kubectl(&[&["delete", "ingress", "--wait=false"], step.delete].concat()).await?;
        }
        Ok(())
    }

    /// Waits until there is what there was without trouble, and nothing happens any more.
    async fn becomes(&self, wanted: &str) -> Result<()> {
        let alike = async || {
            let whole = self.whole().await?;
            ensure!(whole == *wanted, "there is\n{whole}\nand there should be\n{wanted}");
            Ok(Some(()))
        };
        eventually("all is as it is without trouble", SOON, alike).await?;
        self.stage.quiet().await?;
        alike().await.map(drop)
    }

    /// All that AWS and Kubernetes hold of this stage as a text that depends on no id.
    async fn whole(&self) -> Result<String> {
        let (scope, state) = (&self.stage.scope, self.stage.state().await?);
        let mut text = format!("{}{}", state.picture(&scope.world), details(&state));
        for kind in ["ingresses", "targetgroupbindings"] {
            let list: Value = serde_json::from_str(&self.stage.kubectl(&["get", kind, "-o", "json"]).await?)?;
            for object in list["items"].as_array().into_iter().flatten() {
                let (meta, spec) =
                    (&object["metadata"], if kind == "ingresses" { &Value::Null } else { &object["spec"] });
                let _ = writeln!(
                    text,
                    "{kind} {} {} {} {spec} {}",
                    meta["name"], meta["labels"], meta["finalizers"], object["status"]
                );
            }
        }
        let groups = self.stage.kubectl(&["get", "ingressgroups", "-o", "json"]).await?;
        text.push_str(&ledgers(&serde_json::from_str(&groups)?, &[&scope.namespace, &scope.group]));
        Ok(without_ids(text, &state))
    }

    pub async fn close(self) -> Result<()> {
        self.stage.close().await
    }
}

/// Everything that happens to a group: each operation of its life is a step. The last one leaves nothing.
async fn steps(stage: &Stage) -> Result<Vec<Step>> {
    let (emulator, region) = (stage.scope.emulator(), &stage.scope.region);
    let (one, two) = (
        emulator.certificate(region, &["one.example.com"]).await?,
        emulator.certificate(region, &["two.example.com"]).await?,
    );
    let (both, other) = (format!("{one},{two}"), format!("{two},{one}"));
    let group = stage.scope.group.clone();
    let ingress = |name: &str, pairs: &[(&str, &str)], paths: &[Path]| {
        let mut object = stage.ingress(name, &[], &json!([rule(None, paths)]));
        object["metadata"]["annotations"] = annotations(pairs);
        object
    };
    let (shared, facing, ip) = (("group.name", group.as_str()), ("scheme", "internet-facing"), ("target-type", "ip"));
    let idle = ("load-balancer-attributes", "idle_timeout.timeout_seconds=90");
    let (health, tags) = (("healthcheck-path", "/healthz"), ("tags", "team=shop"));
    let (ports, one, other) = (
        ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#),
        ("certificate-arn", both.as_str()),
        ("certificate-arn", other.as_str()),
    );
    let node = ("target-type", "instance");
    let (internal, meant) = (("scheme", "internal"), ("albedo.dev/allow-replacement", "true"));
    let shop = |pairs: &[(&str, &str)], paths: &[Path]| ingress("shop", &[&[shared], pairs].concat(), paths);
    let edited: &[Path] = &[API, WEB, ("/about", "Exact", "web", 80)];
    let (late, guests): (_, &[Path]) = (("group.order", "10"), &[("/guest", "Exact", "web", 80)]);
    let guest = |pairs: &[(&str, &str)]| ingress("guest", &[pairs, &[facing, ip]].concat(), guests);
    let step = |name, apply| Step { name, apply, delete: &[] };
    Ok(vec![
        step("create", vec![shop(&[facing, ip], &[API, WEB])]),
        step("edit", vec![shop(&[facing, ip, idle, health, tags], edited)]),
        step("join", vec![guest(&[shared, late])]),
        step("target type", vec![shop(&[facing, node, idle, health, tags], edited)]),
        step("certificates", vec![shop(&[facing, node, idle, ports, one], &[API, WEB])]),
        step("other certificates", vec![shop(&[facing, node, idle, ports, other], &[API, WEB])]),
        step("leave", vec![guest(&[])]),
        Step { name: "delete one", apply: vec![], delete: &["guest"] },
        step("scheme", vec![shop(&[internal, meant, ip], &[API, WEB])]),
        Step { name: "delete", apply: vec![], delete: &["shop"] },
    ])
}

/// Tags, attributes and certificates of all that the picture shows.
fn details(state: &State) -> String {
    let mut lines = Vec::new();
    for balancer in &state.load_balancers {
        lines.push(format!("{} {:?} {:?}", balancer.name, balancer.tags, balancer.attributes));
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

/// The ledgers of this stage: whose, in what state, with which members and resources.
fn ledgers(list: &Value, mine: &[&str]) -> String {
    let own = |object: &&Value| {
        mine.iter().any(|name| object["metadata"]["name"].as_str().is_some_and(|is| is.contains(name)))
    };
    let mut lines: Vec<String> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(own)
        .map(|object| {
            let status = &object["status"];
            format!("ledger {} {} {}\n", object["metadata"]["name"], status["state"], status["resources"])
        })
        .collect();
    lines.sort();
    lines.concat()
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

/// Two numbers that seem random and are the same in every run: which write of a step is the one.
pub fn sample(seed: usize, step: usize, writes: usize) -> usize {
    let mixed = (seed * 1_000_003 + step).wrapping_mul(0x9e37_79b9_7f4a_7c15_usize) >> 33;
    mixed % writes + 1
}

/// Seed of the sample; `ALBEDO_SEED` takes another.
pub fn seed() -> usize {
    std::env::var("ALBEDO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7)
}

/// Each operation of a group's life, killed once.
pub async fn killed_somewhere(base: Arc<Base>) -> Result<()> {
    let mut walk = Walk::open(&base, "killed").await?;
    let done = walk.first().await?;
    let times = walk.again(&done, Trip::Hold, |step, done| Some(sample(seed(), step, done.writes.len()))).await?;
    ensure!(times * 4 >= done.len() * 3, "only {times} of {} steps were cut short", done.len());
    walk.close().await
}

/// Each operation of a group's life, with one answer lost.
pub async fn an_answer_is_lost_somewhere(base: Arc<Base>) -> Result<()> {
    let mut walk = Walk::open(&base, "lost").await?;
    let done = walk.first().await?;
    let times = walk.again(&done, Trip::Lose, |step, done| Some(sample(seed() + 1, step, done.writes.len()))).await?;
    ensure!(times * 4 >= done.len() * 3, "only {times} of {} steps lost an answer", done.len());
    walk.close().await
}

/// How many walks are made side by side when every write is tried.
const SIDE_BY_SIDE: usize = 2;

async fn everywhere(base: Arc<Base>, name: &str, trip: Trip, part: usize) -> Result<()> {
    let mut walk = Walk::open(&base, name).await?;
    let done = walk.first().await?;
    let most = done.iter().map(|done| done.writes.len()).max().unwrap_or_default();
    for nth in (1..=most).filter(|nth| nth % SIDE_BY_SIDE == part) {
        walk.again(&done, trip, |_, done| (nth <= done.writes.len()).then_some(nth)).await?;
    }
    walk.close().await
}

pub async fn killed_after_every_odd_write(base: Arc<Base>) -> Result<()> {
    everywhere(base, "killed-odd", Trip::Hold, 1).await
}

pub async fn killed_after_every_even_write(base: Arc<Base>) -> Result<()> {
    everywhere(base, "killed-even", Trip::Hold, 0).await
}

pub async fn every_odd_answer_is_lost(base: Arc<Base>) -> Result<()> {
    everywhere(base, "lost-odd", Trip::Lose, 1).await
}

pub async fn every_even_answer_is_lost(base: Arc<Base>) -> Result<()> {
    everywhere(base, "lost-even", Trip::Lose, 0).await
}
