//! What another hand changes in AWS, which no watch tells of.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::base::Base;
use crate::objects::{rule, service};
use crate::stage::{SOON, Stage};

/// A rule that goes by another hand, seen by no watch, is made again on the slow clock, and counted.
pub async fn drift_is_put_back(base: Arc<Base>) -> Result<()> {
    let mut stage = Stage::open(&base, "drift").await?;
    stage.flags(&["--sync-period=6s"]);
    stage.start().await?;
    stage.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let paths = [("/api", "Prefix", "web", 80), ("/", "Prefix", "web", 80)];
    stage.apply(&[stage.ingress("shop", &[], &json!([rule(None, &paths)]))]).await?;
    stage.hostname("shop").await?;
    stage.quiet().await?;
    let before = stage.state().await?.picture(&stage.scope.world);
    delete_a_rule(&stage).await?;
    ensure!(stage.state().await?.picture(&stage.scope.world) != before, "nothing was deleted");
    albedo_ground::eventually("the rule is there again", SOON, async || {
        Ok((stage.state().await?.picture(&stage.scope.world) == before).then_some(()))
    })
    .await?;
    let (_, body) = albedo_ground::http_get(&format!("http://{}/metrics", stage.flag("metrics-bind-addr")?)).await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    ensure!(text.lines().any(|line| line == "albedo_drift_repairs_total 1"), "it was not counted:\n{text}");
    stage.close().await
}

/// Deletes the first rule of the first load balancer.
async fn delete_a_rule(stage: &Stage) -> Result<()> {
    let state = stage.state().await?;
    let mut rules = state.load_balancers.iter().flat_map(|one| &one.listeners).flat_map(|one| &one.rules);
    let rule = rules.find(|rule| !rule.is_default).context("there is no rule")?;
    let params = json!({"RuleArn": rule.arn});
    stage.scope.emulator().call(&stage.scope.region, "elbv2", "DeleteRule", &params).await.map(drop)
}
