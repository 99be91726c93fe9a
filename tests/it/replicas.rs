//! Two replicas, one lease: one of them writes, also when a writer stands still and goes on; who ends lets go of it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use albedo_testenv::{Albedo, Call, Clock, Launch, Trip, eventually};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::base::Base;
use crate::crash::{sample, seed};
use crate::fixture::{Fixture, SOON};
use crate::objects::{rule, service};
use crate::wire::Client;

/// From the last sign of life of a writer to the first write of the next one.
const FAILOVER: f64 = 20.0;
/// The same when the writer says that it ends.
const HANDOVER: f64 = 6.0;

pub async fn one_writes_at_a_time(base: Arc<Base>) -> Result<()> {
    let (mut fixture, standby) = two(&base, "replicas").await?;
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    expose(&fixture, "first").await?;
    let mut second = standby.start().await?;
    ensure!(holder(&fixture).await?.is_some_and(|holder| !holder.is_empty()), "nobody holds the lease");

    // The writer stands still, as on a machine that is suspended: the other one takes over.
    let paused = now()?;
    fixture.albedo()?.pause()?;
    expose(&fixture, "second").await?;
    let taken = first_write(&fixture, "two", paused).await?;
    ensure!(taken.at - paused < FAILOVER, "{} came {:.1} s after the pause", taken.operation, taken.at - paused);
    fixture.albedo()?.resume()?;
    told(fixture.albedo()?, "this replica stops writing").await?;
    expose(&fixture, "third").await?;
    let late = writes(&fixture, "one").await?.into_iter().find(|call| call.seq > taken.seq);
    ensure!(late.is_none(), "the first replica wrote after the second one had begun: {late:?}");

    // The writer ends: it lets go, and the other one need not wait.
    let ended = now()?;
    ensure!(second.stop().await?.success(), "the second replica did not end well");
    expose(&fixture, "fourth").await?;
    let handed = first_write(&fixture, "one", ended).await?;
    ensure!(handed.at - ended < HANDOVER, "{} came {:.1} s after the end", handed.operation, handed.at - ended);
    let late = writes(&fixture, "two").await?.into_iter().find(|call| call.seq > handed.seq);
    ensure!(late.is_none(), "the second replica wrote after the first one had begun: {late:?}");

    fixture.albedo()?.stop().await?;
    ensure!(holder(&fixture).await? == Some(String::new()), "the lease is not free after the end");
    fixture.close().await
}

/// A writer stands still in the midst of a pass, with a write on its way: the other one ends the pass, nothing is made twice, and the first
/// one's pass is over when it goes on.
pub async fn who_stands_still_in_a_pass_writes_no_more(base: Arc<Base>) -> Result<()> {
    let (mut fixture, standby) = two(&base, "still").await?;
    let gate = fixture.gate().await?;
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let mut second = standby.start().await?;
    // Finalizer, ledger, security groups, target group, load balancer, …: one of them.
    gate.arm(sample(seed(), 0, 8), Trip::Hold);
    let rules = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
    fixture.apply(&[fixture.ingress("first", &[("scheme", "internal")], &rules)]).await?;
    eventually("a write is carried out", SOON, async || Ok(gate.has_tripped().then_some(()))).await?;
    let paused = now()?;
    fixture.albedo()?.pause()?;
    fixture.hostname("first").await.with_context(|| format!("after {:?}", gate.writes()))?;
    let taken = first_write(&fixture, "two", paused).await?;
    ensure!(taken.at - paused < FAILOVER, "{} came {:.1} s after the pause", taken.operation, taken.at - paused);

    fixture.albedo()?.resume()?;
    gate.reset();
    told(fixture.albedo()?, "this replica stops writing").await?;
    expose(&fixture, "second").await?;
    let late = writes(&fixture, "one").await?.into_iter().find(|call| call.seq > taken.seq);
    ensure!(late.is_none(), "the first replica wrote after the second one had begun: {late:?}");
    let state = fixture.state().await?;
    let (balancers, groups) = (state.load_balancers.len(), state.target_groups.len());
    ensure!((balancers, groups) == (2, 2), "{balancers} load balancers and {groups} target groups");
    ensure!(second.stop().await?.success(), "the second replica did not end well");
    fixture.close().await
}

/// A replica's wall clock is wrong and jumps while it writes: it goes on writing, alone, and reviews are answered; when it dies, the other one takes
/// over as fast as otherwise.
pub async fn a_clock_that_jumps_changes_nothing(base: Arc<Base>) -> Result<()> {
    let (mut fixture, standby) = two(&base, "clock").await?;
    let dir = base.dir().join("clock");
    std::fs::create_dir_all(&dir)?;
    let clock = Clock::give(&mut fixture.launch, &dir).await?;
    fixture.start().await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    expose(&fixture, "right").await?;
    let mut second = standby.start().await?;
    let client = Client::new(&base, &fixture)?;
    for (name, offset) in [("ahead", "+3h"), ("behind", "-3h"), ("far", "+400d"), ("back", "+0"), ("dead", "-2d")] {
        clock.set(offset)?;
        client.judges(&fixture).await.with_context(|| format!("with a clock at {offset}"))?;
        expose(&fixture, name).await.with_context(|| format!("with a clock at {offset}"))?;
    }
    let log = fixture.log();
    ensure!(!log.contains("this replica stops writing"), "it gave the lease up\n{log}");
    let others = writes(&fixture, "two").await?;
    ensure!(others.is_empty(), "the other replica wrote beside it: {others:?}");

    let died = now()?;
    fixture.albedo()?.kill().await?;
    expose(&fixture, "after").await?;
    let taken = first_write(&fixture, "two", died).await?;
    ensure!(taken.at - died < FAILOVER, "{} came {:.1} s after the death", taken.operation, taken.at - died);
    fixture.start().await?;
    ensure!(second.stop().await?.success(), "the second replica did not end well");
    fixture.close().await
}

/// Two replicas with one lease: the first is started by the fixture, the second by its launch.
async fn two(base: &Arc<Base>, name: &str) -> Result<(Fixture, Launch)> {
    let mut fixture = Fixture::open(base, name).await?;
    base.test_env.plane().grant_lease(&fixture.scope.namespace, &fixture.scope.lease).await?;
    fixture.flags(&["--enable-leader-election=true"]);
    fixture.launch = fixture.replica("one")?;
    let standby = fixture.replica("two")?;
    Ok((fixture, standby))
}

/// An Ingress that gets a load balancer.
async fn expose(fixture: &Fixture, name: &str) -> Result<()> {
    let rules = json!([rule(None, &[("/", "Prefix", "web", 80)])]);
    fixture.apply(&[fixture.ingress(name, &[("scheme", "internal")], &rules)]).await?;
    fixture.hostname(name).await.map(drop)
}

async fn holder(fixture: &Fixture) -> Result<Option<String>> {
    let lease = fixture.scope.api::<Lease>().get(&fixture.scope.lease).await.context("reading the Lease")?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity))
}

async fn writes(fixture: &Fixture, replica: &str) -> Result<Vec<Call>> {
    let calls = fixture.writes_since(0).await?;
    Ok(calls.into_iter().filter(|call| call.caller == replica).collect())
}

async fn first_write(fixture: &Fixture, replica: &str, after: f64) -> Result<Call> {
    let first = writes(fixture, replica).await?.into_iter().find(|call| call.at > after);
    first.with_context(|| format!("{replica} wrote nothing"))
}

async fn told(albedo: &Albedo, text: &str) -> Result<()> {
    eventually(text, SOON, async || Ok(albedo.log().contains(text).then_some(()))).await
}

/// Seconds since 1970, as the record of calls has them.
fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?.as_secs_f64())
}
