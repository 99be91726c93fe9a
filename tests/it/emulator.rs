//! The AWS emulator itself, held to its README by `tests/aws/check.py` through a real SDK.

use std::path::Path;
use std::sync::Arc;

use albedo_testenv::Binaries;
use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::base::Base;

pub async fn it_keeps_its_word(base: Arc<Base>) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/check.py");
    let port = base.test_env.emulator().endpoint().rsplit(':').next().context("an endpoint without a port")?;
    let python = Binaries::aws().await?.join("python");
    let out = Command::new(python).args(["-B", "-W", "ignore"]).arg(script).arg(port).output().await?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success() && said.contains("OK"), "{said}");
    Ok(())
}

/// What `make aws-smoke` does to a real account, done to the emulator: its list, and a run that leaves nothing.
pub async fn the_smoke_test_runs_and_leaves_nothing(base: Arc<Base>) -> Result<()> {
    let scope = base.test_env.scope("smoke").await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/smoke.py");
    let python = Binaries::aws().await?.join("python");
    let run = async |args: &[&str]| -> Result<String> {
        let out = Command::new(&python).args(["-B", "-W", "ignore"]).arg(&script).args(args).output().await?;
        let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        ensure!(out.status.success(), "{said}");
        Ok(said)
    };
    let list = run(&["--list"]).await?;
    ensure!(list.contains("load balancers") && !list.contains("Account"), "{list}");
    let endpoint = scope.emulator().endpoint();
    let port = endpoint.rsplit(':').next().context("an endpoint without a port")?;
    let told = run(&[
        &format!("--region={}", scope.region),
        &format!("--vpc={}", scope.world.vpc_id),
        &format!("--endpoint={endpoint}"),
        &format!("--emulator={port}"),
        "--yes-account=123456789012",
    ])
    .await?;
    ensure!(!told.contains("LEFT BEHIND") && !told.contains("stopped"), "{told}");
    let left = scope.emulator().state(&scope.region).await?;
    let groups = left.security_groups.iter().filter(|group| group.name.starts_with("albedo-smoke")).count();
    ensure!(left.load_balancers.is_empty() && left.target_groups.is_empty() && groups == 0, "{left:?}");
    scope.close().await
}
