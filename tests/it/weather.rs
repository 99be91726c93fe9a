//! AWS on a bad day: it throttles, fails, is late with what it shows, takes its time. A group's life comes to the same state in the end, and
//! nothing is made twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::crash::{sample, seed, walk};
use crate::fixture::SOON;
use crate::walk::{Done, Walk};

/// What AWS throttles by default is a bucket a family of operations; these are small enough to be emptied.
fn buckets() -> Value {
    json!([
        {"service": "elbv2", "operation": "^Describe", "rate": 8, "burst": 4},
        {"service": "elbv2", "operation": "^(Register|Deregister)Targets", "rate": 2, "burst": 1},
        {"service": "elbv2", "operation": "^(Create|Modify|Set|Add|Remove)", "rate": 4, "burst": 3},
        {"service": "ec2", "operation": "^(Create|Authorize|Revoke|Delete)", "rate": 2, "burst": 1},
    ])
}

/// How often each operation that makes something succeeded since then.
async fn made(walk: &Walk, mark: u64) -> Result<BTreeMap<String, usize>> {
    let mut made = BTreeMap::new();
    for call in walk.fixture.writes_since(mark).await? {
        if call.operation.starts_with("Create") && call.operation != "CreateTags" && call.error.is_none() {
            *made.entry(call.operation).or_default() += 1;
        }
    }
    Ok(made)
}

/// The first walk in fine weather, what was made in it, and the walk itself.
async fn fine(base: &Arc<Base>, name: &str) -> Result<(Walk, Vec<Done>, BTreeMap<String, usize>)> {
    let mut walk = walk(base, name).await?;
    walk.only(&["create", "edit", "join", "target type", "delete one", "delete"]);
    let mark = walk.fixture.mark().await?;
    let done = walk.first().await?;
    let made = made(&walk, mark).await?;
    for operation in ["CreateSecurityGroup", "CreateTargetGroup", "CreateLoadBalancer", "CreateListener", "CreateRule"]
    {
        ensure!(made.contains_key(operation), "no {operation} among {made:?}");
    }
    Ok((walk, done, made))
}

pub async fn throttles_only_slow_it_down(base: Arc<Base>) -> Result<()> {
    let (mut walk, done, wanted) = fine(&base, "throttled").await?;
    let (emulator, region) = (Arc::clone(&base.test_env), walk.fixture.scope.region.clone());
    emulator.emulator().throttle(&region, &buckets()).await?;
    let mark = walk.fixture.mark().await?;
    walk.once_more(&done).await?;
    let calls = emulator.emulator().calls_since(&region, mark).await?;
    let throttled = |write: bool| calls.iter().filter(|call| call.write == write && call.error.is_some()).count();
    ensure!(
        throttled(true) > 0 && throttled(false) > 0,
        "{} writes and {} reads were throttled",
        throttled(true),
        throttled(false)
    );
    let made = made(&walk, mark).await?;
    ensure!(made == wanted, "made {made:?} and in fine weather {wanted:?}");
    walk.close().await
}

/// In each step a write fails before its effect, one after it, and one is throttled.
pub async fn failures_are_tried_again(base: Arc<Base>) -> Result<()> {
    let (mut walk, done, _) = fine(&base, "failing").await?;
    let (test_env, region) = (Arc::clone(&base.test_env), walk.fixture.scope.region.clone());
    for (index, step) in done.iter().enumerate() {
        let calls: Vec<&str> = step.writes.iter().filter_map(|write| write.strip_prefix("AWS ")).collect();
        let any = |salt: usize| calls.get(sample(seed() + salt, index, calls.len()) - 1).copied().context("no call");
        let faults = json!([
            {"operation": any(0)?, "kind": "internal"},
            {"operation": any(1)?, "kind": "internal", "after": true},
            {"operation": any(2)?, "kind": "throttle"},
        ]);
        test_env.emulator().faults(&region, &faults).await?;
        walk.step(index, step, SOON).await.with_context(|| format!("with the faults {faults}"))?;
        let struck = test_env.emulator().struck(&region).await?;
        ensure!(struck > 0, "none of {faults} has struck");
    }
    walk.close().await
}

pub async fn describes_that_lag_make_no_double(base: Arc<Base>) -> Result<()> {
    let (mut walk, done, wanted) = fine(&base, "lagging").await?;
    let region = walk.fixture.scope.region.clone();
    base.test_env.emulator().life(&region, &json!({"lagSeconds": 1.5})).await?;
    let mark = walk.fixture.mark().await?;
    walk.once_more(&done).await?;
    let made = made(&walk, mark).await?;
    ensure!(made == wanted, "made {made:?} and in fine weather {wanted:?}");
    walk.close().await
}

pub async fn what_takes_its_time_is_waited_for(base: Arc<Base>) -> Result<()> {
    let (mut walk, done, wanted) = fine(&base, "slow").await?;
    let region = walk.fixture.scope.region.clone();
    let targets = json!({"initialSeconds": 0.7, "drainingSeconds": 1.0});
    base.test_env.emulator().life(&region, &json!({"targets": targets, "provisioningSeconds": 1.5})).await?;
    let mark = walk.fixture.mark().await?;
    walk.once_more(&done).await?;
    let made = made(&walk, mark).await?;
    ensure!(made == wanted, "made {made:?} and in fine weather {wanted:?}");
    walk.close().await
}
