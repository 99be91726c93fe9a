//! A process that is killed after any of its writes, or that loses any answer, comes to the state that it would have come to anyway.
//!
//! A walk through everything that happens to a group is made once without trouble. Then again, and in each step of it the gate keeps the
//! answer of one write back: Albedo is killed and started again, or goes on without the answer. What AWS and Kubernetes hold after the step
//! is compared with the first walk, text for text: nothing is missing, nothing is there twice or left over.

use std::sync::Arc;

use albedo_testenv::Trip;
use anyhow::{Result, ensure};
use serde_json::json;

use crate::base::Base;
use crate::fixture::Fixture;
use crate::objects::{annotations, rule};
use crate::walk::{Step, Walk};

type Path = (&'static str, &'static str, &'static str, u16);
const API: Path = ("/api", "Prefix", "api", 8000);
const WEB: Path = ("/", "Prefix", "web", 80);

/// A walk on a fixture of its own.
pub async fn walk(base: &Arc<Base>, name: &str) -> Result<Walk> {
    let mut fixture = Fixture::open(base, name).await?;
    let gate = fixture.gate().await?;
    fixture.start().await?;
    fixture.backends("NodePort").await?;
    let steps = steps(&fixture).await?;
    Ok(Walk::new(fixture, gate, steps))
}

/// Everything that happens to a group: each operation of its life is a step. The last one leaves nothing.
async fn steps(fixture: &Fixture) -> Result<Vec<Step>> {
    let (emulator, region) = (fixture.scope.emulator(), &fixture.scope.region);
    let (one, two) = (
        emulator.certificate(region, &["one.example.com"]).await?,
        emulator.certificate(region, &["two.example.com"]).await?,
    );
    let (both, other) = (format!("{one},{two}"), format!("{two},{one}"));
    let group = fixture.scope.group.clone();
    let ingress = |name: &str, pairs: &[(&str, &str)], paths: &[Path]| {
        let mut object = fixture.ingress(name, &[], &json!([rule(None, paths)]));
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
    let step = Step::apply;
    Ok(vec![
        step("create", vec![shop(&[facing, ip], &[API, WEB])]),
        step("edit", vec![shop(&[facing, ip, idle, health, tags], edited)]),
        step("join", vec![guest(&[shared, late])]),
        step("target type", vec![shop(&[facing, node, idle, health, tags], edited)]),
        step("certificates", vec![shop(&[facing, node, idle, ports, one], &[API, WEB])]),
        step("other certificates", vec![shop(&[facing, node, idle, ports, other], &[API, WEB])]),
        step("leave", vec![guest(&[])]),
        Step::delete("delete one", &["guest"]),
        step("scheme", vec![shop(&[internal, meant, ip], &[API, WEB])]),
        Step::delete("delete", &["shop"]),
    ])
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
    let mut walk = walk(&base, "killed").await?;
    let done = walk.first().await?;
    let times = walk.again(&done, Trip::Hold, |step, done| Some(sample(seed(), step, done.writes.len()))).await?;
    ensure!(times * 4 >= done.len() * 3, "only {times} of {} steps were cut short", done.len());
    walk.close().await
}

/// Each operation of a group's life, with one answer lost.
pub async fn an_answer_is_lost_somewhere(base: Arc<Base>) -> Result<()> {
    let mut walk = walk(&base, "lost").await?;
    let done = walk.first().await?;
    let times = walk.again(&done, Trip::Lose, |step, done| Some(sample(seed() + 1, step, done.writes.len()))).await?;
    ensure!(times * 4 >= done.len() * 3, "only {times} of {} steps lost an answer", done.len());
    walk.close().await
}

/// How many walks are made side by side when every write is tried.
const SIDE_BY_SIDE: usize = 2;

async fn everywhere(base: Arc<Base>, name: &str, trip: Trip, part: usize) -> Result<()> {
    let mut walk = walk(&base, name).await?;
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
